"""VL-BERT: words and regions of interest through one encoder (§3)."""

from typing import NamedTuple

import tensorflow as tf
import tf_keras

from vlbert_tf import elements
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.dropout import site_seed
from vlbert_tf.modeling.embeddings import (
  ElementEmbedding,
  VisualEmbedding,
  VisualParts,
)
from vlbert_tf.modeling.encoder import Encoder
from vlbert_tf.vision import image as images
from vlbert_tf.vision.resnet import RoiFeatures


class FinalStates(NamedTuple):
  """What the encoder says of each element.

  Attributes:
    text: `[B, T, D]`.
    rois: `[B, R, D]`.
    whole_image: `[B, D]` where the whole image is one more RoI, or None.
    visual: `[B / G, R, D]`, visual feature embeddings of the RoIs.
    attention: float32 `[B, heads, S, S]` of each layer, or None.
  """

  text: tf.Tensor
  rois: tf.Tensor
  whole_image: tf.Tensor | None
  visual: tf.Tensor
  attention: tuple[tf.Tensor, ...] | None


class VlBert(tf_keras.layers.Layer):
  """Visual features, the sum of four embeddings, the encoder."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture
    self.arithmetic = architecture.arithmetic
    if architecture.resnet is not None:
      self.roi_features = RoiFeatures(
        architecture.resnet,
        # Padding that counts as pixels ends where the map does.
        border_cell=not self.arithmetic.network_sees_padding,
        name='roi_features',
      )
    self.visual_embedding = VisualEmbedding(
      architecture, name='visual_embedding'
    )
    self.element_embedding = ElementEmbedding(
      architecture, name='element_embedding'
    )
    self.encoder = Encoder(architecture, name='encoder')

  def call(self, inputs, seed=None, return_attention=False):
    """Represents every element.

    Args:
      inputs: tensors by the names of `elements`: words, image or appearance,
        boxes and masks; ROI_MASKED may be absent when nothing is masked, and
        WORD_ROI_INDEX when no word points at a RoI. For
        B texts there may be B / G images, each with G texts side by side.
      seed: int32 `[2]` for dropout, or None outside training.
      return_attention: whether attention weights are returned.

    Returns:
      `FinalStates`.
    """
    inputs = dict(inputs)
    roi_mask = inputs[elements.ROI_MASK]
    inputs.setdefault(elements.ROI_MASKED, tf.zeros_like(roi_mask))
    boxes = tf.concat(
      [self.whole_image(inputs)[:, None], inputs[elements.BOXES]], axis=1
    )
    if self.architecture.resnet is None:
      appearance = self._given_appearance(inputs)
    else:
      size = inputs[elements.IMAGE_SIZE]
      pixels = images.subtract_means(inputs[elements.IMAGE], size)
      # Before the network sees them, so that neither an overlapping RoI nor
      # the whole-image feature can leak what is masked (VL-BERT §3.3).
      if self.arithmetic.zeroed_pixels:
        pixels = images.zero_regions(
          pixels, inputs[elements.BOXES], inputs[elements.ROI_MASKED]
        )
      appearance = self.appearance(pixels, boxes, inputs)
    return self.encode(inputs, appearance, boxes, seed, return_attention)

  def appearance(self, pixels, boxes, inputs):
    """Runs the visual network.

    Args:
      pixels: float32 `[B, H, W, 3]`, means subtracted.
      boxes: float32 `[B, N, 4]`, the whole image first, then the RoIs.
      inputs: tensors by the names of `elements`: IMAGE_SIZE and, where RoIs
        have outlines, ROI_CELL_MASKS.

    Returns:
      `[B, N, A]`.
    """
    size = inputs[elements.IMAGE_SIZE]
    if self.arithmetic.network_sees_padding:
      canvas = tf.cast(tf.shape(pixels)[1:3], size.dtype)
      size = tf.broadcast_to(canvas, tf.shape(size))
    cell_masks = inputs.get(elements.ROI_CELL_MASKS)
    if cell_masks is not None:
      cell_masks = tf.pad(
        cell_masks, [[0, 0], [1, 0], [0, 0], [0, 0]], constant_values=1
      )
    return self.roi_features(pixels, size, boxes, cell_masks)

  def encode(
    self, inputs, appearance, boxes, seed=None, return_attention=False
  ):
    """As a call, on appearance that is there already.

    Args:
      inputs: see `call`; neither pixels nor BOXES are read.
      appearance: `[B / G, R + 1, A]`, the whole image first, then the RoIs.
      boxes: float32 `[B / G, R + 1, 4]`, likewise.
      seed: see `call`.
      return_attention: see `call`.

    Returns:
      `FinalStates`.
    """
    hidden = inputs[elements.ROI_MASKED]
    visual = self.visual_embedding(
      appearance,
      boxes,
      inputs[elements.IMAGE_SIZE],
      tf.pad(hidden, [[0, 0], [1, 0]]),
      site_seed(seed, 0),
    )
    # Several texts may ask about one image: its features are computed once.
    texts = tf.shape(inputs[elements.WORD_IDS])[0]
    texts_per_image = texts // tf.shape(hidden)[0]
    sequence, mask = self.element_embedding(
      inputs,
      VisualParts(*(tf.repeat(p, texts_per_image, axis=0) for p in visual)),
      tf.repeat(inputs[elements.ROI_MASK], texts_per_image, axis=0),
      tf.repeat(hidden, texts_per_image, axis=0),
      site_seed(seed, 1),
    )
    states, attention = self.encoder(
      sequence, mask, site_seed(seed, 2), return_attention
    )
    return self._final_states(inputs, states, visual, attention)

  def _final_states(self, inputs, states, visual, attention):
    first_roi = tf.shape(inputs[elements.WORD_IDS])[1]
    past_rois = first_roi + tf.shape(inputs[elements.ROI_MASK])[1]
    whole_image = None
    if self.arithmetic.image_is_roi:
      whole_image = states[:, past_rois]
      if attention is not None:
        # S counts no whole image.
        attention = tuple(_without(w, past_rois) for w in attention)
    return FinalStates(
      text=states[:, :first_roi],
      rois=states[:, first_roi:past_rois],
      whole_image=whole_image,
      visual=visual.rois[:, 1:],
      attention=attention,
    )

  def whole_image(self, inputs) -> tf.Tensor:
    """The box of the whole image, float32 `[B, 4]`, from IMAGE_SIZE."""
    size = inputs[elements.IMAGE_SIZE]
    corner = tf.reverse(size, [-1])
    if self.arithmetic.last_pixel_corner:
      corner = corner - 1.0
    return tf.concat([tf.zeros_like(size), corner], axis=-1)

  def _given_appearance(self, inputs) -> tf.Tensor:
    """`[B, R + 1, A]`: of the whole image, then of the RoIs."""
    rois = inputs[elements.APPEARANCE]
    hidden = inputs[elements.ROI_MASKED]
    # A hidden RoI must not be read from what the whole image looks like.
    visible = tf.cast(inputs[elements.ROI_MASK] & ~hidden, rois.dtype)
    count = tf.reduce_sum(visible, axis=1, keepdims=True)
    mean = tf.einsum('br,bra->ba', visible, rois) / tf.maximum(count, 1.0)
    whole_image = mean
    if self.arithmetic.image_appearance == 'given':
      any_hidden = tf.reduce_any(hidden, axis=1, keepdims=True)
      whole_image = tf.where(
        any_hidden, mean, inputs[elements.IMAGE_APPEARANCE]
      )
    return tf.concat([whole_image[:, None], rois], axis=1)


def _without(weights: tf.Tensor, past_rois: tf.Tensor) -> tf.Tensor:
  """Attention without the whole image, which stands before [END]."""
  weights = tf.concat([weights[..., :past_rois, :], weights[..., -1:, :]], -2)
  return tf.concat([weights[..., :past_rois], weights[..., -1:]], -1)
