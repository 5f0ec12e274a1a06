"""How large tensors get: with RoIs and pixels, and not with their squares."""

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_callbacks

from tests.vision import tiny_detector
from vlbert_tf.vision import suppression
from vlbert_tf.vision.roi_align import roi_align

BINS, STRIDE, CHANNELS = 7, 16, 8
FLOAT = 4


def _made(function, *arguments) -> tuple[int, int]:
  """Bytes of the largest tensor that operations make, and of all of them."""
  sizes = []

  def note(op_type, inputs, attributes, outputs, *_, **__):
    sizes.extend(t.dtype.size * int(np.prod(t.shape)) for t in outputs)

  op_callbacks.add_op_callback(note)
  try:
    function(*arguments)
  finally:
    op_callbacks.remove_op_callback(note)
  return max(sizes), sum(sizes)


def _boxes(count, side):
  rng = np.random.default_rng(count)
  corner = rng.uniform(0, side / 2, [1, count, 2])
  extent = rng.uniform(16, side / 2, [1, count, 2])
  return tf.constant(np.concatenate([corner, corner + extent], -1), tf.float32)


def _with_gradient(features, boxes):
  with tf.GradientTape() as tape:
    tape.watch(features)
    pooled = roi_align(features, boxes, output_size=BINS, stride=STRIDE)
    total = tf.reduce_sum(pooled**2)
  return tape.gradient(total, features)


def _map(rows, columns):
  return tf.random.stateless_normal([1, rows, columns, CHANNELS], [1, 2])


def test_roi_align_makes_nothing_larger_than_a_line_of_cells_for_each_bin():
  largest, total = _made(_with_gradient, _map(20, 30), _boxes(64, 300))

  # The map with a border is 22 x 32; a RoI's rows of bins, over its width.
  assert largest == 64 * BINS * 32 * CHANNELS * FLOAT
  # Forward, its square and backward: a handful of such tensors.
  assert total < 6 * largest


def test_roi_align_grows_with_rois_and_with_pixels_and_no_faster():
  few = _made(_with_gradient, _map(20, 20), _boxes(64, 300))
  many = _made(_with_gradient, _map(20, 20), _boxes(512, 300))
  wide = _made(_with_gradient, _map(40, 40), _boxes(64, 300))

  for rois, pixels, base in zip(many, wide, few, strict=True):
    assert rois <= 8 * base
    assert pixels <= 4 * base


def test_suppression_compares_a_block_of_boxes_with_all_others():
  count = 2000
  boxes = tf.constant(np.tile([[[0, 0, 9, 9]]], [1, count, 1]), tf.float32)

  largest, _ = _made(suppression.best_of_overlapping, boxes, 0.5)

  # An x and a y of 512 corners for each box; boxes fill blocks of 512.
  assert largest == 2048 * 512 * 2 * FLOAT


def test_a_detector_grows_with_pixels_and_with_rois_and_no_faster(monkeypatch):
  # All that suppression compares at once is little here.
  monkeypatch.setattr(suppression, '_BLOCK', 8)

  def largest(side, times):
    network = tiny_detector.network(
      proposals_before_nms=60 * times, proposals=23 * times,
      candidates=50 * times, max_rois=12 * times,
    )  # fmt: skip
    image = tf.random.stateless_uniform([1, side, side, 3], [3, 4], 0, 255)
    size = tf.constant([[float(side)] * 2])
    return _made(network.detect_rois, image, size)[0]

  few, many, large = largest(64, 1), largest(64, 8), largest(256, 1)

  # 8 times the RoIs, 16 times the pixels; what does not depend on them, or
  # borders, weigh less.
  assert many <= 8 * few
  assert large <= 16 * few
