"""Non-maximum suppression of whole batches."""

import tensorflow as tf

from vlbert_tf.boxes import iou


def best_of_overlapping(
  boxes: tf.Tensor,
  iou_threshold: float,
  groups: tf.Tensor | None = None,
) -> tf.Tensor:
  """Greedy non-maximum suppression.

  A box stays unless a better one that stays overlaps it. That rule has one
  solution, which is reached by applying it to all boxes at once until nothing
  changes: a handful of times, against one step a box. Needs no operation
  that XLA lacks.

  Args:
    boxes: float32 `[B, N, 4]`, the best first.
    iou_threshold: boxes that overlap more exclude each other ...
    groups: int32 `[B, N]`: ... if they are of one group; None is one group.

  Returns:
    bool `[B, N]`, True where a box stays.
  """
  overlap = iou(boxes, boxes) > iou_threshold
  if groups is not None:
    overlap &= groups[:, :, None] == groups[:, None, :]
  order = tf.range(tf.shape(boxes)[1])
  # [b, j, i]: j excludes i.
  excludes = overlap & (order[:, None] < order[None, :])

  def applied(stays):
    return ~tf.reduce_any(excludes & stays[:, :, None], axis=1)

  everything = tf.ones(tf.shape(boxes)[:2], tf.bool)
  _, stays = tf.while_loop(
    lambda before, stays: tf.reduce_any(before != stays),
    lambda before, stays: (stays, applied(stays)),
    (everything, applied(everything)),
  )
  return stays


def first_of_equal(values: tf.Tensor, considered: tf.Tensor) -> tf.Tensor:
  """The first of equal values, among those considered.

  Args:
    values: int32 `[B, N]`.
    considered: bool `[B, N]`.

  Returns:
    bool `[B, N]`, False where not considered.
  """
  order = tf.range(tf.shape(values)[1])
  earlier = order[:, None] < order[None, :]
  same = values[:, :, None] == values[:, None, :]
  repeats = same & earlier & considered[:, :, None]
  return considered & ~tf.reduce_any(repeats, axis=1)


def take_first(
  values: tuple[tf.Tensor, ...], stays: tf.Tensor, count: int
) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
  """The first rows that stay, in their order.

  Args:
    values: each `[B, N, ...]`.
    stays: bool `[B, N]`.
    count: rows to return; N may be less.

  Returns:
    Each value, `[B, count, ...]`, zero in padding; and bool `[B, count]`, True
    where real.
  """
  short = tf.maximum(count - tf.shape(stays)[1], 0)
  stays = tf.pad(stays, [[0, 0], [0, short]])
  # top_k takes the earlier one of equal values.
  kept, places = tf.math.top_k(tf.cast(stays, tf.int32), count)
  valid = kept > 0

  def taken(x):
    rest = len(x.shape) - 2
    x = tf.pad(x, [[0, 0], [0, short], *[[0, 0]] * rest])
    real = tf.reshape(valid, [-1, count, *[1] * rest])
    x = tf.gather(x, places, batch_dims=1)
    return tf.where(real, x, tf.zeros_like(x))

  return tuple(taken(x) for x in values), valid
