"""Checkpoints that this library's own trainer wrote."""

import tensorflow as tf
import tf_keras
from absl import logging


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

  Args:
    model: a built model with an attribute `backbone`.
    path: a checkpoint, or a folder whose newest checkpoint is taken.

  Raises:
    ValueError: there is no checkpoint, or its shapes are others.
  """
  checkpoint = find_checkpoint(path)
  backbone = tf.train.Checkpoint(backbone=model.backbone)
  _read(tf.train.Checkpoint(model=backbone), checkpoint)
  logging.info('Encoder loaded from %s.', checkpoint)


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
  holder = tf.train.Checkpoint(roi_features=roi_features)
  inside = 'model/backbone/roi_features/'
  names = (name for name, _ in tf.train.list_variables(checkpoint))
  if any(name.startswith(inside) for name in names):
    holder = tf.train.Checkpoint(backbone=holder)
  _read(tf.train.Checkpoint(model=holder), checkpoint)
  logging.info('Visual network loaded from %s.', checkpoint)


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
