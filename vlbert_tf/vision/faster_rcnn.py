"""The detector: from pixels to objects, and to the RoIs of VL-BERT.

Its network up to the pooled vector of a RoI is `resnet.RoiFeatures`, the
visual network of VL-BERT, under the same name: a trained detector starts
VL-BERT's, and the appearance of its RoIs is what VL-BERT computes from pixels.
"""

from typing import NamedTuple

import tensorflow as tf
import tf_keras
from official.vision.ops import box_ops

from vlbert_tf import elements
from vlbert_tf.boxes import area
from vlbert_tf.vision import image as images
from vlbert_tf.vision.detector_architecture import DetectorArchitecture
from vlbert_tf.vision.fast_rcnn import DELTA_SCALES, RoiHead, RoiOutputs
from vlbert_tf.vision.resnet import RoiFeatures
from vlbert_tf.vision.rpn import (
  AnchorOutputs,
  ProposalNetwork,
  clip_to_images,
  propose,
)
from vlbert_tf.vision.sampling import (
  AnchorTargets,
  Objects,
  RoiTargets,
  anchor_targets,
  roi_targets,
)
from vlbert_tf.vision.suppression import (
  best_of_overlapping,
  first_of_equal,
  take_first,
)


class TrainingOutputs(NamedTuple):
  """What the losses need: outputs and targets of both stages.

  `attribute_logits`, float32 `[B, S, num_attributes + 1]`, given the true
  category of each sampled RoI, is None without a branch of attributes.
  """

  anchors: AnchorOutputs
  anchor_targets: AnchorTargets
  rois: RoiOutputs
  roi_targets: RoiTargets
  attribute_logits: tf.Tensor | None


class Detections(NamedTuple):
  """Objects of each image, the best first.

  Attributes:
    boxes: float32 `[B, N, 4]`, pixels of the image, zero in padding.
    categories: int32 `[B, N]`, from 1 on, 0 in padding.
    scores: float32 `[B, N]`, probability of the category, 0 in padding.
    valid: bool `[B, N]`, True where real.
  """

  boxes: tf.Tensor
  categories: tf.Tensor
  scores: tf.Tensor
  valid: tf.Tensor


class Rois(NamedTuple):
  """The regions of interest of VL-BERT (§3.3).

  Attributes:
    detections: R of each image.
    appearance: float32 `[B, R, A]`, of the boxes.
    image_appearance: float32 `[B, A]`, of the whole image.
    top_categories: int32 `[B, R, K]`, the likeliest of each RoI's proposal, 0
      is background ...
    top_probabilities: float32 `[B, R, K]`: ... and how likely they are; zero
      in padding.
    attributes: int32 `[B, R]`, the likeliest of each RoI from 1 on, 0 in
      padding; None without a branch of attributes.
    attribute_scores: float32 `[B, R]`, its probability; None likewise.
  """

  detections: Detections
  appearance: tf.Tensor
  image_appearance: tf.Tensor
  top_categories: tf.Tensor
  top_probabilities: tf.Tensor
  attributes: tf.Tensor | None
  attribute_scores: tf.Tensor | None


class FasterRcnn(tf_keras.Model):
  """Faster R-CNN with C4 features (Ren et al., 2015)."""

  def __init__(self, architecture: DetectorArchitecture, **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture
    self.roi_features = RoiFeatures(architecture.resnet, name='roi_features')
    self.proposal_network = ProposalNetwork(
      architecture, name='proposal_network'
    )
    self.roi_head = RoiHead(architecture, name='roi_head')

  def call(self, inputs, seed=None):
    """Outputs and targets of a training step.

    Args:
      inputs: tensors by the names of `elements`: image, its size, the true
        boxes and categories, and attributes where there is a branch of them.
      seed: int32 `[2]`, of the samples; None draws the same ones every time.

    Returns:
      `TrainingOutputs`.
    """
    config = self.architecture
    seed = tf.zeros([2], tf.int32) if seed is None else seed
    image_size = inputs[elements.IMAGE_SIZE]
    objects = Objects(
      inputs[elements.BOXES],
      inputs[elements.ROI_CATEGORIES],
      inputs[elements.ROI_MASK],
      inputs[elements.ROI_ATTRIBUTES] if config.num_attributes else None,
    )
    features = self._features(inputs[elements.IMAGE], image_size)
    anchors = self.proposal_network(features, image_size)
    proposals = propose(anchors, image_size, config)
    among = config.proposals + tf.shape(objects.boxes)[1]
    rois = roi_targets(
      proposals, objects, _uniform(seed, 1, among, image_size), config
    )
    appearance = self.roi_features.appearance(features, rois.boxes)
    attribute_logits = None
    if config.num_attributes:
      attribute_logits = self.roi_head.attributes(appearance, rois.categories)
    among = tf.shape(anchors.anchors)[0]
    return TrainingOutputs(
      anchors,
      anchor_targets(
        anchors, objects, _uniform(seed, 2, among, image_size), config
      ),
      self.roi_head(appearance),
      rois,
      attribute_logits,
    )

  def detect(self, image: tf.Tensor, image_size: tf.Tensor) -> Detections:
    """Finds objects; one place may hold several of different categories.

    Args:
      image: float32 `[B, H, W, 3]`, RGB 0-255, zero in padding.
      image_size: float32 `[B, 2]`, height and width without padding.

    Returns:
      `Detections`, the `max_rois` best of each image.
    """
    features = self._features(image, image_size)
    found, stays, *_ = self._candidates(features, image_size)
    return _first(found, stays, self.architecture.max_rois)[0]

  def detect_rois(self, image: tf.Tensor, image_size: tf.Tensor) -> Rois:
    """Finds the RoIs of VL-BERT (§3.3), one category for each proposal.

    A RoI's score must exceed `score_threshold`; the best `min_rois` stay
    whatever their score, as long as there are so many.

    Args:
      image: float32 `[B, H, W, 3]`, RGB 0-255, zero in padding.
      image_size: float32 `[B, 2]`, height and width without padding.

    Returns:
      `Rois` with R = `max_rois`.
    """
    config = self.architecture
    features = self._features(image, image_size)
    found, stays, proposal, logits = self._candidates(features, image_size)
    stays = first_of_equal(proposal, stays)
    rank = tf.cumsum(tf.cast(stays, tf.int32), axis=1, exclusive=True)
    stays &= (found.scores > config.score_threshold) | (rank < config.min_rois)
    rois, proposal = _first(found, stays, config.max_rois, proposal)
    appearance, of_image = self._appearance(features, image_size, rois.boxes)
    return Rois(
      rois,
      appearance,
      of_image,
      *_likeliest(logits, proposal, rois.valid, config.top_categories),
      *self._attributes(appearance, rois),
    )

  def describe(
    self, image: tf.Tensor, image_size: tf.Tensor, boxes: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Appearance of given boxes, as `detect_rois` tells it of its own.

    Args:
      image: float32 `[B, H, W, 3]`, RGB 0-255, zero in padding.
      image_size: float32 `[B, 2]`, height and width without padding.
      boxes: float32 `[B, R, 4]`, pixels of the image.

    Returns:
      float32 `[B, R, A]` of the boxes and `[B, A]` of the whole image.
    """
    features = self._features(image, image_size)
    return self._appearance(features, image_size, boxes)

  def _appearance(self, features, image_size, boxes):
    zeros = tf.zeros_like(image_size)
    whole = tf.concat([zeros, tf.reverse(image_size, [-1])], axis=-1)
    boxes = tf.concat([whole[:, None], boxes], axis=1)
    appearance = tf.cast(
      self.roi_features.appearance(features, boxes), tf.float32
    )
    return appearance[:, 1:], appearance[:, 0]

  def _attributes(self, appearance, rois: Detections):
    """Likeliest attribute of each RoI and its probability, or None and None."""
    if not self.architecture.num_attributes:
      return None, None
    logits = self.roi_head.attributes(appearance, rois.categories)
    # Attribute 0 says that nobody named one: it is not what an object is like.
    scores, best = tf.math.top_k(tf.nn.softmax(logits[..., 1:]), 1)
    return (
      tf.where(rois.valid, best[..., 0] + 1, 0),
      tf.where(rois.valid, scores[..., 0], 0.0),
    )

  def _features(self, image, image_size):
    pixels = images.subtract_means(image, image_size)
    return self.roi_features.feature_map(pixels, image_size)

  def _candidates(self, features, image_size):
    """Candidates, the best first; which stay; proposals; their logits."""
    config = self.architecture
    anchors = self.proposal_network(features, image_size)
    proposals = propose(anchors, image_size, config)
    outputs = self.roi_head(
      self.roi_features.appearance(features, proposals.boxes)
    )
    found, proposal = best_pairs(
      outputs, proposals.boxes, proposals.valid, config.candidates
    )
    boxes = clip_to_images(found.boxes, image_size)
    valid = found.valid & (area(boxes) > 0)
    stays = valid & best_of_overlapping(
      tf.where(valid[..., None], boxes, 0.0), config.nms_iou, found.categories
    )
    found = found._replace(boxes=boxes, valid=valid)
    return found, stays, proposal, outputs.category_logits


def best_pairs(
  outputs: RoiOutputs, boxes: tf.Tensor, valid: tf.Tensor, count: int
) -> tuple[Detections, tf.Tensor]:
  """The most probable pairs of a proposal and a category.

  Args:
    outputs: of P proposals.
    boxes: float32 `[B, P, 4]`, the proposals.
    valid: bool `[B, P]`.
    count: of the pairs.

  Returns:
    `Detections` before suppression, N = min(count, P * C); and the proposal
    of each, int32 `[B, N]`.
  """
  probabilities = tf.nn.softmax(outputs.category_logits)[..., 1:]
  probabilities = tf.where(valid[..., None], probabilities, -1.0)
  categories = tf.shape(probabilities)[2]
  flat = tf.reshape(probabilities, [tf.shape(boxes)[0], -1])
  scores, places = tf.math.top_k(flat, tf.minimum(count, tf.shape(flat)[1]))
  proposal, category = places // categories, places % categories
  deltas = tf.gather_nd(
    outputs.deltas, tf.stack([proposal, category], -1), batch_dims=1
  )
  decoded = box_ops.decode_boxes(
    deltas, tf.gather(boxes, proposal, batch_dims=1), weights=DELTA_SCALES
  )
  return Detections(decoded, category + 1, scores, scores > 0), proposal


def _first(
  found: Detections, stays: tf.Tensor, count: int, *others: tf.Tensor
) -> tuple:
  """The first `count` of those that stay, and what belongs to them."""
  values = (found.boxes, found.categories, found.scores, *others)
  taken, valid = take_first(values, stays, count)
  return Detections(*taken[:3], valid), *taken[3:]


def _likeliest(logits, proposal, valid, count: int):
  """Categories `[B, R, count]` and their probabilities, of proposals."""
  count = min(count, logits.shape[-1])
  own = tf.gather(tf.nn.softmax(logits), proposal, batch_dims=1)
  probabilities, categories = tf.math.top_k(own, count)
  return (
    tf.where(valid[..., None], categories, 0),
    tf.where(valid[..., None], probabilities, 0.0),
  )


def _uniform(
  seed: tf.Tensor, site: int, count: tf.Tensor, image_size: tf.Tensor
) -> tf.Tensor:
  """float32 `[B, count]` in 0-1, of one use within a step."""
  mixed = seed + tf.constant([0, site * 1_000_003], tf.int32)
  return tf.random.stateless_uniform([tf.shape(image_size)[0], count], mixed)
