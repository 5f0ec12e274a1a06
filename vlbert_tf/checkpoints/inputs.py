"""What is read for a conversion: weights, and the files beside them."""

import dataclasses
import json
import os

import tensorflow as tf
import yaml

from vlbert_tf.checkpoints import (
  bert_tables,
  kerashub_bert,
  numpy_files,
  safetensors_files,
  torch_files,
)
from vlbert_tf.checkpoints.stored import StoredTensor, Tensors
from vlbert_tf.modeling.resnets import RESNETS
from vlbert_tf.vision.detector_architecture import DetectorArchitecture

KERASHUB = 'kerashub_bert'
BERT_SOURCES = ('huggingface_bert', 'google_bert', KERASHUB)

# Files beside weights that may tell the number of heads.
_CONFIG_FILES = ('config.json', 'bert_config.json', 'manifest.json')
_VOCABULARIES = ('vocab.txt', kerashub_bert.VOCABULARY)
_NAMES = {
  'categories': 'objects_vocab.txt',
  'attributes': 'attributes_vocab.txt',
}


@dataclasses.dataclass(frozen=True)
class Options:
  """What no file of weights tells.

  Attributes:
    preset: arithmetic that text weights are put under.
    visual_features: likewise, `pixels` or `precomputed`.
    num_heads: attention heads; 0 looks for a config file beside the weights.
    base: folder of converted weights that are kept where the source has none.
    vocab: file of word pieces; empty looks for one beside the weights.
    categories: file of a detector's categories; empty looks for one likewise.
    attributes: file of its attributes, likewise.
  """

  preset: str = 'paper'
  visual_features: str = 'pixels'
  num_heads: int = 0
  base: str = ''
  vocab: str = ''
  categories: str = ''
  attributes: str = ''


def read(source: str, path: str) -> Tensors:
  """The tensors of a source.

  Args:
    source: one of `sources.SOURCES`.
    path: of the file or folder.

  Returns:
    Tensors by name; those of BERTs by regular names.

  Raises:
    ValueError: there is no such file, or it is damaged.
  """
  if source == 'google_bert':
    return bert_tables.pytorch_names(_read_tensorflow(path))
  if source == KERASHUB:
    return kerashub_bert.read(path)
  if os.path.isdir(path):
    path = _file_in(path)
  if not os.path.exists(path):
    raise ValueError(f'--input must name a file. Received: {path}.')
  if path.endswith('.npz'):
    return numpy_files.read_npz(path)
  if path.endswith('.pkl'):
    return numpy_files.read_pickle(path)
  reader = safetensors_files if path.endswith('.safetensors') else torch_files
  tensors = reader.read(path)
  if source in BERT_SOURCES:
    return bert_tables.regular_names(tensors)
  return tensors


def _file_in(folder: str) -> str:
  names = ('model.safetensors', 'pytorch_model.bin')
  found = [n for n in names if os.path.exists(os.path.join(folder, n))]
  if not found:
    raise ValueError(
      f'A folder of weights must hold {" or ".join(names)}. '
      f'Received: {folder}. Pass the file itself.'
    )
  return os.path.join(folder, found[0])


def _read_tensorflow(path: str) -> dict[str, StoredTensor]:
  try:
    reader = tf.train.load_checkpoint(path)
  except (ValueError, tf.errors.OpError) as error:
    raise ValueError(
      "--input must name a checkpoint of TensorFlow, such as BERT's "
      f'bert_model.ckpt without a suffix. Received: {path}.'
    ) from error
  return {
    name: StoredTensor(tuple(shape), lambda name=name: reader.get_tensor(name))
    for name, shape in reader.get_variable_to_shape_map().items()
  }


def heads_beside(source: str, path: str) -> int:
  """Attention heads that a file beside the weights tells, or 0."""
  if source == KERASHUB:
    return kerashub_bert.num_heads(path)
  for name in _CONFIG_FILES:
    beside = os.path.join(_place(path), name)
    if os.path.exists(beside):
      with open(beside, encoding='utf-8') as file:
        heads = json.load(file).get('num_attention_heads', 0)
      if heads:
        return int(heads)
  return 0


def text_files(vocab_size: int, path: str, options: Options) -> dict[str, str]:
  """The vocabulary that goes with the weights, if there is one.

  Args:
    vocab_size: word embeddings.
    path: of the weights.
    options: may name the vocabulary.

  Returns:
    Texts by file name.

  Raises:
    ValueError: it has more words than the weights have embeddings.
  """
  found = _beside(path, options.vocab, _VOCABULARIES)
  if not found:
    return {}
  text = _read_text(found)
  count = len(text.rstrip('\n').split('\n'))
  if count > vocab_size:
    raise ValueError(
      'A vocabulary must not have more words than the weights have word '
      f'embeddings, {vocab_size}. Received: {found} with {count}. '
      'Pass --vocab, the file that came with the weights.'
    )
  return {'vocab.txt': text}


def detector_files(
  architecture: DetectorArchitecture, path: str, options: Options
) -> dict[str, str]:
  """The names that a detector goes with, and settings that build it again.

  Args:
    architecture: of the detector.
    path: of the weights.
    options: may name the files.

  Returns:
    Texts by file name; without settings where names are missing.

  Raises:
    ValueError: a file has another number of names than the detector.
  """
  texts = {}
  counts = {
    'categories': architecture.num_categories,
    'attributes': architecture.num_attributes,
  }
  for kind, count in counts.items():
    given = getattr(options, kind)
    found = _beside(path, given, (_NAMES[kind],)) if count else ''
    if found:
      texts[f'{kind}.txt'] = ''.join(
        f'{name}\n' for name in _first_names(found, kind, count)
      )
  if len(texts) < sum(1 for count in counts.values() if count):
    return texts
  settings = {
    'name': 'vlbert/detection',
    'detector': _detector_settings(architecture),
  }
  return {**texts, 'params.yaml': yaml.safe_dump({'task': settings})}


def _first_names(path: str, kind: str, count: int) -> list[str]:
  """The names of a file, without synonyms, which follow after commas."""
  lines = [line.strip() for line in _read_text(path).split('\n')]
  names = [line.split(',')[0] for line in lines if line]
  if len(names) != count:
    raise ValueError(
      f'A file of {kind} must have a line for each of the {count} that the '
      f'weights know. Received: {path} with {len(names)}. Pass --{kind}.'
    )
  return names


def _detector_settings(architecture: DetectorArchitecture) -> dict:
  """What `vlbert/detection` is told to build this detector."""
  resnet = architecture.resnet
  return {
    'size': 'base',
    'resnet': next(
      (n for n, known in RESNETS.items() if known.depths == resnet.depths), ''
    ),
    'pool_pads': resnet.pool_pads,
    'stride_in_3x3': resnet.stride_in_3x3,
    'dilated_res5': resnet.dilation == 2,
    'anchor_sizes': list(architecture.anchor_sizes),
    'anchor_ratios': list(architecture.anchor_ratios),
    'anchor_shift': architecture.anchor_shift,
    'rpn_width': architecture.rpn_width,
    'proposals_before_nms': architecture.proposals_before_nms,
  }


def _beside(path: str, given: str, names: tuple[str, ...]) -> str:
  if given:
    return given
  for name in names:
    beside = os.path.join(_place(path), name)
    if os.path.exists(beside):
      return beside
  return ''


def _place(path: str) -> str:
  return path if os.path.isdir(path) else os.path.dirname(path)


def _read_text(path: str) -> str:
  if not os.path.exists(path):
    raise ValueError(f'A file of names must exist. Received: {path}.')
  with open(path, encoding='utf-8') as file:
    return file.read()
