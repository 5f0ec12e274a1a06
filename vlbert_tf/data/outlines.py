"""Outlines of objects, drawn on the cells that the visual network pools.

The released VCR models see of an object what lies within its polygons, not the
whole box.
"""

import tensorflow as tf


def cell_masks(polygons: tf.Tensor, boxes: tf.Tensor, cells: int) -> tf.Tensor:
  """Which cells of each box lie inside its object.

  Args:
    polygons: string `[R]`, JSON, a list of polygons of [x, y] points; '' where
      none are known. What is inside one of them is inside.
    boxes: float32 `[R, 4]`, in the pixels of the points.
    cells: s, rows and columns of a box.

  Returns:
    float32 `[R, s, s]`: 1 where a cell's center is inside; 1 everywhere where
    no polygon is known, or where it is so thin that it holds no center.
  """
  numbers = _numbers(polygons)
  x, y = numbers[:, :, ::2], numbers[:, :, 1::2]
  # Of each edge: the RoI and the polygon, and where it begins and ends.
  polygon = x.values.value_rowids()
  roi = tf.gather(x.value_rowids(), polygon)
  x1, y1, x2, y2 = (
    side.flat_values[:, None, None] for side in (x, y, _next(x), _next(y))
  )
  center_x, center_y = (tf.gather(c, roi) for c in _centers(boxes, cells))
  # Odd are the edges that a ray to the right meets from inside.
  at_height = (y1 > center_y) != (y2 > center_y)
  slope = tf.math.divide_no_nan(x2 - x1, y2 - y1)
  meets = at_height & (center_x < x1 + slope * (center_y - y1))
  count = tf.math.unsorted_segment_sum(
    tf.cast(meets, tf.int32), polygon, x.values.nrows()
  )
  inside = tf.math.unsorted_segment_max(count % 2, x.value_rowids(), x.nrows())
  # Of no polygon, the maximum is the least of all numbers.
  inside = tf.cast(inside > 0, tf.float32)
  known = tf.reduce_any(inside > 0, axis=[1, 2], keepdims=True)
  return tf.where(known, inside, 1.0)


def _numbers(polygons: tf.Tensor) -> tf.RaggedTensor:
  """Coordinates in turn, float32 `[R, (P), (2n)]`."""
  text = tf.strings.regex_replace(polygons, r'\s|^\[|\]$', '')
  apart = tf.strings.regex_replace(text, r'\]\],\[\[', ';')
  each = tf.strings.split(tf.strings.regex_replace(apart, r'[\[\]]', ''), ';')
  each = tf.ragged.boolean_mask(each, each != '')
  return tf.ragged.map_flat_values(
    tf.strings.to_number, tf.strings.split(each, ',')
  )


def _next(values: tf.RaggedTensor) -> tf.RaggedTensor:
  """The value after each; the first one after the last, of each polygon."""
  return tf.concat([values[:, :, 1:], values[:, :, :1]], axis=2)


def _centers(boxes: tf.Tensor, cells: int) -> tuple[tf.Tensor, tf.Tensor]:
  """x `[R, 1, s]` and y `[R, s, 1]` of the centers of cells."""
  places = (tf.range(cells, dtype=tf.float32) + 0.5) / float(cells)
  left, top, right, bottom = (side[:, None] for side in tf.unstack(boxes, 4, 1))
  x = left + (right - left) * places
  y = top + (bottom - top) * places
  return x[:, None, :], y[:, :, None]
