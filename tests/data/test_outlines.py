"""Polygons on the cells of boxes."""

import json

import numpy as np
import pycocotools.mask
import tensorflow as tf

from vlbert_tf.data import outlines


def _masks(polygons, boxes, cells):
  texts = [json.dumps(each) if each else '' for each in polygons]
  made = tf.function(outlines.cell_masks)(
    tf.constant(texts, tf.string), tf.constant(boxes, tf.float32), cells
  )
  return made.numpy()


def test_a_cell_counts_when_its_center_is_inside():
  corner = [[[2, 3], [10, 3], [2, 11]]]  # below the diagonal of its box
  two = [[[0, 0], [4, 0], [4, 8], [0, 8]], [[6, 0], [8, 0], [8, 2], [6, 2]]]
  masks = _masks(
    [corner, None, two], [[2, 3, 10, 11], [0, 0, 5, 5], [0, 0, 8, 8]], 4
  )

  np.testing.assert_array_equal(
    masks,
    [
      [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]],
      np.ones([4, 4]),
      [[1, 1, 0, 1], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]],
    ],
  )


def test_a_polygon_without_a_center_hides_nothing():
  thin = [[[0, 0], [8, 0], [8, 0.5], [0, 0.5]]]
  np.testing.assert_array_equal(
    _masks([thin], [[0, 0, 8, 8]], 4), np.ones([1, 4, 4])
  )


def test_rois_without_outlines_and_no_roi_at_all():
  boxes = [[0, 0, 5, 5], [1, 1, 2, 3]]
  np.testing.assert_array_equal(
    _masks([None, None], boxes, 3), np.ones([2, 3, 3])
  )
  assert _masks([], np.zeros([0, 4]), 3).shape == (0, 3, 3)


def test_it_agrees_with_cocos_own_program():
  rng = np.random.default_rng(5)
  polygons, boxes, expected = [], [], []
  for _ in range(20):
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    radius = rng.uniform(30, 70, [9, 1])  # a star, not convex
    points = 100 + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    low, high = points.min(0), points.max(0)
    polygons.append([points.tolist()])
    boxes.append([*low, *high])
    scaled = (points - low) / (high - low) * 14
    (encoded,) = pycocotools.mask.frPyObjects([scaled.ravel().tolist()], 14, 14)
    expected.append(pycocotools.mask.decode(encoded))

  masks = _masks(polygons, boxes, 14)

  # It rounds corners to fifths of a cell: cells on the border may differ.
  assert (masks != np.array(expected)).mean() < 0.04
