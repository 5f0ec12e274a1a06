"""One update: replicas, micro-batches, XLA, recomputation, precision."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.training import small_run, small_task


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('files')


@pytest.fixture(scope='module')
def plain(folder):
  """Five updates on one device, and what they reported."""
  return _train(small_task.task(folder))


def _one():
  return tf.distribute.OneDeviceStrategy('CPU:0')


def _train(task, strategy=None, **changes):
  return small_task.train(
    task, strategy or _one(), small_task.batch(), **changes
  )


def _assert_same(weights, expected, atol):
  assert weights.keys() == expected.keys()
  moved = 0
  for name, value in expected.items():
    np.testing.assert_allclose(weights[name], value, atol=atol, err_msg=name)
    moved += 1
  assert moved > 60


def test_two_replicas_one_without_masked_words_take_the_steps_of_one(
  folder, plain
):
  two = small_run.two_devices()

  # Compiled, too: attention is what XLA compiles by default.
  weights, reported = _train(small_task.task(folder, xla='attention'), two)

  # float32 rounding of sums in another order, over five steps.
  _assert_same(weights, plain[0], atol=2e-5)
  for ours, theirs in zip(reported, plain[1], strict=True):
    assert ours == pytest.approx(theirs, rel=1e-4)
  losses = [report['masked_word_loss'] for report in reported]
  assert losses[-1] < losses[0] - 0.1


@pytest.mark.slow
def test_sixteen_replicas_take_the_steps_of_one(folder, plain, tmp_path):
  output = tmp_path / 'weights.npz'

  subprocess.run(
    [sys.executable, '-m', 'tests.training.small_task', '16', folder, output],
    check=True,
  )

  _assert_same(dict(np.load(output)), plain[0], atol=2e-5)


def test_micro_batches_of_recomputed_layers_take_the_step_of_the_whole_batch(
  folder, plain
):
  task = small_task.task(folder, micro_batches=4, remat=True)
  weights, reported = _train(task)

  _assert_same(weights, plain[0], atol=2e-5)
  for ours, theirs in zip(reported, plain[1], strict=True):
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_micro_batches_must_divide_the_rows(folder):
  with pytest.raises(ValueError, match='must divide the images of a replica'):
    _train(small_task.task(folder, micro_batches=3), steps=1)


def test_a_compiled_step_is_the_plain_one(folder, plain):
  weights, reported = _train(small_task.task(folder, xla='step'))

  _assert_same(weights, plain[0], atol=5e-5)
  for ours, theirs in zip(reported, plain[1], strict=True):
    assert ours == pytest.approx(theirs, rel=1e-3)
