"""Non-maximum suppression of whole batches."""

import tensorflow as tf

from vlbert_tf.boxes import iou

# Boxes that are compared with all others at once.
_BLOCK = 512


def best_of_overlapping(
  boxes: tf.Tensor,
  iou_threshold: float,
  groups: tf.Tensor | None = None,
) -> tf.Tensor:
  """Greedy non-maximum suppression.

  A box stays unless a better one that stays overlaps it. Boxes are looked at a
  block at a time, so that memory grows with their number and not with its
  square. Needs no operation that XLA lacks.

  Args:
    boxes: float32 `[B, N, 4]`, the best first.
    iou_threshold: boxes that overlap more exclude each other ...
    groups: int32 `[B, N]`: ... if they are of one group; None is one group.

  Returns:
    bool `[B, N]`, True where a box stays.
  """
  batch, count = tf.shape(boxes)[0], boxes.shape[1]
  if count is None:
    count = tf.shape(boxes)[1]
    size = tf.clip_by_value(count, 1, _BLOCK)
  else:
    size = min(max(count, 1), _BLOCK)
  blocks = (count + size - 1) // size
  # Filled up with boxes without area, which exclude nothing.
  rest = blocks * size - count
  boxes = tf.pad(boxes, [[0, 0], [0, rest], [0, 0]])
  if groups is None:
    groups = tf.zeros([batch, count], tf.int32)
  groups = tf.pad(groups, [[0, 0], [0, rest]])
  nothing = tf.zeros([batch, blocks, size], tf.bool)

  def with_block(number, stays):
    first = number * size
    block = tf.slice(boxes, [0, first, 0], [-1, size, 4])
    group = tf.slice(groups, [0, first], [-1, size])
    # [b, j, i]: j excludes i.
    excludes = iou(boxes, block) > iou_threshold
    excludes &= groups[:, :, None] == group[:, None, :]
    before = tf.reshape(stays, [batch, blocks * size, 1])
    remaining = ~tf.reduce_any(excludes & before, axis=1)
    within = tf.slice(excludes, [0, first, 0], [-1, size, size])
    own = (tf.range(blocks) == number)[:, None]
    settled = own & _settled(within, remaining)[:, None]
    return number + 1, tf.ensure_shape(stays | settled, nothing.shape)

  _, stays = tf.while_loop(
    lambda number, stays: number < blocks, with_block, (0, nothing)
  )
  return tf.reshape(stays, [batch, blocks * size])[:, :count]


def _settled(overlap: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
  """Which candidates stay among themselves.

  The rule has one solution, which is reached by applying it to all at once
  until nothing changes: a handful of times, against one step a box.

  Args:
    overlap: bool `[B, n, n]`, of boxes of which the best come first.
    candidates: bool `[B, n]`.

  Returns:
    bool `[B, n]`.
  """
  order = tf.range(tf.shape(overlap)[1])
  excludes = overlap & (order[:, None] < order[None, :])

  def applied(stays):
    return candidates & ~tf.reduce_any(excludes & stays[:, :, None], axis=1)

  _, stays = tf.while_loop(
    lambda before, stays: tf.reduce_any(before != stays),
    lambda before, stays: (stays, applied(stays)),
    (candidates, applied(candidates)),
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
