"""VL-BERT: words and regions of interest through one encoder (§3)."""

from typing import NamedTuple

import tensorflow as tf
import tf_keras

from vlbert_tf import elements
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.dropout import site_seed
from vlbert_tf.modeling.embeddings import ElementEmbedding, VisualEmbedding
from vlbert_tf.modeling.encoder import Encoder
from vlbert_tf.vision import image as images
from vlbert_tf.vision.resnet import RoiFeatures


class FinalStates(NamedTuple):
  """What the encoder says of each element.

  Attributes:
    text: `[B, T, D]`.
    rois: `[B, R, D]`.
    appearance: `[B / G, R, A]` of the RoIs, what the encoder was given.
    attention: float32 `[B, heads, S, S]` of the last layer, or None.
  """

  text: tf.Tensor
  rois: tf.Tensor
  appearance: tf.Tensor
  attention: tf.Tensor | None


class VlBert(tf_keras.layers.Layer):
  """Visual features from pixels, the sum of four embeddings, the encoder."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture
    self.roi_features = RoiFeatures(architecture.resnet, name='roi_features')
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
      inputs: tensors by the names of `elements`: words, image, boxes and
        masks; `elements.ROI_MASKED` may be absent when nothing is masked, and
        `elements.WORD_ROI_INDEX` when no word points at a RoI. For
        B texts there may be B / G images, each with G texts side by side.
      seed: int32 `[2]` for dropout, or None outside training.
      return_attention: whether attention weights are returned.

    Returns:
      `FinalStates`.
    """
    roi_mask = inputs[elements.ROI_MASK]
    masked = inputs.get(elements.ROI_MASKED, tf.zeros_like(roi_mask))
    visual, appearance = self._visual_embedding(inputs, masked)
    # Several texts may ask about one image: its features are computed once.
    texts = tf.shape(inputs[elements.WORD_IDS])[0]
    texts_per_image = texts // tf.shape(visual)[0]
    visual = tf.repeat(visual, texts_per_image, axis=0)
    roi_mask = tf.repeat(roi_mask, texts_per_image, axis=0)
    sequence, mask = self.element_embedding(
      inputs[elements.WORD_IDS],
      inputs[elements.WORD_MASK],
      inputs[elements.SEGMENT_IDS],
      visual,
      roi_mask,
      site_seed(seed, 1),
      inputs.get(elements.WORD_ROI_INDEX),
    )
    states, attention = self.encoder(
      sequence, mask, site_seed(seed, 2), return_attention
    )
    text_length = tf.shape(inputs[elements.WORD_IDS])[1]
    return FinalStates(
      text=states[:, :text_length],
      rois=states[:, text_length:-1],
      appearance=appearance[:, 1:],
      attention=attention,
    )

  def _visual_embedding(self, inputs, masked: tf.Tensor):
    """`[B, R + 1, D]` and appearance: of the whole image, then of the RoIs."""
    size, boxes = inputs[elements.IMAGE_SIZE], inputs[elements.BOXES]
    pixels = images.subtract_means(inputs[elements.IMAGE], size)
    # Before the network sees them, so that neither an overlapping RoI nor
    # the whole-image feature can leak what is masked (VL-BERT §3.3).
    pixels = images.zero_regions(pixels, boxes, masked)
    zeros = tf.zeros_like(size)
    whole_image = tf.concat([zeros, tf.reverse(size, [-1])], axis=-1)
    boxes = tf.concat([whole_image[:, None], boxes], axis=1)
    hidden = tf.pad(masked, [[0, 0], [1, 0]])
    appearance = self.roi_features(pixels, size, boxes)
    embedded = self.visual_embedding(appearance, boxes, size, hidden)
    return embedded, appearance
