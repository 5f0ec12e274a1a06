"""Checkpoints that this library's own trainer wrote."""

import contextlib
import json
import tempfile
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tf_keras
from absl import logging

# Tells the sizes of converted weights, beside their checkpoint.
SIZES = 'architecture.json'

_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'
_VALUE = '/.ATTRIBUTES/VARIABLE_VALUE'
_BACKBONE = 'model/backbone/'
_EMBEDDING = f'{_BACKBONE}element_embedding/'
# Tables that may have other numbers of rows than the model's.
_TABLES = ('words', 'positions')
# Of a visual network: they change what the same weights compute.
_SAME_COMPUTATION = (
  'strides', 'dilation', 'stride_in_3x3', 'pool_pads', 'pixel_scale',
)  # fmt: skip


def find_checkpoint(path: str) -> str:
  """The checkpoint at a path, or the newest one in a folder.

  Args:
    path: a folder, or a checkpoint without its suffix `.index`.

  Returns:
    Path of a checkpoint.

  Raises:
    ValueError: there is none.
  """
  if tf.io.gfile.isdir(path):
    newest = tf.train.latest_checkpoint(path)
    if newest:
      return newest
  elif tf.io.gfile.exists(f'{path}.index'):
    return path
  raise ValueError(
    'A checkpoint path names a folder with checkpoints, or one checkpoint '
    f'without its suffix .index. Received: {path}, where there is none.'
  )


def write_weights(model: tf_keras.Model, folder: str) -> None:
  """Writes a checkpoint of the weights alone, which all `restore_*` read.

  Args:
    model: a built model.
    folder: an existing folder.
  """
  checkpoint = tf.train.Checkpoint(model=model)
  tf.train.CheckpointManager(checkpoint, folder, max_to_keep=1).save()


def restore_model(model: tf_keras.Model, checkpoint: str) -> None:
  """Loads all weights of a model.

  Args:
    model: a built model.
    checkpoint: path of a checkpoint of the same model.

  Raises:
    ValueError: a weight is missing, or its shape is another.
  """
  _read(tf.train.Checkpoint(model=model), checkpoint)


def restore_backbone(model: tf_keras.Model, path: str) -> None:
  """Loads the encoder, with its visual part, of another task's checkpoint.

  Word and position tables may have other numbers of rows: the first rows are
  taken, rows that the checkpoint does not have keep their values, and a
  warning tells of it.

  Args:
    model: a built model with an attribute `backbone`.
    path: a checkpoint, or a folder whose newest checkpoint is taken.

  Raises:
    ValueError: there is no checkpoint, or its shapes are others.
  """
  checkpoint = find_checkpoint(path)
  backbone = tf.train.Checkpoint(backbone=model.backbone)
  tables = {
    f'{_EMBEDDING}{name}{_VALUE}': getattr(
      model.backbone.element_embedding, name
    )
    for name in _TABLES
  }
  with _with_rows_of(tables, checkpoint) as fitting:
    _read(tf.train.Checkpoint(model=backbone), fitting)
  logging.info('Encoder loaded from %s.', checkpoint)


@contextlib.contextmanager
def _with_rows_of(
  tables: dict[str, tf.Variable], checkpoint: str
) -> Iterator[str]:
  """A checkpoint whose tables have as many rows as variables."""
  reader = tf.train.load_checkpoint(checkpoint)
  shapes = reader.get_variable_to_shape_map()
  changed = {
    name: variable
    for name, variable in tables.items()
    if name in shapes
    and shapes[name][0] != variable.shape[0]
    and shapes[name][1:] == variable.shape[1:]
  }
  if not changed:
    yield checkpoint
    return
  names = [
    name
    for name in shapes
    if name.startswith(_BACKBONE) and 'OPTIMIZER_SLOT' not in name
  ]
  names.append(_GRAPH)
  values = []
  for name in names:
    value = reader.get_tensor(name)
    if name in changed:
      value = _with_rows(name, value, changed[name].numpy())
    values.append(tf.convert_to_tensor(value))
  with tempfile.TemporaryDirectory() as folder:
    prefix = f'{folder}/resized'
    tf.raw_ops.SaveV2(
      prefix=prefix,
      tensor_names=names,
      shape_and_slices=[''] * len(names),
      tensors=values,
    )
    yield prefix


def _with_rows(name: str, loaded: np.ndarray, own: np.ndarray) -> np.ndarray:
  """The first rows of what was loaded, and own ones where it has fewer."""
  count = min(len(loaded), len(own))
  logging.warning(
    'The table of %s has %d rows in the checkpoint and %d here: the first %d '
    'are taken%s. Rows are matched by number, so vocabularies must agree in '
    'them.',
    name.removeprefix(_EMBEDDING).removesuffix(_VALUE), len(loaded), len(own),
    count, '' if count == len(own) else ', the others are new',
  )  # fmt: skip
  return np.concatenate([loaded[:count], own[count:]])


def restore_visual_network(
  roi_features: tf_keras.layers.Layer, path: str
) -> None:
  """Loads the visual network of a detector's or a VL-BERT's checkpoint.

  Args:
    roi_features: a built `vision.resnet.RoiFeatures`.
    path: a checkpoint, or a folder whose newest checkpoint is taken.

  Raises:
    ValueError: there is no checkpoint, or its shapes are others.
  """
  checkpoint = find_checkpoint(path)
  _warn_of_other_computation(roi_features.architecture, path)
  holder = tf.train.Checkpoint(roi_features=roi_features)
  inside = 'model/backbone/roi_features/'
  names = (name for name, _ in tf.train.list_variables(checkpoint))
  if any(name.startswith(inside) for name in names):
    holder = tf.train.Checkpoint(backbone=holder)
  _read(tf.train.Checkpoint(model=holder), checkpoint)
  logging.info('Visual network loaded from %s.', checkpoint)


def _warn_of_other_computation(architecture, path: str) -> None:
  """Says where converted weights were made for another arithmetic."""
  sizes = f'{path}/{SIZES}'
  if not tf.io.gfile.exists(sizes):
    return
  with tf.io.gfile.GFile(sizes) as file:
    made_for = json.loads(file.read())['architecture']
  made_for = made_for.get('resnet', made_for) or {}
  for field in _SAME_COMPUTATION:
    here, there = getattr(architecture, field), made_for.get(field)
    if field in made_for and np.any(np.array(here) != np.array(there)):
      logging.warning(
        'The visual network of %s was made for %s %s, this one has %s: the '
        'same weights compute something else until they are trained.',
        path, field, there, here,
      )  # fmt: skip


def global_step(checkpoint: str) -> int:
  """The training step at which a checkpoint was written.

  Args:
    checkpoint: path of a checkpoint of the trainer.

  Returns:
    The number of finished steps.
  """
  name = 'global_step/.ATTRIBUTES/VARIABLE_VALUE'
  return int(tf.train.load_variable(checkpoint, name))


def _read(target: tf.train.Checkpoint, checkpoint: str) -> None:
  try:
    status = target.read(checkpoint).expect_partial()
    status.assert_existing_objects_matched()
  except (ValueError, AssertionError, tf.errors.OpError) as error:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    raise ValueError(
      'A checkpoint must hold the weights of the model that it is loaded '
      f'into, in the same shapes. Received: {checkpoint}, and {lines[0]} '
      'Use the model settings, vocabulary and answers it was trained with.'
    ) from error
