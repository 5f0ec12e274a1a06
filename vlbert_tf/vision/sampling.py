"""Which anchors and proposals a loss is computed on, and what they should say.

Samples are drawn by uniform random numbers that the caller hands in, so that
a step is a function of its seed.
"""

from typing import NamedTuple

import tensorflow as tf
from official.vision.ops import box_ops

from vlbert_tf.boxes import iou
from vlbert_tf.vision.detector_architecture import DetectorArchitecture
from vlbert_tf.vision.fast_rcnn import DELTA_SCALES
from vlbert_tf.vision.rpn import AnchorOutputs, Proposals
from vlbert_tf.vision.suppression import take_first


class Objects(NamedTuple):
  """What people saw on each image.

  Attributes:
    boxes: float32 `[B, R, 4]`, pixels of the image, zero in padding.
    categories: int32 `[B, R]`, from 1 on.
    valid: bool `[B, R]`, True where real.
    attributes: int32 `[B, R, M]`, from 1 on, 0 in padding; None where nobody
      named any.
  """

  boxes: tf.Tensor
  categories: tf.Tensor
  valid: tf.Tensor
  attributes: tf.Tensor | None = None


class AnchorTargets(NamedTuple):
  """Labels of the proposal network.

  Attributes:
    positive: bool `[B, N]`, sampled anchors on an object.
    sampled: bool `[B, N]`, those and the sampled background.
    deltas: float32 `[B, N, 4]`, from the anchor to its object.
  """

  positive: tf.Tensor
  sampled: tf.Tensor
  deltas: tf.Tensor


class RoiTargets(NamedTuple):
  """Sampled RoIs and their labels.

  Attributes:
    boxes: float32 `[B, S, 4]`, pixels of the image.
    categories: int32 `[B, S]`, 0 is background.
    deltas: float32 `[B, S, 4]`, from the RoI to its object, scaled.
    sampled: bool `[B, S]`, False where a RoI only fills up.
    attributes: int32 `[B, S, M]`, 0 in padding and on background; None as in
      `Objects`.
  """

  boxes: tf.Tensor
  categories: tf.Tensor
  deltas: tf.Tensor
  sampled: tf.Tensor
  attributes: tf.Tensor | None = None


def anchor_targets(
  outputs: AnchorOutputs,
  objects: Objects,
  uniform: tf.Tensor,
  architecture: DetectorArchitecture,
) -> AnchorTargets:
  """Assigns anchors to objects and draws a sample (Faster R-CNN §3.1.2).

  An anchor is an object's if it overlaps it enough, or more than any other
  anchor does; background if it overlaps none.

  Args:
    outputs: of the proposal network; its anchors are used.
    objects: of each image.
    uniform: float32 `[B, N]` in 0-1.
    architecture: thresholds and counts.

  Returns:
    `AnchorTargets`.
  """
  overlap = _overlap(outputs.anchors[None], objects)
  overlap = tf.where(outputs.valid[..., None], overlap, -1.0)
  highest = tf.reduce_max(overlap, axis=2)
  best_of_object = tf.reduce_max(overlap, axis=1, keepdims=True)
  is_best = (overlap == best_of_object) & (overlap > 0)
  positive = highest >= architecture.anchor_positive_iou
  positive |= tf.reduce_any(is_best, axis=2)
  positive &= outputs.valid
  negative = highest < architecture.anchor_negative_iou
  negative &= outputs.valid & ~positive
  chosen = drawn(
    positive,
    negative,
    uniform,
    architecture.sampled_anchors,
    architecture.anchor_positive_fraction,
  )
  own = tf.gather(objects.boxes, tf.argmax(overlap, axis=2), batch_dims=1)
  deltas = box_ops.encode_boxes(own, outputs.anchors[None])
  on_object = chosen & positive
  return AnchorTargets(
    on_object, chosen, tf.where(on_object[..., None], deltas, 0.0)
  )


def roi_targets(
  proposals: Proposals,
  objects: Objects,
  uniform: tf.Tensor,
  architecture: DetectorArchitecture,
) -> RoiTargets:
  """Draws RoIs among the proposals and the objects themselves.

  Args:
    proposals: P of each image.
    objects: R of each image.
    uniform: float32 `[B, P + R]` in 0-1.
    architecture: threshold and counts.

  Returns:
    `RoiTargets`.
  """
  boxes = tf.concat([proposals.boxes, objects.boxes], axis=1)
  valid = tf.concat([proposals.valid, objects.valid], axis=1)
  overlap = _overlap(boxes, objects)
  highest = tf.reduce_max(overlap, axis=2)
  positive = valid & (highest >= architecture.roi_positive_iou)
  chosen = drawn(
    positive,
    valid & ~positive,
    uniform,
    architecture.sampled_rois,
    architecture.roi_positive_fraction,
  )
  nearest = tf.argmax(overlap, axis=2)
  own = tf.gather(objects.boxes, nearest, batch_dims=1)
  categories = tf.gather(objects.categories, nearest, batch_dims=1)
  deltas = box_ops.encode_boxes(own, boxes, weights=DELTA_SCALES)
  values = [
    boxes,
    tf.where(positive, categories, 0),
    tf.where(positive[..., None], deltas, 0.0),
  ]
  if objects.attributes is not None:
    attributes = tf.gather(objects.attributes, nearest, batch_dims=1)
    values.append(tf.where(positive[..., None], attributes, 0))
  taken, sampled = take_first(tuple(values), chosen, architecture.sampled_rois)
  return RoiTargets(*taken[:3], sampled, *taken[3:])


def drawn(
  positive: tf.Tensor,
  negative: tf.Tensor,
  uniform: tf.Tensor,
  count: int,
  positive_fraction: float,
) -> tf.Tensor:
  """Draws members of both kinds, and fills up with negative ones.

  Args:
    positive: bool `[B, N]`.
    negative: bool `[B, N]`, nowhere where `positive`.
    uniform: float32 `[B, N]` in 0-1, the draw.
    count: members of both kinds, at most.
    positive_fraction: of `count`, the most that are positive.

  Returns:
    bool `[B, N]`.
  """
  most = int(count * positive_fraction)
  of_positive = positive & (_rank(positive, uniform) < most)
  taken = tf.reduce_sum(tf.cast(of_positive, tf.int32), axis=1, keepdims=True)
  of_negative = negative & (_rank(negative, uniform) < count - taken)
  return of_positive | of_negative


def _rank(members: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
  """Place of each member in the order of `uniform`, from 0 on."""
  order = tf.argsort(tf.where(members, uniform, 2.0), axis=1, stable=True)
  return tf.argsort(order, axis=1, stable=True)


def _overlap(boxes: tf.Tensor, objects: Objects) -> tf.Tensor:
  """IoU `[B, N, R]` of boxes with objects, -1 where there is no object."""
  overlap = iou(boxes, objects.boxes)
  return tf.where(objects.valid[:, None], overlap, -1.0)
