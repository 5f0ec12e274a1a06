"""One call that trains: strategy, task, trainer, resume."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import logging
from official.core import config_definitions as cfg
from official.core import train_lib, train_utils
from official.modeling import performance

from vlbert_tf.checkpoints import native
from vlbert_tf.tasks import saved
from vlbert_tf.training.progress import ProgressLog

MODES = ('train', 'train_and_eval')


def make_strategy() -> tf.distribute.Strategy:
  """Mirrored over all visible GPUs, or over the logical CPUs without any."""
  devices = tf.config.list_logical_devices('GPU')
  devices = devices or tf.config.list_logical_devices('CPU')
  names = [device.name for device in devices]
  if len(names) == 1:
    return tf.distribute.OneDeviceStrategy(names[0])
  return tf.distribute.MirroredStrategy(names)


def train(
  params: cfg.ExperimentConfig,
  mode: str,
  model_dir: str,
  strategy: tf.distribute.Strategy | None = None,
) -> Mapping[str, Any]:
  """Trains until `trainer.train_steps`, from the last checkpoint on.

  Args:
    params: of `experiments.load_experiment`.
    mode: `train` or `train_and_eval`.
    model_dir: folder for settings, checkpoints and summaries.
    strategy: of tf.distribute; by default all devices of this machine.

  Returns:
    Metrics of the last evaluation; empty in mode `train`.

  Raises:
    ValueError: the mode is unknown, or a setting does not fit the data.
  """
  if mode not in MODES:
    raise ValueError(
      f'--mode must be one of {", ".join(MODES)}. Received: {mode}.'
    )
  strategy = strategy or make_strategy()
  if params.runtime.mixed_precision_dtype:
    performance.set_mixed_precision_policy(params.runtime.mixed_precision_dtype)
  train_utils.serialize_config(params, model_dir)
  _, task_class = saved.TASKS[params.task.name]
  with strategy.scope():
    task = task_class(params.task, logging_dir=model_dir)
  task.start_step = _finished_steps(model_dir)
  runner = _Runner(
    distribution_strategy=strategy,
    task=task,
    mode=mode,
    params=params,
    model_dir=model_dir,
  )
  _, metrics = runner.run()
  return metrics


def _finished_steps(model_dir: str) -> int:
  """Steps of the run so far: the input has to go on from there."""
  checkpoint = tf.train.latest_checkpoint(model_dir)
  if not checkpoint:
    return 0
  # Read from the checkpoint: the trainer's own intervals do not fall on
  # multiples of checkpoint_interval.
  step = native.global_step(checkpoint)
  logging.info('Resuming at step %d from %s.', step, checkpoint)
  return step


class _Runner(train_lib.OrbitExperimentRunner):
  """Model Garden's runner, with a progress line and a last evaluation."""

  def _build_controller(self, trainer, evaluator, train_actions=None, **kwargs):
    controller = super()._build_controller(
      trainer, evaluator, train_actions=train_actions, **kwargs
    )
    # Created after the controller has restored the step.
    progress = ProgressLog(
      self.trainer.global_step,
      self.params.trainer.train_steps,
      self.params.task.train_data.global_batch_size,
    )
    controller.train_actions = (*controller.train_actions, progress)
    return controller

  def run(self):
    params = self.params.trainer
    with self.strategy.scope():
      if self._mode == 'train':
        self.controller.train(steps=params.train_steps)
        return self.trainer.model, {}
      return self.trainer.model, self.controller.train_and_evaluate(
        train_steps=params.train_steps,
        eval_steps=params.validation_steps,
        eval_interval=params.validation_interval,
      )
