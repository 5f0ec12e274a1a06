"""Anchors: boxes of a few sizes and shapes around each cell of a map."""

import numpy as np
import tensorflow as tf


def anchor_boxes(
  height: tf.Tensor,
  width: tf.Tensor,
  *,
  stride: int,
  sizes: tuple[float, ...],
  ratios: tuple[float, ...],
  shift: float = 0.5,
) -> tf.Tensor:
  """Anchors of a map (Ren et al., Faster R-CNN §3.1.1).

  Args:
    height: of the map, cells.
    width: of the map, cells.
    stride: pixels per cell.
    sizes: square roots of areas, pixels.
    ratios: height over width.
    shift: where in its cell the center of the anchors lies, in cells.

  Returns:
    float32 `[height * width * len(sizes) * len(ratios), 4]`, pixels of the
    image, row by row; around one cell all ratios of the first size come first.
  """
  roots = np.sqrt(np.array(ratios, np.float32))[None]
  lengths = np.array(sizes, np.float32)[:, None]
  half_width = (lengths / roots / 2).reshape(-1)
  half_height = (lengths * roots / 2).reshape(-1)
  around = np.stack([-half_width, -half_height, half_width, half_height], -1)
  y = (tf.range(height, dtype=tf.float32) + shift) * stride
  x = (tf.range(width, dtype=tf.float32) + shift) * stride
  x, y = tf.meshgrid(x, y)
  centers = tf.stack([x, y, x, y], axis=-1)
  return tf.reshape(centers[:, :, None] + around, [-1, 4])


def valid_anchors(anchors: tf.Tensor, image_size: tf.Tensor) -> tf.Tensor:
  """Which anchors belong to an image rather than to its padding.

  Args:
    anchors: float32 `[N, 4]`.
    image_size: float32 `[B, 2]`, height and width without padding.

  Returns:
    bool `[B, N]`, True for anchors around a cell that the image reaches into.
  """
  center_x = (anchors[:, 0] + anchors[:, 2]) / 2
  center_y = (anchors[:, 1] + anchors[:, 3]) / 2
  # An image of less than half a cell has one cell all the same.
  first_x, first_y = tf.reduce_min(center_x), tf.reduce_min(center_y)
  height, width = image_size[:, :1], image_size[:, 1:]
  return (center_x < tf.maximum(width, first_x + 1)) & (
    center_y < tf.maximum(height, first_y + 1)
  )
