"""The region proposal network (Ren et al., Faster R-CNN §3.1)."""

from typing import NamedTuple

import tensorflow as tf
import tf_keras
from official.vision.ops import box_ops

from vlbert_tf.boxes import area, clip
from vlbert_tf.vision.anchors import anchor_boxes, valid_anchors
from vlbert_tf.vision.detector_architecture import DetectorArchitecture
from vlbert_tf.vision.suppression import best_of_overlapping, take_first


class AnchorOutputs(NamedTuple):
  """What the network says of each of N anchors.

  Attributes:
    logits: float32 `[B, N]`, whether there is an object.
    deltas: float32 `[B, N, 4]`, (x, y, width, height) of it, relative to the
      anchor.
    anchors: float32 `[N, 4]`, pixels of the image.
    valid: bool `[B, N]`, False for anchors in padding.
  """

  logits: tf.Tensor
  deltas: tf.Tensor
  anchors: tf.Tensor
  valid: tf.Tensor


class Proposals(NamedTuple):
  """Boxes that may hold an object, the best first.

  Attributes:
    boxes: float32 `[B, P, 4]`, pixels of the image, zero in padding.
    valid: bool `[B, P]`, True where real.
  """

  boxes: tf.Tensor
  valid: tf.Tensor


class ProposalNetwork(tf_keras.layers.Layer):
  """A 3x3 convolution, then objectness and box of each anchor."""

  def __init__(self, architecture: DetectorArchitecture, **kwargs):
    super().__init__(autocast=False, dtype='float32', **kwargs)
    self.architecture = architecture
    count = architecture.anchors_per_cell

    def conv(name, filters, size, deviation, activation=None):
      return tf_keras.layers.Conv2D(
        filters,
        size,
        padding='same',
        activation=activation,
        kernel_initializer=tf_keras.initializers.RandomNormal(stddev=deviation),
        dtype='float32',
        name=name,
      )

    self.shared = conv('shared', architecture.rpn_width, 3, 0.01, 'relu')
    self.objectness = conv('objectness', count, 1, 0.01)
    self.deltas = conv('deltas', 4 * count, 1, 0.01)

  def call(self, features, image_size):
    """Looks at each cell.

    Args:
      features: `[B, h, w, channels]`, the C4 map.
      image_size: float32 `[B, 2]`, height and width without padding.

    Returns:
      `AnchorOutputs` with N = h * w * anchors per cell.
    """
    config = self.architecture
    stride = config.resnet.feature_stride
    batch, height, width = tf.unstack(tf.shape(features)[:3])
    anchors = anchor_boxes(
      height,
      width,
      stride=stride,
      sizes=config.anchor_sizes,
      ratios=config.anchor_ratios,
      shift=config.anchor_shift,
    )
    cells = tf.cast(tf.math.ceil(image_size / stride), tf.int32)
    rows = tf.sequence_mask(cells[:, 0], height, tf.float32)
    columns = tf.sequence_mask(cells[:, 1], width, tf.float32)
    inside = rows[:, :, None, None] * columns[:, None, :, None]
    # Zero beyond the image, as it is beyond the map: what an image gives does
    # not depend on how far it is padded.
    hidden = self.shared(tf.cast(features, tf.float32) * inside)
    return AnchorOutputs(
      logits=tf.reshape(self.objectness(hidden), [batch, -1]),
      deltas=tf.reshape(self.deltas(hidden), [batch, -1, 4]),
      anchors=anchors,
      valid=valid_anchors(anchors, image_size),
    )


def propose(
  outputs: AnchorOutputs,
  image_size: tf.Tensor,
  architecture: DetectorArchitecture,
) -> Proposals:
  """The best boxes, without near copies.

  Args:
    outputs: of `ProposalNetwork`.
    image_size: float32 `[B, 2]`, height and width without padding.
    architecture: says how many.

  Returns:
    `Proposals`; no gradient flows through them.
  """
  scores = tf.where(outputs.valid, outputs.logits, outputs.logits.dtype.min)
  count = tf.minimum(architecture.proposals_before_nms, tf.shape(scores)[1])
  _, best = tf.math.top_k(tf.stop_gradient(scores), count)
  # These functions speak of (y, x) where boxes are (x, y): they treat both
  # axes alike.
  boxes = box_ops.decode_boxes(
    tf.gather(tf.stop_gradient(outputs.deltas), best, batch_dims=1),
    tf.gather(outputs.anchors, best),
  )
  boxes = clip_to_images(boxes, image_size)
  valid = tf.gather(outputs.valid, best, batch_dims=1) & (area(boxes) > 0)
  stays = valid & best_of_overlapping(
    tf.where(valid[..., None], boxes, 0.0), architecture.proposal_nms_iou
  )
  (boxes,), valid = take_first((boxes,), stays, architecture.proposals)
  return Proposals(boxes, valid)


def clip_to_images(boxes: tf.Tensor, image_size: tf.Tensor) -> tf.Tensor:
  """Cuts boxes to the images of a batch.

  Args:
    boxes: float32 `[B, ..., 4]`.
    image_size: float32 `[B, 2]`, height and width.

  Returns:
    float32 `[B, ..., 4]`.
  """
  ones = [1] * (len(boxes.shape) - 2)
  height = tf.reshape(image_size[:, 0], [-1, *ones])
  width = tf.reshape(image_size[:, 1], [-1, *ones])
  return clip(boxes, height, width)
