"""The losses of the detector, by hand."""

import numpy as np
import tensorflow as tf

from vlbert_tf.vision import detection_losses, fast_rcnn, rpn, sampling


def test_smooth_l1_is_square_and_then_linear():
  difference = tf.constant([[0.5, -0.5, 3.0, 0.0], [0.0, 0.0, 0.0, -2.0]])

  loss = detection_losses.smooth_l1(difference, 1.0)

  np.testing.assert_allclose(loss, [0.125 + 0.125 + 2.5, 1.5])


def test_anchor_losses_ask_background_for_no_box():
  outputs = rpn.AnchorOutputs(
    logits=tf.constant([[0.0, 2.0]]),
    deltas=tf.ones([1, 2, 4]),
    anchors=tf.zeros([2, 4]),
    valid=tf.ones([1, 2], tf.bool),
  )
  targets = sampling.AnchorTargets(
    positive=tf.constant([[True, False]]),
    sampled=tf.constant([[True, True]]),
    deltas=tf.zeros([1, 2, 4]),
  )

  objectness, box = detection_losses.anchor_losses(outputs, targets)

  np.testing.assert_allclose(
    objectness.values, [[np.log(2), np.log(1 + np.exp(2))]], rtol=1e-6
  )
  np.testing.assert_allclose(box.values, [[4 * (1 - 1 / 18), 0]], rtol=1e-6)
  assert box.counted.numpy().all()


def test_predicted_corrections_are_compared_with_the_true_ones():
  true = [0.5, -0.25, 1.0, 2.0]
  anchors = rpn.AnchorOutputs(
    logits=tf.zeros([1, 1]),
    deltas=tf.constant([[true]]),
    anchors=tf.zeros([1, 4]),
    valid=tf.ones([1, 1], tf.bool),
  )
  rois = fast_rcnn.RoiOutputs(tf.zeros([1, 1, 2]), tf.constant([[[true]]]))

  _, of_anchor = detection_losses.anchor_losses(
    anchors,
    sampling.AnchorTargets(
      positive=tf.constant([[True]]),
      sampled=tf.constant([[True]]),
      deltas=tf.constant([[true]]),
    ),
  )
  _, of_roi = detection_losses.roi_losses(
    rois,
    sampling.RoiTargets(
      boxes=tf.zeros([1, 1, 4]),
      categories=tf.constant([[1]]),
      deltas=tf.constant([[true]]),
      sampled=tf.constant([[True]]),
    ),
  )

  assert of_anchor.values.numpy().tolist() == [[0.0]]
  assert of_roi.values.numpy().tolist() == [[0.0]]


def test_the_box_of_the_true_category_is_compared():
  deltas = np.zeros([1, 3, 2, 4], np.float32)
  deltas[0, 0] = [[1.0, 0, 0, 0], [5.0, 0, 0, 0]]
  deltas[0, 1] = [[1.0, 0, 0, 0], [5.0, 0, 0, 0]]
  outputs = fast_rcnn.RoiOutputs(tf.zeros([1, 3, 3]), tf.constant(deltas))
  targets = sampling.RoiTargets(
    boxes=tf.zeros([1, 3, 4]),
    categories=tf.constant([[1, 2, 0]]),
    deltas=tf.zeros([1, 3, 4]),
    sampled=tf.constant([[True, True, False]]),
  )

  category, box = detection_losses.roi_losses(outputs, targets)

  np.testing.assert_allclose(box.values, [[0.5, 4.5, 0.0]])
  np.testing.assert_allclose(category.values, [[np.log(3)] * 3], rtol=1e-6)
  assert category.counted.numpy().tolist() == [[True, True, False]]


def test_attributes_share_the_loss_of_their_object():
  # RoIs: two attributes; none; one, but the RoI only fills up.
  targets = sampling.RoiTargets(
    boxes=tf.zeros([1, 3, 4]),
    categories=tf.constant([[1, 2, 1]]),
    deltas=tf.zeros([1, 3, 4]),
    sampled=tf.constant([[True, True, False]]),
    attributes=tf.constant([[[1, 3], [0, 0], [2, 0]]]),
  )
  logits = tf.math.log(tf.constant([[[0.1, 0.2, 0.3, 0.4]] * 3]))

  losses = detection_losses.attribute_losses(logits, targets)

  assert losses.counted.numpy().tolist() == [[True, False, False]]
  expected = -(np.log(0.2) + np.log(0.4)) / 2
  np.testing.assert_allclose(losses.values[0, 0], expected, rtol=1e-6)
