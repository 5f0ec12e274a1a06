"""Suppression, against TensorFlow's own operation and by hand."""

import numpy as np
import pytest
import tensorflow as tf

from vlbert_tf.vision import suppression


def _boxes(seed, count):
  rng = np.random.default_rng(seed)
  corner = rng.uniform(0, 60, [count, 2])
  extent = rng.uniform(10, 40, [count, 2])
  boxes = np.concatenate([corner, corner + extent], -1).astype(np.float32)
  # Boxes side by side in a chain: the second goes, so the third stays.
  return np.concatenate([[[200, 0, 300, 10], [220, 0, 320, 10]], boxes])


@pytest.mark.parametrize('threshold', [0.3, 0.7])
def test_what_stays_is_what_the_sequential_algorithm_keeps(threshold):
  boxes = np.stack([_boxes(seed, 61) for seed in (1, 2)]).astype(np.float32)
  scores = np.linspace(1, 0, 63, dtype=np.float32)

  stays = suppression.best_of_overlapping(tf.constant(boxes), threshold)

  for row, row_stays in zip(boxes, stays.numpy(), strict=True):
    kept = tf.image.non_max_suppression(row, scores, 63, threshold).numpy()
    assert np.flatnonzero(row_stays).tolist() == kept.tolist()


def test_boxes_of_other_groups_do_not_exclude():
  box = [0.0, 0.0, 10.0, 10.0]
  boxes = tf.constant([[box, box, box, box]])

  stays = suppression.best_of_overlapping(
    boxes, 0.5, tf.constant([[1, 2, 1, 3]])
  )

  assert stays.numpy().tolist() == [[True, True, False, True]]


def test_the_first_of_equal_values_is_looked_for_among_those_considered():
  values = tf.constant([[5, 5, 5, 7, 7]])
  considered = tf.constant([[False, True, True, True, False]])

  first = suppression.first_of_equal(values, considered)

  assert first.numpy().tolist() == [[False, True, False, True, False]]


def test_rows_that_stay_are_taken_in_order_and_padded():
  values = tf.constant([[3, 5, 7], [11, 13, 17]])
  stays = tf.constant([[False, True, True], [False, False, True]])

  (taken,), valid = suppression.take_first((values,), stays, 4)

  assert taken.numpy().tolist() == [[5, 7, 0, 0], [17, 0, 0, 0]]
  assert valid.numpy().sum(1).tolist() == [2, 1]


def test_xla_compiles_suppression():
  boxes = tf.constant([[[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 8.0]]])
  compiled = tf.function(suppression.best_of_overlapping, jit_compile=True)

  assert compiled(boxes, 0.5).numpy().tolist() == [[True, False]]


@pytest.mark.parametrize(
  ('compiled', 'known'), [(False, True), (False, False), (True, True)]
)
def test_blocks_of_boxes_are_suppressed_by_those_before(
  monkeypatch, compiled, known
):
  monkeypatch.setattr(suppression, '_BLOCK', 16)
  boxes = np.stack([_boxes(seed, 69) for seed in (3, 4)]).astype(np.float32)
  groups = np.random.default_rng(5).integers(0, 2, [2, 71])
  count = 71 if known else None
  thin = tf.function(
    lambda boxes, groups: suppression.best_of_overlapping(boxes, 0.3, groups),
    input_signature=[
      tf.TensorSpec([2, count, 4]), tf.TensorSpec([2, count], tf.int32)
    ],
    jit_compile=compiled,
  )  # fmt: skip

  stays = thin(tf.constant(boxes), tf.constant(groups, tf.int32)).numpy()

  for row, group, row_stays in zip(boxes, groups, stays, strict=True):
    for number in (0, 1):
      own = np.flatnonzero(group == number)
      kept = tf.image.non_max_suppression(
        row[own], np.linspace(1, 0, len(own)), 71, 0.3
      )
      assert np.flatnonzero(row_stays & (group == number)).tolist() == (
        own[kept.numpy()].tolist()
      )


def test_no_boxes_are_no_boxes():
  stays = suppression.best_of_overlapping(tf.zeros([2, 0, 4]), 0.5)

  assert stays.shape == (2, 0)
