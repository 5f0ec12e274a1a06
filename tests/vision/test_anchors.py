"""Anchors, against Model Garden's and by hand."""

import numpy as np
import tensorflow as tf
from official.vision.ops import anchor as oracle

from vlbert_tf.vision import anchors


def test_anchors_are_those_of_model_garden():
  ours = anchors.anchor_boxes(
    3, 5, stride=16, sizes=(32.0, 64.0), ratios=(0.5, 1.0, 2.0)
  )
  # Its level 4 has stride 16; its aspect ratio is width over height.
  theirs = [
    oracle.Anchor(4, 4, 1, [2.0, 1.0, 0.5], size, (48, 80)) for size in (2, 4)
  ]
  expected = np.concatenate(
    [
      np.reshape(x.multilevel_boxes['4'], [15, 3, 4])[..., [1, 0, 3, 2]]
      for x in theirs
    ],
    axis=1,
  )

  np.testing.assert_allclose(ours, expected.reshape(-1, 4), rtol=1e-5)


def test_anchors_around_padding_do_not_count():
  boxes = anchors.anchor_boxes(2, 3, stride=8, sizes=(8.0,), ratios=(1.0,))

  valid = anchors.valid_anchors(boxes, tf.constant([[16.0, 13.0], [3.0, 24.0]]))

  # Columns of the first image have their centers at 4, 12 and 20; the second
  # is lower than the middle of its only row.
  first = [True, True, False] * 2
  second = [True] * 3 + [False] * 3
  assert valid.numpy().tolist() == [first, second]
