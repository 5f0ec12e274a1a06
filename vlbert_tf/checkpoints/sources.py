"""What each `--from` and `--to` of vlbert-convert does."""

import dataclasses
import json
import os

import tensorflow as tf

from vlbert_tf.checkpoints import (
  bert_tables,
  conversion,
  folder,
  models,
  official_vlbert,
  safetensors_files,
  torch_files,
)
from vlbert_tf.checkpoints.conversion import Report
from vlbert_tf.checkpoints.stored import StoredTensor, Tensors
from vlbert_tf.modeling import config

OFFICIAL = 'official_vlbert'
BERT_SOURCES = ('huggingface_bert', 'google_bert')
SOURCES = (OFFICIAL, *BERT_SOURCES)
SAFETENSORS = 'safetensors'
TARGETS = (OFFICIAL, SAFETENSORS)

# Files beside weights that may tell the number of heads.
_CONFIG_FILES = ('config.json', 'bert_config.json', 'manifest.json')
_OBJECT_CATEGORIES = 1600


@dataclasses.dataclass(frozen=True)
class Options:
  """What no file tells.

  Attributes:
    preset: arithmetic that text weights are put under.
    visual_features: likewise, `pixels` or `precomputed`.
    num_heads: attention heads; 0 looks for a config file beside the weights.
    base: folder of converted weights that are kept where the source has none.
  """

  preset: str = 'paper'
  visual_features: str = 'pixels'
  num_heads: int = 0
  base: str = ''


def convert(source: str, path: str, output: str, options: Options) -> Report:
  """Writes a folder of converted weights.

  Args:
    source: one of `SOURCES`.
    path: of the file or folder to read.
    output: folder to write.
    options: what no file tells.

  Returns:
    What became of every name.

  Raises:
    ValueError: the weights are damaged or do not fit; nothing is written.
  """
  folder.check_absent(output)
  tensors = _read(source, path)
  num_heads = options.num_heads or _heads_beside(path)
  if source == OFFICIAL:
    contents = official_vlbert.inspect(tensors, num_heads)
    tensors = contents.tensors
    table = official_vlbert.table(contents.task, contents.architecture)
    model = models.TaskModel(
      contents.architecture, contents.task, contents.num_answers
    )
    kept = None
  else:
    table = bert_tables.table(tensors)
    model, kept = _base(options, bert_tables.sizes(tensors, num_heads))
  report = conversion.fill(model, tensors, table)
  if kept is not None:
    report.new = [path for path in report.new if path in kept.new]
  folder.write(output, model, report)
  return report


def export(target: str, path: str, output: str) -> list[str]:
  """Writes converted or trained weights for other libraries.

  Args:
    target: one of `TARGETS`.
    path: of a folder of converted weights.
    output: file to write.

  Returns:
    Paths of our variables that the target has no name for.

  Raises:
    ValueError: the weights have an arithmetic that the target does not know.
  """
  folder.check_absent(output)
  model, _ = folder.read(path)
  partial = f'{output}.partial'
  if target == SAFETENSORS:
    arrays = {k: v.numpy() for k, v in model.get_weight_paths().items()}
    safetensors_files.write(partial, arrays)
    left_out = []
  else:
    if model.architecture.arithmetic.visual_norm != 'fading':
      raise ValueError(
        'The official format holds models of the preset official alone. '
        f'Received: {path}, of another. Use --to={SAFETENSORS}.'
      )
    table = official_vlbert.table(model.task, model.architecture)
    arrays, left_out = conversion.extract(model, table)
    torch_files.write(partial, official_vlbert.with_aliases(arrays, model.task))
  os.replace(partial, output)
  return left_out


def _read(source: str, path: str) -> Tensors:
  if source == 'google_bert':
    return bert_tables.pytorch_names(_read_tensorflow(path))
  if os.path.isdir(path):
    names = ('model.safetensors', 'pytorch_model.bin')
    found = [n for n in names if os.path.exists(os.path.join(path, n))]
    if not found:
      raise ValueError(
        f'A folder of weights must hold {" or ".join(names)}. '
        f'Received: {path}. Pass the file itself.'
      )
    path = os.path.join(path, found[0])
  if not os.path.exists(path):
    raise ValueError(f'--input must name a file. Received: {path}.')
  reader = safetensors_files if path.endswith('.safetensors') else torch_files
  tensors = reader.read(path)
  if source in BERT_SOURCES:
    return bert_tables.regular_names(tensors)
  return tensors


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


def _heads_beside(path: str) -> int:
  """Attention heads that a file beside the weights tells, or 0."""
  place = path if os.path.isdir(path) else os.path.dirname(path)
  for name in _CONFIG_FILES:
    beside = os.path.join(place, name)
    if os.path.exists(beside):
      with open(beside, encoding='utf-8') as file:
        return int(json.load(file).get('num_attention_heads', 0))
  return 0


def _base(options: Options, sizes: dict[str, int]):
  """A model to fill in part, and the report of its own conversion or None."""
  if options.base:
    return folder.read(options.base)
  settings = config.ModelConfig(
    preset=options.preset, visual_features=options.visual_features, xla='none'
  )
  architecture = config.resolve(settings, 30522, _OBJECT_CATEGORIES)
  architecture = dataclasses.replace(architecture, **sizes)
  return models.TaskModel(architecture, models.PRETRAIN), None
