"""What limits a run: its input or its steps."""

import types

import pytest
import tensorflow as tf

from tests.training import small_run
from vlbert_tf.training import input_profile


@pytest.mark.parametrize(
  ('input_seconds', 'step_seconds', 'lines'),
  [
    (
      0.5,
      0.125,
      [
        'input alone: 2.00 batches/s, 16 examples/s',
        'step alone:  8.00 batches/s, 64 examples/s',
        'The input is the limit: it takes 4.00 times as long as the other.',
      ],
    ),
    (
      0.25,
      0.5,
      [
        'input alone: 4.00 batches/s, 32 examples/s',
        'step alone:  2.00 batches/s, 16 examples/s',
        'The step is the limit: it takes 2.00 times as long as the other.',
      ],
    ),
  ],
)
def test_the_slower_of_the_two_is_named(input_seconds, step_seconds, lines):
  profile = input_profile.InputProfile(
    batch_size=8, input_seconds=input_seconds, step_seconds=step_seconds
  )

  assert profile.report().split('\n') == lines


def test_input_and_step_are_measured_apart(tmp_path, monkeypatch):
  files = small_run.write_files(tmp_path)
  clock = iter(range(100))
  monkeypatch.setattr(
    input_profile,
    'time',
    types.SimpleNamespace(perf_counter=lambda: float(next(clock)) ** 2),
  )

  profile = input_profile.measure(
    small_run.settings(files), tf.distribute.OneDeviceStrategy('CPU:0')
  )

  # The clock reads 0, 1, 4, 9: one second for the input, five for the steps.
  assert profile.input_seconds == pytest.approx(1 / 30)
  assert profile.step_seconds == pytest.approx(5 / 30)
  assert profile.batch_size == 4
