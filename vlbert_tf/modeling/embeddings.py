"""The input of the encoder: the sum of four embeddings (VL-BERT §3.2)."""

import tensorflow as tf
import tf_keras

from vlbert_tf import elements
from vlbert_tf.modeling import geometry
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.conventions import layer_norm, new_initializer
from vlbert_tf.modeling.dropout import dropout, site_seed


class VisualEmbedding(tf_keras.layers.Layer):
  """Visual feature embedding of boxes, from appearance and geometry.

  Layers of this module run without autocasting: under mixed precision it
  would round box coordinates to half precision.
  """

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture

  def build(self, input_shape):
    arch = self.architecture
    self.projection = tf_keras.layers.Dense(
      arch.hidden_size,
      kernel_initializer=new_initializer(arch.initial_deviation),
      name='projection',
    )
    self.appearance_norm = layer_norm('appearance_norm')
    self.norm = layer_norm('norm')
    self.hidden_roi = self.add_weight(
      name='hidden_roi',
      shape=[arch.hidden_size],
      initializer=new_initializer(arch.embedding_deviation),
    )
    super().build(input_shape)

  def call(self, appearance, boxes, image_size, hidden):
    """Embeds boxes.

    Args:
      appearance: `[B, N, A]`.
      boxes: float32 `[B, N, 4]`, pixels.
      image_size: float32 `[B, 2]`, height and width in pixels.
      hidden: bool `[B, N]`, True for RoIs whose embedding is the learned one
        of a masked RoI (VL-BERT §3.3).

    Returns:
      `[B, N, D]` in the compute dtype.
    """
    waves = geometry.embed_corners(
      boxes, image_size, self.architecture.geometry_size
    )
    # Brought to the size of sines and cosines, whatever the network that it
    # comes from.
    parts = [waves, self.appearance_norm(appearance)]
    parts = [tf.cast(part, self.compute_dtype) for part in parts]
    embedded = self.norm(self.projection(tf.concat(parts, axis=-1)))
    # Of the size of the embeddings that it is summed with. The factor is no
    # start value of gamma: the optimizer's first steps, all of one size, would
    # take a small gamma to zero, and with it the image.
    embedded = embedded * self.architecture.embedding_deviation
    embedded = tf.cast(embedded, self.compute_dtype)
    hidden_roi = tf.cast(self.hidden_roi, embedded.dtype)
    return tf.where(hidden[..., None], hidden_roi, embedded)


class ElementEmbedding(tf_keras.layers.Layer):
  """Token + visual feature + segment + sequence position, normalised."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture

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
    self.end_token = table('end_token', 1)
    self.segments = table('segments', 3)
    self.positions = table('positions', arch.max_positions)
    self.norm = layer_norm('norm')
    super().build(input_shape)

  def call(
    self,
    word_ids,
    word_mask,
    segment_ids,
    visual,
    roi_mask,
    seed=None,
    word_roi_index=None,
  ):
    """Lays out one sequence, `text | RoIs | [END]`.

    Args:
      word_ids: int32 `[B, T]`.
      word_mask: bool `[B, T]`, True where real.
      segment_ids: int32 `[B, T]`.
      visual: `[B, R + 1, D]`, the whole image first, then the RoIs.
      roi_mask: bool `[B, R]`, True where real.
      seed: int32 `[2]`, or None outside training.
      word_roi_index: int32 `[B, T]`, row of `visual` that a word takes, or
        None where all take the first, the whole image's.

    Returns:
      `[B, S, D]` in the dtype of `visual`, and bool `[B, S]`, True where real.
    """
    whole_image, rois = visual[:, :1], visual[:, 1:]
    dtype = visual.dtype
    text_length = tf.reduce_sum(tf.cast(word_mask, tf.int32), axis=1)

    def rows(variable, index):
      return tf.cast(tf.gather(variable, index), dtype)

    of_words = whole_image
    if word_roi_index is not None:
      of_words = tf.gather(visual, word_roi_index, axis=1, batch_dims=1)
    text = (
      rows(self.words, word_ids)
      + of_words
      + rows(self.segments, segment_ids)
      + rows(self.positions, tf.range(tf.shape(word_ids)[1]))[None]
    )
    segment_c = rows(self.segments, [elements.SEGMENT_C])[None]
    # One position for all RoIs: they are a set.
    roi_position = rows(self.positions, text_length)[:, None]
    rois = rois + rows(self.image_token, [0])[None] + segment_c + roi_position
    end_position = rows(self.positions, text_length + 1)[:, None]
    end = whole_image + rows(self.end_token, [0])[None] + segment_c
    sequence = tf.concat([text, rois, end + end_position], axis=1)
    end_mask = tf.ones_like(word_mask[:, :1])
    mask = tf.concat([word_mask, roi_mask, end_mask], axis=1)
    sequence = tf.cast(self.norm(sequence), dtype)
    rate = self.architecture.dropout_rate
    return dropout(sequence, rate, site_seed(seed, 0)), mask
