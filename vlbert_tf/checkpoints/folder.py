"""Folders of converted weights: checkpoint, sizes, report, names."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from vlbert_tf.checkpoints import native, visual_models
from vlbert_tf.checkpoints.conversion import Report
from vlbert_tf.checkpoints.models import TASKS, TaskModel
from vlbert_tf.modeling.arithmetic import Arithmetic
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.resnets import ResNetArchitecture
from vlbert_tf.vision.detector_architecture import DetectorArchitecture

_REPORT = 'report.json'

Model = tf_keras.Model


def write(
  path: str,
  model: Model,
  report: Report,
  files: Mapping[str, str] | None = None,
) -> None:
  """Writes a model so that the folder appears complete or not at all.

  Args:
    path: of the folder, which must not exist.
    model: filled: a `TaskModel`, a detector or a `VisualNetwork`.
    report: of its conversion.
    files: texts to be written beside it, by name.

  Raises:
    ValueError: the folder exists.
  """
  check_absent(path)
  partial = f'{path.rstrip("/")}.partial'
  if tf.io.gfile.exists(partial):
    tf.io.gfile.rmtree(partial)
  tf.io.gfile.makedirs(partial)
  tf.train.Checkpoint(model=model).save(f'{partial}/converted')
  texts = {
    native.SIZES: json.dumps(_sizes(model), indent=1),
    _REPORT: json.dumps(dataclasses.asdict(report), indent=1),
    **(files or {}),
  }
  for name, text in texts.items():
    with tf.io.gfile.GFile(f'{partial}/{name}', 'w') as file:
      file.write(text)
  tf.io.gfile.rename(partial, path)


def check_absent(path: str) -> None:
  """Fails when there is something at a path.

  Args:
    path: of a file or folder to be written.

  Raises:
    ValueError: it exists.
  """
  if tf.io.gfile.exists(path):
    raise ValueError(
      'Converted weights are written once. '
      f'Received: {path}, which exists. Remove it, or name another place.'
    )


def read(path: str) -> tuple[Model, Report]:
  """The model of a folder, with its weights.

  Args:
    path: of a folder that `write` wrote.

  Returns:
    The model, and the report of its conversion.

  Raises:
    ValueError: it is no such folder.
  """
  model = _model(_read_json(path, native.SIZES))
  native.restore_model(model, native.find_checkpoint(path))
  return model, Report(**_read_json(path, _REPORT))


def task_of(path: str) -> str:
  """What the weights of a folder are for.

  Args:
    path: of a folder that `write` wrote.

  Returns:
    One of `models.TASKS`, or `detector` or `visual_network`.

  Raises:
    ValueError: it is no such folder.
  """
  return _read_json(path, native.SIZES)['task']


def _sizes(model: Model) -> dict[str, Any]:
  sizes = {'architecture': dataclasses.asdict(model.architecture)}
  if isinstance(model, TaskModel):
    return {'task': model.task, 'num_answers': model.num_answers, **sizes}
  if isinstance(model, visual_models.VisualNetwork):
    return {'task': visual_models.VISUAL_NETWORK, **sizes}
  return {'task': visual_models.DETECTOR, **sizes}


def _model(sizes: dict[str, Any]) -> Model:
  values, task = sizes['architecture'], sizes['task']
  if task in TASKS:
    architecture = _architecture(values)
    return TaskModel(architecture, task, sizes['num_answers'])
  if task == visual_models.VISUAL_NETWORK:
    return visual_models.VisualNetwork(ResNetArchitecture(**_tuples(values)))
  values = _tuples(values)
  values['resnet'] = ResNetArchitecture(**_tuples(values['resnet']))
  return visual_models.build_detector(DetectorArchitecture(**values))


def _architecture(values: dict) -> Architecture:
  values['arithmetic'] = Arithmetic(**values['arithmetic'])
  if values['resnet'] is not None:
    values['resnet'] = ResNetArchitecture(**_tuples(values['resnet']))
  return Architecture(**values)


def _tuples(values: dict) -> dict:
  """JSON has lists alone."""
  return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _read_json(folder: str, name: str) -> dict:
  path = f'{folder}/{name}'
  if not tf.io.gfile.exists(path):
    raise ValueError(
      f'Converted weights lie in a folder with {name}. '
      f'Received: {folder}, which has none. Pass what vlbert-convert wrote.'
    )
  with tf.io.gfile.GFile(path) as file:
    return json.loads(file.read())
