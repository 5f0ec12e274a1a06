"""One call that trains: strategy, task, trainer, resume."""

import os
import threading
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import logging
from official.core import base_task, train_lib, train_utils
from official.core import config_definitions as cfg
from official.modeling import performance

from vlbert_tf.checkpoints import native
from vlbert_tf.tasks import pictures, saved
from vlbert_tf.training import checkpointing, interruption, progress
from vlbert_tf.training.strategies import is_chief, make_strategy
from vlbert_tf.training.trainer import TimedTrainer

MODES = ('train', 'train_and_eval')
_SUMMARIES = 'train'  # folder below the model's
_PICTURES = 6  # examples in one picture


def train(
  params: cfg.ExperimentConfig,
  mode: str,
  model_dir: str,
  strategy: tf.distribute.Strategy | None = None,
  profile_steps: tuple[int, int] | None = None,
) -> Mapping[str, Any]:
  """Trains until `trainer.train_steps`, from the last checkpoint on.

  Args:
    params: of `experiments.load_experiment`.
    mode: `train` or `train_and_eval`.
    model_dir: folder for settings, checkpoints and summaries.
    strategy: of tf.distribute; by default all devices of this machine, or of
      all machines of TF_CONFIG. Of several devices a process has to keep to one
      strategy, see `strategies.make_strategy`.
    profile_steps: first and last step of a trace for TensorBoard.

  Returns:
    Metrics of the last evaluation; empty in mode `train`.

  Raises:
    ValueError: the mode is unknown, a setting does not fit the data, or a
      checkpoint cannot be read or written.
    FloatingPointError: too many steps in a row had no finite gradients.
    SystemExit: SIGTERM came; the run has been saved.
  """
  if mode not in MODES:
    raise ValueError(
      f'--mode must be one of {", ".join(MODES)}. Received: {mode}.'
    )
  strategy = strategy or make_strategy(params.trainer.worker_timeout_seconds)
  if params.runtime.mixed_precision_dtype:
    performance.set_mixed_precision_policy(params.runtime.mixed_precision_dtype)
  if is_chief(strategy):
    train_utils.serialize_config(params, model_dir)
  _, task_class = saved.TASKS[params.task.name]
  with strategy.scope():
    task = task_class(params.task, logging_dir=model_dir)
  resume_from = checkpointing.newest_whole(model_dir)
  if resume_from:
    # The input has to go on from there. Read from the checkpoint: the
    # trainer's intervals do not fall on multiples of checkpoint_interval.
    task.start_step = native.global_step(resume_from)
    logging.info('Resuming at step %d from %s.', task.start_step, resume_from)
  with interruption.sigterm_noticed() as noticed:
    runner = _Runner(
      resume_from,
      noticed,
      profile_steps,
      task,
      distribution_strategy=strategy,
      mode=mode,
      params=params,
      model_dir=model_dir,
      save_summary=is_chief(strategy),
    )
    _, metrics = runner.run()
  return metrics


class _Runner(train_lib.OrbitExperimentRunner):
  """Model Garden's runner, with checkpoints and actions of our own."""

  def __init__(
    self,
    resume_from: str,
    sigterm: threading.Event,
    profile_steps: tuple[int, int] | None,
    task: base_task.Task,
    **kwargs,
  ):
    self._resume_from = resume_from
    self._sigterm = sigterm
    self._profile_steps = profile_steps
    self._task = task
    super().__init__(task=task, **kwargs)

  def _build_trainer(self, task, train, evaluate):
    with self.strategy.scope():
      return train_utils.create_trainer(
        self.params,
        task,
        train=train,
        evaluate=evaluate,
        checkpoint_exporter=self._build_best_checkpoint_exporter(),
        trainer_cls=TimedTrainer,
      )

  def _build_best_checkpoint_exporter(self):
    trainer = self.params.trainer
    if not trainer.best_checkpoint_eval_metric:
      return None
    return checkpointing.BestCheckpoint(
      self.model_dir,
      trainer.best_checkpoint_eval_metric,
      trainer.best_checkpoint_metric_comp,
      is_chief(self.strategy),
    )

  def _maybe_build_checkpoint_manager(self):
    return checkpointing.Checkpoints(
      self.trainer.checkpoint,
      self.model_dir,
      chief=is_chief(self.strategy),
      max_to_keep=self.params.trainer.max_to_keep,
      interval=self.params.trainer.checkpoint_interval,
      global_step=self.trainer.global_step,
      resume_from=self._resume_from,
      initialize=self.trainer.initialize,
    )

  def _build_controller(self, trainer, evaluator, train_actions=None, **kwargs):
    controller = super()._build_controller(
      trainer, evaluator, train_actions=train_actions, **kwargs
    )
    # Created after the controller has restored the step.
    controller.train_actions = (*controller.train_actions, *self._actions())
    if is_chief(self.strategy):
      controller.eval_actions = (*controller.eval_actions, self._draw_examples)
    return controller

  def _draw_examples(self, output):
    """Shows a few predictions of an evaluation in TensorBoard."""
    del output
    data = self.params.task.validation_data
    picture = pictures.draw_examples(
      self._task, self.trainer.model, data, _PICTURES
    )
    if picture is not None:
      writer = self.controller.eval_summary_manager.summary_writer()
      with writer.as_default():
        tf.summary.image(
          'examples', picture[None], step=self.trainer.global_step
        )
      writer.flush()

  def _actions(self):
    """What is done after every `steps_per_loop` steps, in this order."""
    params, step = self.params.trainer, self.trainer.global_step
    summaries = os.path.join(self.model_dir, _SUMMARIES)
    yield progress.ProgressLog(
      step, params.train_steps, self.params.task.train_data.global_batch_size
    )
    if is_chief(self.strategy):
      yield progress.MetricsFile(
        os.path.join(summaries, progress.METRICS_FILE),
        step,
        params.summary_interval,
      )
      if self._profile_steps:
        yield progress.ProfilerWindow(summaries, step, *self._profile_steps)
    yield interruption.SkippedSteps(step, params.max_skipped_steps)
    if not self.strategy.cluster_resolver:
      # Of several workers all have to save; Model Garden's action sees to it.
      yield interruption.SaveAndStop(self._sigterm, self.checkpoint_manager)

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
