"""Folders of converted weights: checkpoint, sizes, report."""

import dataclasses
import json

import tensorflow as tf

from vlbert_tf.checkpoints import native
from vlbert_tf.checkpoints.conversion import Report
from vlbert_tf.checkpoints.models import TaskModel
from vlbert_tf.modeling.arithmetic import Arithmetic
from vlbert_tf.modeling.config import Architecture, ResNetArchitecture

SIZES = 'architecture.json'
_REPORT = 'report.json'


def write(path: str, model: TaskModel, report: Report) -> None:
  """Writes a model so that the folder appears complete or not at all.

  Args:
    path: of the folder, which must not exist.
    model: filled.
    report: of its conversion.

  Raises:
    ValueError: the folder exists.
  """
  check_absent(path)
  partial = f'{path.rstrip("/")}.partial'
  if tf.io.gfile.exists(partial):
    tf.io.gfile.rmtree(partial)
  tf.io.gfile.makedirs(partial)
  tf.train.Checkpoint(model=model).save(f'{partial}/converted')
  _write_json(
    f'{partial}/{SIZES}',
    {
      'task': model.task,
      'num_answers': model.num_answers,
      'architecture': dataclasses.asdict(model.architecture),
    },
  )
  _write_json(f'{partial}/{_REPORT}', dataclasses.asdict(report))
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


def read(path: str) -> tuple[TaskModel, Report]:
  """The model of a folder, with its weights.

  Args:
    path: of a folder that `write` wrote.

  Returns:
    The model, and the report of its conversion.

  Raises:
    ValueError: it is no such folder.
  """
  sizes = _read_json(path, SIZES)
  model = TaskModel(
    _architecture(sizes['architecture']), sizes['task'], sizes['num_answers']
  )
  native.restore_model(model, native.find_checkpoint(path))
  return model, Report(**_read_json(path, _REPORT))


def _architecture(values: dict) -> Architecture:
  values['arithmetic'] = Arithmetic(**values['arithmetic'])
  if values['resnet'] is not None:
    lists = values['resnet']
    values['resnet'] = ResNetArchitecture(
      **{k: tuple(v) if isinstance(v, list) else v for k, v in lists.items()}
    )
  return Architecture(**values)


def _write_json(path: str, value: dict) -> None:
  with tf.io.gfile.GFile(path, 'w') as file:
    file.write(json.dumps(value, indent=1))


def _read_json(folder: str, name: str) -> dict:
  path = f'{folder}/{name}'
  if not tf.io.gfile.exists(path):
    raise ValueError(
      f'Converted weights lie in a folder with {name}. '
      f'Received: {folder}, which has none. Pass what vlbert-convert wrote.'
    )
  with tf.io.gfile.GFile(path) as file:
    return json.loads(file.read())
