"""Progress of a run: for a person who watches, and for machines."""

import json
import math
import time

import orbit
import tensorflow as tf
from absl import logging

from vlbert_tf.training.trainer import INPUT_WAIT

METRICS_FILE = 'metrics.jsonl'


class ProgressLog:
  """An action of the trainer: logs speed, loss and the time that remains."""

  def __init__(self, global_step: tf.Variable, total: int, batch_size: int):
    """Starts the clock.

    Args:
      global_step: the trainer's.
      total: steps of the whole run.
      batch_size: examples a step over all replicas.
    """
    self._global_step = global_step
    self._total = total
    self._batch_size = batch_size
    self._last = (int(global_step.numpy()), time.monotonic())

  def __call__(self, output: orbit.runner.Output) -> None:
    """Logs one line, and adds speed and waiting to what TensorBoard shows."""
    step, now = int(self._global_step.numpy()), time.monotonic()
    before, then = self._last
    self._last = (step, now)
    if step <= before:
      return
    seconds = max(now - then, 1e-9)
    rate = (step - before) / seconds
    examples = rate * self._batch_size
    waited = min(float(output[INPUT_WAIT]) / seconds, 1.0)
    # Picked up by the summary writer of the controller.
    output['examples_per_second'] = examples
    output['step_seconds'] = 1.0 / rate
    output['input_wait_share'] = waited
    logging.info(
      'step %d of %d (%d %%) · loss %.4f · %.0f examples/s · %.0f %% waiting '
      'for input · %s left',
      step,
      self._total,
      100 * step // self._total,
      float(output['training_loss']),
      examples,
      100 * waited,
      _duration((self._total - step) / rate),
    )


class MetricsFile:
  """An action of the trainer: one JSON object a line, for machines.

  A run that resumes appends: of two lines of one step the later one counts.
  """

  def __init__(self, path: str, global_step: tf.Variable, interval: int):
    """Opens nothing yet.

    Args:
      path: of the file.
      global_step: the trainer's.
      interval: steps between two lines, at least.
    """
    self._path = path
    self._global_step = global_step
    self._interval = interval
    self._last = int(global_step.numpy())

  def __call__(self, output: orbit.runner.Output) -> None:
    """Appends a line when it is time; what is no finite number is null."""
    step = int(self._global_step.numpy())
    if step < self._last + self._interval:
      return
    self._last = step
    numbers = {name: float(value) for name, value in output.items()}
    line = {
      'step': step,
      'time': time.time(),
      **{k: v if math.isfinite(v) else None for k, v in numbers.items()},
    }
    tf.io.gfile.makedirs(self._path.rpartition('/')[0] or '.')
    with open(self._path, 'a', encoding='utf-8') as file:
      file.write(json.dumps(line) + '\n')


class ProfilerWindow:
  """An action of the trainer: traces the steps between two, for TensorBoard."""

  def __init__(
    self, log_dir: str, global_step: tf.Variable, first: int, last: int
  ):
    """Starts nothing yet.

    Args:
      log_dir: folder of summaries.
      global_step: the trainer's.
      first: step after which the trace begins; at the next end of a loop.
      last: step after which it ends, likewise.
    """
    self._log_dir = log_dir
    self._global_step = global_step
    self._first = first
    self._last = last
    self._running = False

  def __call__(self, output: orbit.runner.Output) -> None:
    """Starts or stops the trace when it is time."""
    del output
    step = int(self._global_step.numpy())
    if self._running and step >= self._last:
      tf.profiler.experimental.stop()
      self._running = False
      logging.info('Steps up to %d are traced in %s.', step, self._log_dir)
    elif not self._running and self._first <= step < self._last:
      tf.profiler.experimental.start(self._log_dir)
      self._running = True


def _duration(seconds: float) -> str:
  minutes, seconds = divmod(int(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours} h {minutes} min'
  return f'{minutes} min {seconds} s' if minutes else f'{seconds} s'
