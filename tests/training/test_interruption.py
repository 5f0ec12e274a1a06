"""SIGTERM, and runs of steps that no longer do anything."""

import os
import signal

import pytest
import tensorflow as tf

from vlbert_tf.training import interruption


class _Checkpoints:
  saved = 0

  def save(self, check_interval):
    assert not check_interval
    self.saved += 1
    return 'ckpt'


def test_after_sigterm_the_run_is_saved_and_ends():
  checkpoints = _Checkpoints()
  before = signal.getsignal(signal.SIGTERM)
  with interruption.sigterm_noticed() as noticed:
    action = interruption.SaveAndStop(noticed, checkpoints)
    action({})
    assert checkpoints.saved == 0
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
      action({})

  assert ended.value.code == 143
  assert checkpoints.saved == 1
  assert signal.getsignal(signal.SIGTERM) == before


def _after(guard, step, steps, skipped, loss=1.0):
  steps.assign(step)
  guard(
    {
      'skipped_steps': skipped,
      'loss_scale': 8.0,
      'masked_word_loss': loss,
      'relationship_loss': 0.7,
    }
  )


def test_a_row_of_skipped_steps_ends_the_run_and_names_the_loss(caplog):
  steps = tf.Variable(0, dtype=tf.int64)
  guard = interruption.SkippedSteps(steps, most_in_a_row=5)
  _after(guard, 2, steps, skipped=2)
  assert (
    'Skipped 2 of 2 steps up to step 2: all losses are finite' in caplog.text
  )
  _after(guard, 4, steps, skipped=2)
  # One step that does something begins the count anew.
  _after(guard, 6, steps, skipped=1)
  _after(guard, 8, steps, skipped=2)
  _after(guard, 10, steps, skipped=2)

  with pytest.raises(FloatingPointError) as error:
    _after(guard, 12, steps, skipped=2, loss=float('nan'))

  assert 'Received: 6 up to step 12, where masked_word_loss is nan.' in str(
    error.value
  )
  assert 'relationship_loss' not in str(error.value)


def test_where_losses_are_finite_the_loss_scale_is_named():
  steps = tf.Variable(0, dtype=tf.int64)
  guard = interruption.SkippedSteps(steps, most_in_a_row=2)

  with pytest.raises(FloatingPointError, match='at a loss scale of 8'):
    _after(guard, 2, steps, skipped=2)
