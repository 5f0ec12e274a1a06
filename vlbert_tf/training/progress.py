"""Progress of a run: what a person wants to see while it works."""

import time

import orbit
import tensorflow as tf
from absl import logging


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
    """Logs one line and writes `examples_per_second` for TensorBoard."""
    step, now = int(self._global_step.numpy()), time.monotonic()
    before, then = self._last
    self._last = (step, now)
    if step <= before:
      return
    rate = (step - before) / max(now - then, 1e-9)
    examples = rate * self._batch_size
    # Picked up by the summary writer of the controller.
    output['examples_per_second'] = examples
    logging.info(
      'step %d of %d (%d %%) · loss %.4f · %.0f examples/s · %s left',
      step,
      self._total,
      100 * step // self._total,
      float(output['training_loss']),
      examples,
      _duration((self._total - step) / rate),
    )


def _duration(seconds: float) -> str:
  minutes, seconds = divmod(int(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours} h {minutes} min'
  return f'{minutes} min {seconds} s' if minutes else f'{seconds} s'
