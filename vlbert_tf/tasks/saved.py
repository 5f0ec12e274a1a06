"""A trained task, found again from its model folder alone."""

import difflib
from typing import Any

import tensorflow as tf
import tf_keras
import yaml

from vlbert_tf.checkpoints.native import find_checkpoint, restore_model
from vlbert_tf.tasks import base
from vlbert_tf.tasks.detection import DetectionConfig, DetectionTask
from vlbert_tf.tasks.pretraining import PretrainingConfig, PretrainingTask
from vlbert_tf.tasks.refcoco import RefcocoConfig, RefcocoTask
from vlbert_tf.tasks.vcr import VcrConfig, VcrTask
from vlbert_tf.tasks.vqa import VqaConfig, VqaTask

PRETRAINING = 'vlbert/pretraining'
VQA = 'vlbert/vqa'
REFCOCO = 'vlbert/refcoco'
VCR = 'vlbert/vcr'
DETECTION = 'vlbert/detection'

TASKS = {
  PRETRAINING: (PretrainingConfig, PretrainingTask),
  VQA: (VqaConfig, VqaTask),
  REFCOCO: (RefcocoConfig, RefcocoTask),
  VCR: (VcrConfig, VcrTask),
  DETECTION: (DetectionConfig, DetectionTask),
}

PARAMS_FILE = 'params.yaml'
# Files that a published folder holds, by the field that names them.
FILES = {
  'vocab_file': 'vocab.txt',
  'answers_file': 'answers.txt',
  'categories_file': 'categories.txt',
  'attributes_file': 'attributes.txt',
}


def load_task(
  model_dir: str, overrides: dict[str, Any] | None = None
) -> base.RecordTask:
  """The task that was trained in a folder, with its own settings.

  Args:
    model_dir: folder that `vlbert-train` wrote.
    overrides: fields of the task's configuration to change, nested.

  Returns:
    The task.

  Raises:
    ValueError: the folder holds no settings, or of an unknown task.
  """
  settings = _settings(model_dir)
  config_class, task_class = TASKS[settings['name']]
  config = config_class()
  override(config, settings)
  for field, name in FILES.items():
    if tf.io.gfile.exists(f'{model_dir}/{name}'):
      override(config, {field: f'{model_dir}/{name}'})
  override(config, overrides or {})
  return task_class(config)


def experiment_of(model_dir: str) -> str:
  """Name of the experiment that was run in a folder.

  Args:
    model_dir: folder that `vlbert-train` wrote.

  Returns:
    One of `TASKS`.

  Raises:
    ValueError: the folder holds no settings, or of an unknown task.
  """
  return _settings(model_dir)['name']


def load_task_on(
  model_dir: str,
  split: str,
  records: str = '',
  *,
  swap_images: bool = False,
  hide_images: bool = False,
) -> base.RecordTask:
  """The task of a model folder, with a split as its validation data.

  Args:
    model_dir: folder that `vlbert-train` wrote.
    split: to evaluate on, or to predict.
    records: folder of records; by default that of the evaluations of the
      training, or where it had none that it learned from.
    swap_images: see `pipeline.DataConfig`.
    hide_images: likewise.

  Returns:
    The task.

  Raises:
    ValueError: as `load_task`.
  """
  data = {
    'split': split,
    'swap_images': swap_images,
    'hide_images': hide_images,
    'is_training': False,
  }
  if records:
    data['path'] = records
  task = load_task(model_dir, {'validation_data': data})
  config = task.task_config
  config.validation_data.path = (
    config.validation_data.path or config.train_data.path
  )
  return task


def restore_trained(
  task: base.RecordTask, model_dir: str, checkpoint: str = ''
) -> tf_keras.Model:
  """Builds the task's model and loads its weights.

  Args:
    task: from `load_task`.
    model_dir: folder whose newest checkpoint is taken ...
    checkpoint: ... unless one is named.

  Returns:
    The model.

  Raises:
    ValueError: there is no checkpoint, or its shapes are others.
  """
  model = task.build_model()
  restore_model(model, find_checkpoint(checkpoint or model_dir))
  return model


def override(config: Any, values: dict[str, Any], prefix: str = '') -> None:
  """Sets fields of a configuration, and refuses the ones it does not have.

  Args:
    config: a `hyperparams.Config`, changed in place.
    values: nested dict of fields.
    prefix: place of `config` in the whole, for the message.

  Raises:
    ValueError: a field is unknown; the nearest known one is named.
  """
  known = config.as_dict()
  for field, value in values.items():
    if field not in known:
      near = difflib.get_close_matches(field, known, n=1)
      hint = (
        f'Did you mean {prefix}{near[0]}?'
        if near
        else (f'Known here: {", ".join(sorted(known))}.')
      )
      raise ValueError(
        f'A configuration may only set known fields. '
        f'Received: {prefix}{field}. {hint}'
      )
    nested = getattr(config, field)
    if isinstance(value, dict) and hasattr(nested, 'as_dict'):
      override(nested, value, f'{prefix}{field}.')
    else:
      config.override({field: value})


def _settings(model_dir: str) -> dict[str, Any]:
  """The task's settings in a model folder."""
  path = f'{model_dir}/{PARAMS_FILE}'
  if not tf.io.gfile.exists(path):
    raise ValueError(
      f'A model folder holds {PARAMS_FILE}, which vlbert-train writes. '
      f'Received: {model_dir}, which has none. Pass its --model_dir.'
    )
  with tf.io.gfile.GFile(path) as file:
    settings = yaml.safe_load(file)['task']
  if settings.get('name') not in TASKS:
    raise ValueError(
      f'The task of a model folder must be one of {", ".join(TASKS)}. '
      f'Received: {settings.get("name")} in {path}.'
    )
  return settings
