"""Assignment and sampling, with numbers worked by hand."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.vision import tiny_detector
from vlbert_tf.vision import rpn, sampling

OBJECTS = sampling.Objects(
  boxes=tf.constant([[[0.0, 0.0, 10.0, 10.0], [30.0, 0.0, 50.0, 10.0],
                      [0.0, 0.0, 0.0, 0.0]]]),
  categories=tf.constant([[2, 3, 0]]),
  valid=tf.constant([[True, True, False]]),
)  # fmt: skip


def test_anchors_get_the_object_they_overlap_most():
  anchors = [
    [0.0, 0.0, 10.0, 8.0],    # IoU 0.8 with the first
    [0.0, 0.0, 10.0, 20.0],   # 0.5: neither
    [30.0, 0.0, 40.0, 10.0],  # 0.5 with the second, but no anchor has more
    [60.0, 60.0, 70.0, 70.0],
    [0.0, 0.0, 10.0, 10.0],   # in padding
  ]  # fmt: skip
  valid = tf.constant([[True, True, True, True, False]])
  outputs = rpn.AnchorOutputs(
    tf.zeros([1, 5]), tf.zeros([1, 5, 4]), tf.constant(anchors), valid
  )

  targets = sampling.anchor_targets(
    outputs, OBJECTS, tf.zeros([1, 5]), tiny_detector.ARCHITECTURE
  )

  assert targets.positive.numpy().tolist() == [[1, 0, 1, 0, 0]]
  assert targets.sampled.numpy().tolist() == [[1, 0, 1, 1, 0]]
  np.testing.assert_allclose(
    targets.deltas[0, :3],
    [[0, 0.125, 0, np.log(1.25)], [0] * 4, [0.5, 0, np.log(2), 0]],
    atol=1e-6,
  )


def test_rois_are_drawn_from_proposals_and_the_objects_themselves():
  proposals = rpn.Proposals(
    tf.constant([[[0.0, 0.0, 10.0, 12.5], [0.0, 0.0, 10.0, 21.0],
                  [0.0, 0.0, 0.0, 0.0]]]),
    tf.constant([[True, True, False]]),
  )  # fmt: skip
  config = dataclasses.replace(
    tiny_detector.ARCHITECTURE, sampled_rois=5, roi_positive_fraction=1.0
  )

  targets = sampling.roi_targets(proposals, OBJECTS, tf.zeros([1, 6]), config)

  # IoU 0.8; below 0.5; the objects. The fifth place is empty.
  assert targets.categories.numpy().tolist() == [[2, 0, 2, 3, 0]]
  assert targets.sampled.numpy().tolist() == [[1, 1, 1, 1, 0]]
  np.testing.assert_allclose(
    targets.deltas[0, 0], [0, 10 * -1.25 / 12.5, 0, 5 * np.log(0.8)], atol=1e-5
  )
  assert not targets.deltas[0, 1:].numpy().round(4).any()


@pytest.mark.parametrize(
  ('positives', 'expected'), [(20, (4, 12)), (3, (3, 13)), (0, (0, 16))]
)
def test_background_fills_the_sample_up(positives, expected):
  positive = tf.constant([[True] * positives + [False] * 30])
  uniform = tf.random.stateless_uniform([1, positives + 30], [1, 2])

  chosen = sampling.drawn(positive, ~positive, uniform, 16, 0.25)

  of_positive = np.sum(chosen & positive)
  assert (of_positive, np.sum(chosen) - of_positive) == expected


def test_every_member_is_drawn_equally_often():
  positive = tf.zeros([4000, 8], tf.bool)
  uniform = tf.random.stateless_uniform([4000, 8], [3, 4])

  chosen = sampling.drawn(positive, ~positive, uniform, 2, 0.5)

  share = chosen.numpy().mean(0)
  # 0.25 with a deviation of 0.007.
  assert abs(share - 0.25).max() < 0.03
