"""Box arithmetic, for numpy arrays and TensorFlow tensors alike.

A box is `(x1, y1, x2, y2)` in pixels. Coordinates are continuous and the
second corner is exclusive: the box `(0, 0, 1, 1)` is the first pixel, a box
is `x2 - x1` wide, and the image itself is the box `(0, 0, width, height)`.
"""

from typing import TypeVar

import numpy as np
import tensorflow as tf

Array = TypeVar('Array', np.ndarray, tf.Tensor)


def area(boxes: Array) -> Array:
  """Areas in square pixels.

  Args:
    boxes: `[..., 4]`.

  Returns:
    `[...]`, 0 where a box is inside out.
  """
  ops = _operations(boxes)
  width = ops.maximum(boxes[..., 2] - boxes[..., 0], 0)
  height = ops.maximum(boxes[..., 3] - boxes[..., 1], 0)
  return width * height


def iou(boxes: Array, others: Array) -> Array:
  """Intersection over union of each box with each other box.

  Args:
    boxes: `[..., N, 4]`.
    others: `[..., M, 4]`.

  Returns:
    `[..., N, M]`, in 0-1; 0 where both areas are 0.
  """
  ops = _operations(boxes)
  rows, columns = boxes[..., :, None, :], others[..., None, :, :]
  top_left = ops.maximum(rows[..., :2], columns[..., :2])
  bottom_right = ops.minimum(rows[..., 2:], columns[..., 2:])
  sides = ops.maximum(bottom_right - top_left, 0)
  intersection = sides[..., 0] * sides[..., 1]
  union = area(boxes)[..., :, None] + area(others)[..., None, :] - intersection
  # A union of 0 comes only with an intersection of 0.
  return intersection / ops.where(union > 0, union, ops.ones_like(union))


def clip(boxes: Array, height: float, width: float) -> Array:
  """Cuts boxes to an image; one that lies outside gets zero area.

  Args:
    boxes: `[..., 4]`.
    height: of the image, pixels.
    width: of the image, pixels.

  Returns:
    `[..., 4]`.
  """
  ops = _operations(boxes)
  x1, y1, x2, y2 = _corners(boxes)
  return ops.stack(
    [
      ops.minimum(ops.maximum(x1, 0), width),
      ops.minimum(ops.maximum(y1, 0), height),
      ops.minimum(ops.maximum(x2, 0), width),
      ops.minimum(ops.maximum(y2, 0), height),
    ],
    axis=-1,
  )


def flip_left_right(boxes: Array, width: float) -> Array:
  """The boxes on the mirrored image.

  Args:
    boxes: `[..., 4]`.
    width: of the image, pixels.

  Returns:
    `[..., 4]`.
  """
  x1, y1, x2, y2 = _corners(boxes)
  return _operations(boxes).stack([width - x2, y1, width - x1, y2], axis=-1)


def rescale(boxes: Array, ratio_y: float, ratio_x: float) -> Array:
  """The boxes on an image of another size.

  Args:
    boxes: `[..., 4]`.
    ratio_y: new height over old height.
    ratio_x: new width over old width.

  Returns:
    `[..., 4]`.
  """
  x1, y1, x2, y2 = _corners(boxes)
  return _operations(boxes).stack(
    [x1 * ratio_x, y1 * ratio_y, x2 * ratio_x, y2 * ratio_y], axis=-1
  )


def from_xywh(boxes: Array) -> Array:
  """Corners of boxes given as COCO's `(x, y, width, height)`.

  Args:
    boxes: `[..., 4]`.

  Returns:
    `[..., 4]`, `(x1, y1, x2, y2)`.
  """
  x, y, width, height = _corners(boxes)
  return _operations(boxes).stack([x, y, x + width, y + height], axis=-1)


def check(boxes: np.ndarray) -> None:
  """Fails unless boxes are finite and have an area.

  Args:
    boxes: `[..., 4]`.

  Raises:
    ValueError: the last dimension is not 4, a coordinate is not a finite
      number, or a second corner is not right of and below the first.
  """
  boxes = np.asarray(boxes)
  if boxes.ndim == 0 or boxes.shape[-1] != 4:
    raise ValueError(
      'A box has four coordinates (x1, y1, x2, y2). '
      f'Received an array of shape {boxes.shape}.'
    )
  flat = boxes.reshape(-1, 4)
  good = np.isfinite(flat).all(-1) & (flat[:, 2:] > flat[:, :2]).all(-1)
  if not good.all():
    raise ValueError(
      'A box needs finite coordinates with x1 < x2 and y1 < y2. '
      f'Received: {flat[~good][0].tolist()}. '
      'Clip boxes to the image and leave out those of zero area.'
    )


def _operations(boxes):
  return tf if tf.is_tensor(boxes) else np


def _corners(boxes):
  return (boxes[..., axis] for axis in range(4))
