"""Checkpoints of a run: whole or not at all, and the best one kept.

TensorFlow writes the files of a checkpoint aside and renames them, the index
last. A disk that fills up or a machine that loses power can still leave a
torn one, which is found when it is read.
"""

import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import orbit
import tensorflow as tf
from absl import logging

_NAME = re.compile(r'ckpt-(\d+)\.index$')
BEST = 'best'  # folder of the best checkpoint, below the model's
_RESULT = 'result.json'


def newest_whole(model_dir: str) -> str:
  """The newest checkpoint of a folder that can be read to its end.

  Args:
    model_dir: of a run.

  Returns:
    Path of a checkpoint, or '' when there is none yet.

  Raises:
    ValueError: there are checkpoints, all of them torn.
  """
  steps = sorted(
    (int(match[1]) for match in map(_NAME.search, _files(model_dir)) if match),
    reverse=True,
  )
  for step in steps:
    path = os.path.join(model_dir, f'ckpt-{step}')
    problem = _problem(path)
    if not problem:
      return path
    logging.warning('Checkpoint %s is torn and is skipped: %s', path, problem)
  if steps:
    raise ValueError(
      'A run goes on from a whole checkpoint. '
      f'Received: {model_dir}, whose checkpoints of steps {steps} are all '
      'torn. Remove them to start anew.'
    )
  return ''


def _files(folder: str) -> list[str]:
  return tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else []


def _problem(path: str) -> str:
  """What is wrong with a checkpoint; '' when every tensor can be read."""
  try:
    reader = tf.train.load_checkpoint(path)
    # Reading compares checksums.
    for name in reader.get_variable_to_shape_map():
      reader.get_tensor(name)
  # Which one depends on what is wrong with the files.
  except (tf.errors.OpError, LookupError, RuntimeError, ValueError) as error:
    return ' '.join(str(error).split())
  return ''


class Checkpoints(tf.train.CheckpointManager):
  """The checkpoints of a run, of one worker or several.

  All workers have to save, since reading a variable may need all of them; only
  the chief's files are kept. All restore the same, the chief's.
  """

  def __init__(
    self,
    checkpoint: tf.train.Checkpoint,
    model_dir: str,
    *,
    chief: bool,
    max_to_keep: int,
    interval: int,
    global_step: tf.Variable,
    resume_from: str,
    initialize: Callable[[], None],
  ):
    """Writes nothing yet.

    Args:
      checkpoint: what is saved.
      model_dir: folder of the run, which all workers can read.
      chief: whether this process is the chief.
      max_to_keep: checkpoints that are kept.
      interval: steps between two of them.
      global_step: the trainer's.
      resume_from: path of the checkpoint that is restored, or ''.
      initialize: called where there is none.
    """
    super().__init__(
      checkpoint,
      model_dir if chief else tempfile.mkdtemp(),
      max_to_keep=max_to_keep if chief else 1,
    )
    self._interval = interval
    self._global_step = global_step
    self._resume_from = resume_from
    self._initialize = initialize
    self._saved_step: int | None = None

  @property
  def checkpoint_interval(self) -> int:
    """Steps between two checkpoints."""
    return self._interval

  def restore_or_initialize(self) -> str | None:
    """Restores the checkpoint that the run goes on from, if there is one."""
    if not self._resume_from:
      self._initialize()
      return None
    self.checkpoint.restore(self._resume_from)
    self._saved_step = int(self._global_step.numpy())
    return self._resume_from

  def save(
    self,
    checkpoint_number: int | tf.Variable | None = None,
    check_interval: bool = True,
    options: tf.train.CheckpointOptions | None = None,
  ) -> str | None:
    """Saves, unless the last checkpoint is young enough.

    Args:
      checkpoint_number: in its name; by default the step.
      check_interval: whether `checkpoint_interval` steps have to have passed.
      options: of tf.train.

    Returns:
      Path of the checkpoint, or None.

    Raises:
      ValueError: it could not be written. Those before it are as they were.
    """
    step = int(self._global_step.numpy())
    if self._saved_step is not None:
      due = self._saved_step + self._interval
      if step == self._saved_step or (check_interval and step < due):
        return None
    number = step
    if checkpoint_number is not None:
      # At preemption it is the trainer's variable, which with several replicas
      # is no number to `int`.
      number = int(tf.convert_to_tensor(checkpoint_number))
    path = os.path.join(self.directory, f'ckpt-{number}')
    try:
      saved = super().save(checkpoint_number=number, options=options)
    except tf.errors.OpError as error:
      _remove(path)
      raise ValueError(
        f'A checkpoint needs room in {self.directory}. '
        f'Received: {" ".join(error.message.split())} Make room and run the '
        'same command: it goes on from '
        f'{self.latest_checkpoint or "the start"}.'
      ) from error
    self._saved_step = step
    return saved


def _remove(path: str) -> None:
  """Removes what a checkpoint left that could not be written."""
  for file in tf.io.gfile.glob([f'{path}.*', f'{path}_temp*']):
    if tf.io.gfile.isdir(file):
      tf.io.gfile.rmtree(file)
    else:
      tf.io.gfile.remove(file)


class BestCheckpoint:
  """Keeps the checkpoint of the best evaluation so far, in folder `best`."""

  def __init__(self, model_dir: str, metric: str, better: str, chief: bool):
    """Reads the best result so far, where there is one.

    Args:
      model_dir: folder of the run.
      metric: name of the metric that decides.
      better: `higher` or `lower`.
      chief: whether this process is the chief.

    Raises:
      ValueError: `better` is neither.
    """
    if better not in ('higher', 'lower'):
      raise ValueError(
        'trainer.best_checkpoint_metric_comp must be higher or lower. '
        f'Received: {better!r}.'
      )
    self._metric = metric
    self._sign = 1.0 if better == 'higher' else -1.0
    self._chief = chief
    self._folder = os.path.join(model_dir, BEST)
    self._scratch = self._folder if chief else tempfile.mkdtemp()
    self._result = os.path.join(self._folder, _RESULT)
    self.best_ckpt_logs: Mapping[str, Any] = {}
    if tf.io.gfile.exists(self._result):
      with tf.io.gfile.GFile(self._result) as file:
        self.best_ckpt_logs = json.load(file)

  def maybe_export_checkpoint(
    self, checkpoint: tf.train.Checkpoint, eval_logs, global_step: int
  ) -> None:
    """Writes the checkpoint if the metric is the best so far.

    Args:
      checkpoint: the trainer's.
      eval_logs: metrics of an evaluation, by name.
      global_step: of the evaluation.

    Raises:
      ValueError: there is no such metric.
    """
    values = {
      name: float(orbit.utils.get_value(value))
      for name, value in eval_logs.items()
    }
    if self._metric not in values:
      raise ValueError(
        'trainer.best_checkpoint_eval_metric must name a metric of the '
        f'evaluation: {", ".join(sorted(values))}. Received: {self._metric}.'
      )
    value = self._sign * values[self._metric]
    if self.best_ckpt_logs:
      best = self._sign * self.best_ckpt_logs[self._metric]
      # A NaN is better than nothing, and worse than any number.
      if math.isnan(value) or value <= best:
        return
    manager = tf.train.CheckpointManager(
      checkpoint, self._scratch, max_to_keep=1
    )
    manager.save(checkpoint_number=int(global_step))
    self.best_ckpt_logs = {**values, 'step': int(global_step)}
    if self._chief:
      with tf.io.gfile.GFile(f'{self._result}.new', 'w') as file:
        json.dump(self.best_ckpt_logs, file, indent=2)
      tf.io.gfile.rename(f'{self._result}.new', self._result, overwrite=True)
