"""The proposal network and its proposals."""

import dataclasses

import numpy as np
import tensorflow as tf

from tests.vision import tiny_detector
from vlbert_tf.vision import rpn

SIZE = tf.constant([[20.0, 30.0]])


def _outputs(logits, deltas, anchors, valid):
  return rpn.AnchorOutputs(
    tf.constant([logits]),
    tf.constant([deltas]),
    tf.constant(anchors),
    tf.constant([valid]),
  )


def test_proposals_are_the_best_anchors_moved_clipped_and_thinned_out():
  anchors = [[0.0, 0.0, 10.0, 10.0]] * 3 + [[20.0, 10.0, 28.0, 18.0]] * 2
  deltas = [
    [0.0, 0.0, 0.0, 0.0],
    # A copy of the first, less probable.
    [0.01, 0.0, 0.0, 0.0],
    # In padding.
    [0.0, 0.0, 0.0, 0.0],
    # Half a width to the right and twice as high: beyond the image.
    [0.5, 0.0, 0.0, float(np.log(2.0))],
    [5.0, 0.0, 0.0, 0.0],
  ]
  outputs = _outputs(
    [3.0, 2.0, 9.0, 5.0, 4.0], deltas, anchors, [True, True, False, True, True]
  )
  config = dataclasses.replace(
    tiny_detector.ARCHITECTURE, proposals=3, proposals_before_nms=5
  )

  proposals = rpn.propose(outputs, SIZE, config)

  # The last anchor has left the image.
  assert proposals.valid.numpy().tolist() == [[True, True, False]]
  np.testing.assert_allclose(
    proposals.boxes[0],
    [[24, 6, 30, 20], [0, 0, 10, 10], [0, 0, 0, 0]],
    atol=1e-5,
  )


def test_outputs_have_one_row_an_anchor_in_the_order_of_anchors():
  layer = rpn.ProposalNetwork(tiny_detector.ARCHITECTURE)
  features = np.zeros([1, 3, 4, 5], np.float32)
  features[0, 1, 2] = 1.0
  stride = tiny_detector.ARCHITECTURE.resnet.feature_stride
  size = tf.constant([[3.0 * stride, 4.0 * stride]])
  layer(features, size)
  # Only the middle tap of the 3x3 kernel, so that a cell sees itself alone.
  kernel = np.zeros([3, 3, 5, 11], np.float32)
  kernel[1, 1] = 1.0
  layer.shared.kernel.assign(kernel)
  layer.objectness.kernel.assign(tf.ones_like(layer.objectness.kernel))

  outputs = layer(features, size)

  touched = np.flatnonzero(outputs.logits[0])
  first = (1 * 4 + 2) * 6
  assert touched.tolist() == list(range(first, first + 6))
  anchors = outputs.anchors.numpy()[touched]
  centers = (anchors[:, :2] + anchors[:, 2:]) / 2
  np.testing.assert_allclose(centers, [[2.5 * stride, 1.5 * stride]] * 6)
