"""BERT of KerasHub's and KerasNLP's presets: HDF5, by regular names."""

import json
import math
import os
import re

import h5py

from vlbert_tf.checkpoints.stored import StoredTensor

_CONFIG, _WEIGHTS = 'config.json', 'model.weights.h5'
VOCABULARY = os.path.join('assets', 'tokenizer', 'vocabulary.txt')

# Layers by their place in the file: those of Keras 3 by class, older ones by
# name. PyTorch's names; `{0}` is the number of a layer, from 0 on.
_LAYERS = {
  r'layers/reversible_embedding|.*token_embedding':
    'embeddings.word_embeddings',
  r'layers/position_embedding|.*/position_embedding':
    'embeddings.position_embeddings',
  r'layers/embedding|.*/segment_embedding':
    'embeddings.token_type_embeddings',
  r'layers/layer_normalization|.*/embeddings_layer_norm':
    'embeddings.LayerNorm',
  r'layers/dense|.*/pooled_dense': 'pooler.dense',
}  # fmt: skip
_ENCODER = re.compile(
  r'(?:layers/transformer_encoder(?:_(?P<k>\d+))?'
  r'|.*/transformer_layer_(?P<n>\d+))/(?P<part>.*)'
)
_PARTS = {
  'self_attention_layer/query_dense': 'attention.self.query',
  'self_attention_layer/key_dense': 'attention.self.key',
  'self_attention_layer/value_dense': 'attention.self.value',
  'self_attention_layer/output_dense': 'attention.output.dense',
  'self_attention_layer_norm': 'attention.output.LayerNorm',
  'feedforward_intermediate_dense': 'intermediate.dense',
  'feedforward_output_dense': 'output.dense',
  'feedforward_layer_norm': 'output.LayerNorm',
}


def read(folder: str) -> dict[str, StoredTensor]:
  """The weights of a preset under PyTorch's names.

  Args:
    folder: that `save_to_preset` wrote.

  Returns:
    Tensors by regular names, in PyTorch's orders; a place that is no part of
    BERT keeps its name.

  Raises:
    ValueError: it is no such folder, no BERT, or damaged.
  """
  path = os.path.join(folder, _WEIGHTS)
  kind = _config(folder).get('class_name')
  if kind != 'BertBackbone':
    raise ValueError(
      f'A preset must be that of a BertBackbone. Received: {folder}, of {kind}.'
    )
  try:
    with h5py.File(path, 'r') as file:
      found = _datasets(file, os.path.getsize(path))
  except (OSError, RuntimeError, KeyError) as error:
    raise ValueError(
      f'A preset must hold {_WEIGHTS}, complete. Received: {folder}: {error}. '
      'Fetch it again.'
    ) from error
  return {
    _regular(place): _tensor(path, place, shape)
    for place, shape in found.items()
  }


def num_heads(folder: str) -> int:
  """Attention heads that a preset tells."""
  return int(_config(folder).get('config', {}).get('num_heads', 0))


def _config(folder: str) -> dict:
  path = os.path.join(folder, _CONFIG)
  if not os.path.exists(path):
    raise ValueError(
      f'A preset is a folder with {_CONFIG}. Received: {folder}.'
    )
  with open(path, encoding='utf-8') as file:
    return json.load(file)


def _datasets(file: h5py.File, length: int) -> dict[str, tuple[int, ...]]:
  shapes, total = {}, 0

  def visit(name, item):
    nonlocal total
    if isinstance(item, h5py.Dataset):
      if item.external or item.is_virtual:
        raise OSError(f'{name} lies in another file')
      total += item.nbytes
      shapes[name] = tuple(item.shape)

  # Follows no links to other files.
  file.visititems(visit)
  if total > length:
    raise OSError(f'it unfolds to {total} bytes, more than the file has')
  return shapes


def _regular(place: str) -> str:
  """PyTorch's name of `LAYER/vars/0`, the kernel, or `/1`, the bias."""
  layer, _, number = place.rpartition('/vars/')
  layer = '/'.join(part.lstrip('_') for part in layer.split('/'))
  kind = {'0': 'weight', '1': 'bias'}.get(number, number)
  match = _ENCODER.fullmatch(layer)
  if match:
    part = _PARTS.get(match['part'])
    layer_number = match['k'] or match['n'] or '0'
    return f'encoder.layer.{layer_number}.{part}.{kind}' if part else place
  for pattern, name in _LAYERS.items():
    if re.fullmatch(pattern, layer):
      return f'{name}.{kind}'
  return place


def _tensor(path: str, place: str, shape: tuple[int, ...]) -> StoredTensor:
  """In PyTorch's order, heads side by side."""
  name = _regular(place)
  flat = _without_heads(name, shape)
  turned = (
    len(flat) == 2
    and name.endswith('.weight')
    and not name.startswith('embeddings.')
  )

  def values():
    with h5py.File(path, 'r') as file:
      array = file[place][()].reshape(flat)
    return array.T if turned else array

  return StoredTensor(flat[::-1] if turned else flat, values)


def _without_heads(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
  """Shape with one dimension for heads and what each has."""
  if '.attention.' not in name or len(shape) == 1:
    return shape
  if name.endswith('.bias'):
    return (math.prod(shape),)
  if '.output.' in name:
    return (math.prod(shape[:-1]), shape[-1])
  return (shape[0], math.prod(shape[1:]))
