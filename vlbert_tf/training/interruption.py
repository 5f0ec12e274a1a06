"""What ends a run early: SIGTERM, and steps that no longer do anything."""

import contextlib
import math
import signal
import threading
from collections.abc import Iterator

import orbit
import tensorflow as tf
from absl import logging

from vlbert_tf.tasks import steps
from vlbert_tf.training.checkpointing import Checkpoints

EXIT_CODE = 128 + signal.SIGTERM


@contextlib.contextmanager
def sigterm_noticed() -> Iterator[threading.Event]:
  """Within it the first SIGTERM sets an event; a second one ends at once.

  Yields:
    The event. It is never set where signals cannot be handled, that is,
    outside the main thread.
  """
  noticed = threading.Event()
  if threading.current_thread() is not threading.main_thread():
    yield noticed
    return

  def notice(number, frame):
    del frame
    noticed.set()
    signal.signal(number, signal.SIG_DFL)

  before = signal.signal(signal.SIGTERM, notice)
  try:
    yield noticed
  finally:
    signal.signal(signal.SIGTERM, before)


class SaveAndStop:
  """An action of the trainer: after SIGTERM saves, and ends the program."""

  def __init__(self, noticed: threading.Event, checkpoints: Checkpoints):
    self._noticed = noticed
    self._checkpoints = checkpoints

  def __call__(self, output: orbit.runner.Output) -> None:
    """Ends with the exit code that a shell gives for SIGTERM."""
    del output
    if self._noticed.is_set():
      path = self._checkpoints.save(check_interval=False)
      logging.info('Stopped by SIGTERM; saved %s.', path)
      raise SystemExit(EXIT_CODE)


class SkippedSteps:
  """An action of the trainer: reports skipped steps, ends a run of them."""

  def __init__(self, global_step: tf.Variable, most_in_a_row: int):
    """Starts counting.

    Args:
      global_step: the trainer's.
      most_in_a_row: skipped steps after which the run ends. Only intervals
        between two calls in which every step was skipped make a row.
    """
    self._global_step = global_step
    self._most = most_in_a_row
    self._last = int(global_step.numpy())
    self._row = 0

  def __call__(self, output: orbit.runner.Output) -> None:
    """Looks at one interval.

    Raises:
      FloatingPointError: too many steps in a row were skipped.
    """
    step = int(self._global_step.numpy())
    done, self._last = step - self._last, step
    skipped = round(float(output[steps.SKIPPED]))
    self._row = self._row + skipped if skipped >= done else 0
    if not skipped:
      return
    culprits = [
      f'{name} is {float(value)}'
      for name, value in output.items()
      if name.endswith('_loss') and not math.isfinite(float(value))
    ]
    reason = ', '.join(culprits) or (
      'all losses are finite, their gradients are not, at a loss scale of '
      f'{float(output[steps.SCALE]):.0f}'
    )
    logging.warning(
      'Skipped %d of %d steps up to step %d: %s.', skipped, done, step, reason
    )
    if self._row >= self._most:
      raise FloatingPointError(
        f'A run may skip trainer.max_skipped_steps = {self._most} steps in a '
        f'row. Received: {self._row} up to step {step}, where {reason}. '
        'Lower the learning rate or clip_norm, or train in bfloat16 or '
        'float32; the last checkpoint has the weights from before.'
      )
