"""The losses of Faster R-CNN, before they are normalised."""

from typing import NamedTuple

import tensorflow as tf

from vlbert_tf.vision.fast_rcnn import RoiOutputs
from vlbert_tf.vision.rpn import AnchorOutputs
from vlbert_tf.vision.sampling import AnchorTargets, RoiTargets

# Where the box losses of the two stages turn from square to linear.
_ANCHOR_BETA = 1.0 / 9.0
_ROI_BETA = 1.0


class LossValues(NamedTuple):
  """A loss of each of N boxes, and which of them count.

  Attributes:
    values: float32 `[B, N]`.
    counted: bool `[B, N]`.
  """

  values: tf.Tensor
  counted: tf.Tensor


def anchor_losses(
  outputs: AnchorOutputs, targets: AnchorTargets
) -> tuple[LossValues, LossValues]:
  """Objectness and box of the proposal network (Faster R-CNN, eq. 1).

  Args:
    outputs: of N anchors.
    targets: of the same.

  Returns:
    Both losses. The box loss is 0 off objects and counts there as well: both
    are divided by the number of sampled anchors.
  """
  objectness = tf.nn.sigmoid_cross_entropy_with_logits(
    labels=tf.cast(targets.positive, tf.float32), logits=outputs.logits
  )
  box = smooth_l1(outputs.deltas - targets.deltas, _ANCHOR_BETA)
  return (
    LossValues(objectness, targets.sampled),
    LossValues(tf.where(targets.positive, box, 0.0), targets.sampled),
  )


def roi_losses(
  outputs: RoiOutputs, targets: RoiTargets
) -> tuple[LossValues, LossValues]:
  """Category and box of sampled RoIs (Girshick, Fast R-CNN, eq. 1).

  Args:
    outputs: of S RoIs.
    targets: of the same.

  Returns:
    Both losses. The box loss is that of the true category's box, and is 0 on
    background.
  """
  category = tf.nn.sparse_softmax_cross_entropy_with_logits(
    labels=targets.categories, logits=outputs.category_logits
  )
  positive = targets.categories > 0
  deltas = tf.gather(
    outputs.deltas, tf.maximum(targets.categories - 1, 0), batch_dims=2
  )
  box = smooth_l1(deltas - targets.deltas, _ROI_BETA)
  return (
    LossValues(category, targets.sampled),
    LossValues(tf.where(positive, box, 0.0), targets.sampled),
  )


def attribute_losses(logits: tf.Tensor, targets: RoiTargets) -> LossValues:
  """Attributes of sampled RoIs whose object has any (Anderson et al., §3.1).

  Args:
    logits: float32 `[B, S, num_attributes + 1]`.
    targets: of S RoIs, with attributes.

  Returns:
    Cross-entropy with the attributes of an object, each as likely.
  """
  named = targets.attributes > 0
  labels = tf.one_hot(targets.attributes, logits.shape[-1])
  labels *= tf.cast(named, tf.float32)[..., None]
  count = tf.reduce_sum(tf.cast(named, tf.float32), axis=-1, keepdims=True)
  labels = tf.reduce_sum(labels, axis=2) / tf.maximum(count, 1.0)
  values = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
  return LossValues(values, targets.sampled & (count[..., 0] > 0))


def smooth_l1(difference: tf.Tensor, beta: float) -> tf.Tensor:
  """Square near 0 and linear beyond `beta`, summed over the last dimension.

  Args:
    difference: float32 `[..., 4]`.
    beta: where it turns.

  Returns:
    float32 `[...]`.
  """
  size = tf.abs(difference)
  loss = tf.where(size < beta, 0.5 * size * size / beta, size - 0.5 * beta)
  return tf.reduce_sum(loss, axis=-1)
