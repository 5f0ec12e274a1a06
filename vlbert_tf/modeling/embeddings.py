"""The input of the encoder: the sum of four embeddings (VL-BERT §3.2)."""

from typing import NamedTuple

import tensorflow as tf
import tf_keras

from vlbert_tf import elements
from vlbert_tf.modeling import geometry
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.conventions import layer_norm, new_initializer
from vlbert_tf.modeling.dropout import dropout, site_seed


class VisualParts(NamedTuple):
  """Visual feature embeddings, the whole image first, then the RoIs.

  Attributes:
    words: `[B, R + 1, D]`, as words take them.
    rois: `[B, R + 1, D]`, as RoIs take them.
  """

  words: tf.Tensor
  rois: tf.Tensor


class VisualEmbedding(tf_keras.layers.Layer):
  """Visual feature embedding of boxes, from appearance and geometry.

  Layers of this module run without autocasting: under mixed precision it
  would round box coordinates to half precision.
  """

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture
    self.arithmetic = architecture.arithmetic

  def build(self, input_shape):
    arch, arithmetic = self.architecture, self.arithmetic
    self.projection = tf_keras.layers.Dense(
      arch.hidden_size,
      activation='relu' if arithmetic.projection_relu else None,
      kernel_initializer=new_initializer(arch.initial_deviation),
      name='projection',
    )
    if arithmetic.appearance_norm:
      self.appearance_norm = layer_norm('appearance_norm')
    if arithmetic.visual_norm == 'scaled':
      self.norm = layer_norm('norm')
    else:
      self.word_norm = layer_norm('word_norm', scale=0.0)
      self.roi_norm = layer_norm('roi_norm', scale=0.0)
    if arithmetic.hidden_roi == 'visual':
      self.hidden_roi = self.add_weight(
        name='hidden_roi',
        shape=[arch.hidden_size],
        initializer=new_initializer(arch.embedding_deviation),
      )
    elif arch.resnet is None:
      self.hidden_appearance = self.add_weight(
        name='hidden_appearance',
        shape=[arch.appearance_size],
        initializer='zeros',
      )
    super().build(input_shape)

  def call(self, appearance, boxes, image_size, hidden, seed=None):
    """Embeds boxes.

    Args:
      appearance: `[B, N, A]`.
      boxes: float32 `[B, N, 4]`, pixels.
      image_size: float32 `[B, 2]`, height and width in pixels.
      hidden: bool `[B, N]`, True for masked RoIs (VL-BERT §3.3).
      seed: int32 `[2]`, or None outside training.

    Returns:
      `VisualParts` of `[B, N, D]` in the compute dtype.
    """
    if hasattr(self, 'hidden_appearance'):
      appearance = tf.where(
        hidden[..., None],
        tf.cast(self.hidden_appearance, appearance.dtype),
        appearance,
      )
    embedded = self._project(appearance, boxes, image_size, seed)
    if self.arithmetic.visual_norm == 'fading':
      return VisualParts(
        words=tf.cast(self.word_norm(embedded), self.compute_dtype),
        rois=self._hide(self.roi_norm(embedded), hidden),
      )
    # Of the size of the embeddings that it is summed with. The factor is no
    # start value of gamma: the optimizer's first steps, all of one size, would
    # take a small gamma to zero, and with it the image.
    embedded = self.norm(embedded) * self.architecture.embedding_deviation
    embedded = self._hide(embedded, hidden)
    return VisualParts(words=embedded, rois=embedded)

  def _project(self, appearance, boxes, image_size, seed):
    """What geometry and appearance give together, `[B, N, D]`."""
    embed = (
      geometry.embed_corners
      if self.arithmetic.box_coding == 'corners'
      else geometry.embed_centers
    )
    waves = embed(boxes, image_size, self.architecture.geometry_size)
    if not self.arithmetic.geometry:
      waves = tf.zeros_like(waves)
    if self.arithmetic.appearance_norm:
      # Brought to the size of sines and cosines, whatever the network that it
      # comes from.
      appearance = self.appearance_norm(appearance)
    parts = [tf.cast(part, self.compute_dtype) for part in (waves, appearance)]
    parts = tf.concat(parts, axis=-1)
    rate = self.arithmetic.projection_dropout
    return self.projection(dropout(parts, rate, seed))

  def _hide(self, embedded, hidden):
    """Puts the learned embedding in the place of hidden RoIs."""
    embedded = tf.cast(embedded, self.compute_dtype)
    if self.arithmetic.hidden_roi != 'visual':
      return embedded
    hidden_roi = tf.cast(self.hidden_roi, embedded.dtype)
    return tf.where(hidden[..., None], hidden_roi, embedded)


class ElementEmbedding(tf_keras.layers.Layer):
  """Token + visual feature + segment + sequence position, normalised."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture
    self.arithmetic = architecture.arithmetic

  def build(self, input_shape):
    arch = self.architecture

    def table(name, rows):
      return self.add_weight(
        name=name,
        shape=[rows, arch.hidden_size],
        initializer=new_initializer(arch.embedding_deviation),
      )

    self.words = table('words', arch.vocab_size)
    # [IMG] and [END] are no words of BERT's vocabulary.
    self.image_token = table('image_token', 1)
    if self.arithmetic.hidden_roi == 'token':
      self.hidden_image_token = table('hidden_image_token', 1)
    self.end_token = table('end_token', 1)
    self.segments = table('segments', 3)
    self.positions = table('positions', arch.max_positions)
    self.norm = layer_norm('norm')
    super().build(input_shape)

  def call(self, inputs, visual, roi_mask, hidden, seed=None):
    """Lays out one sequence, `text | RoIs | [END]`.

    Args:
      inputs: tensors of the text by the names of `elements`: WORD_IDS,
        WORD_MASK, SEGMENT_IDS and, where words name RoIs, WORD_ROI_INDEX.
      visual: `VisualParts`, the whole image first, then the RoIs.
      roi_mask: bool `[B, R]`, True where real.
      hidden: bool `[B, R]`, True for masked RoIs.
      seed: int32 `[2]`, or None outside training.

    Returns:
      `[B, S, D]` in the dtype of `visual`, and bool `[B, S]`, True where real.
      Where the whole image is one more RoI, it stands after the others.
    """
    dtype = visual.rois.dtype
    word_mask = inputs[elements.WORD_MASK]
    text_length = tf.reduce_sum(tf.cast(word_mask, tf.int32), axis=1)
    if not self.arithmetic.words_see_image:
      of_image = tf.zeros_like(visual.words[:, :1])
      rest = visual.words[:, 1:]
      visual = visual._replace(words=tf.concat([of_image, rest], axis=1))
    rois = visual.rois[:, 1:]
    if self.arithmetic.image_is_roi:
      rois = tf.concat([rois, visual.rois[:, :1]], axis=1)
      roi_mask = tf.pad(roi_mask, [[0, 0], [0, 1]], constant_values=True)
      hidden = tf.pad(hidden, [[0, 0], [0, 1]])
    segment_c = _rows(self.segments, [elements.SEGMENT_C], dtype)[None]
    roi_places, end_place = self._places(text_length, roi_mask)
    roi_positions = _rows(self.positions, roi_places, dtype)
    rois = rois + self._image_token(hidden, dtype) + segment_c + roi_positions
    end = _rows(self.end_token, [0], dtype)[None] + segment_c
    end = end + _rows(self.positions, end_place, dtype)[:, None]
    if self.arithmetic.end_sees_image:
      end = end + visual.words[:, :1]
    sequence = tf.concat([self._text(inputs, visual, dtype), rois, end], axis=1)
    end_mask = tf.ones_like(word_mask[:, :1])
    mask = tf.concat([word_mask, roi_mask, end_mask], axis=1)
    sequence = tf.cast(self.norm(sequence), dtype)
    rate = self.architecture.dropout_rate
    return dropout(sequence, rate, site_seed(seed, 0)), mask

  def _places(self, text_length, roi_mask) -> tuple[tf.Tensor, tf.Tensor]:
    """Sequence positions of the RoIs, `[B, 1]` or `[B, R]`, and of [END]."""
    if self.arithmetic.shared_roi_position:
      # One position for all RoIs: they are a set.
      return text_length[:, None], text_length + 1
    order = tf.cumsum(tf.cast(roi_mask, tf.int32), axis=1, exclusive=True)
    count = tf.reduce_sum(tf.cast(roi_mask, tf.int32), axis=1)
    return text_length[:, None] + order, text_length + count

  def _text(self, inputs, visual: VisualParts, dtype) -> tf.Tensor:
    """Sums of the words, `[B, T, D]`."""
    word_ids = inputs[elements.WORD_IDS]
    of_word = visual.words[:, :1]
    if elements.WORD_ROI_INDEX in inputs:
      of_word = tf.gather(
        visual.words, inputs[elements.WORD_ROI_INDEX], batch_dims=1
      )
    places = tf.range(tf.shape(word_ids)[1])
    return (
      _rows(self.words, word_ids, dtype)
      + of_word
      + _rows(self.segments, inputs[elements.SEGMENT_IDS], dtype)
      + _rows(self.positions, places, dtype)[None]
    )

  def _image_token(self, hidden: tf.Tensor, dtype) -> tf.Tensor:
    """[IMG] of each RoI, or of all."""
    token = _rows(self.image_token, [0], dtype)[None]
    if self.arithmetic.hidden_roi != 'token':
      return token
    hidden_token = _rows(self.hidden_image_token, [0], dtype)[None]
    return tf.where(hidden[..., None], hidden_token, token)


def _rows(variable: tf.Variable, index, dtype) -> tf.Tensor:
  return tf.cast(tf.gather(variable, index), dtype)
