"""What is predicted from final states (VL-BERT §3.3 and §3.4).

Logits leave in float32, whatever the policy.
"""

import tensorflow as tf
import tf_keras
from official.nlp.modeling import layers as nlp_layers

from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.conventions import gelu, layer_norm, new_initializer


class RelationshipHead(tf_keras.layers.Layer):
  """Whether caption and image belong together, from the final [CLS]."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(**kwargs)
    self.pooler = tf_keras.layers.Dense(
      architecture.hidden_size,
      activation='tanh',
      kernel_initializer=new_initializer(architecture.initial_deviation),
      name='pooler',
    )
    self.logit = tf_keras.layers.Dense(
      1,
      kernel_initializer=new_initializer(architecture.initial_deviation),
      dtype='float32',
      name='logit',
    )

  def call(self, text):
    """Maps final text states `[B, T, D]` to logits `[B]`."""
    return self.logit(self.pooler(text[:, 0]))[:, 0]


class MaskedWordHead(tf_keras.layers.Layer):
  """Masked words, over the vocabulary, tied to the word embeddings."""

  def __init__(
    self,
    architecture: Architecture,
    word_embeddings: tf.Variable,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.masked_words = nlp_layers.MaskedLM(
      word_embeddings,
      activation=gelu,
      initializer=new_initializer(architecture.initial_deviation),
      name='masked_words',
    )

  def call(self, text, positions):
    """Predicts masked words.

    Only the masked places meet the vocabulary: the product with it costs
    more than an encoder layer.

    Args:
      text: final text states `[B, T, D]`.
      positions: int32 `[B, M]`.

    Returns:
      float32 `[B, M, V]`.
    """
    return tf.cast(self.masked_words(text, positions), tf.float32)


class RoiCategoryHead(tf_keras.layers.Layer):
  """Categories of masked RoIs; class 0 is background."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(**kwargs)
    self.transform = tf_keras.layers.Dense(
      architecture.hidden_size,
      activation=gelu,
      kernel_initializer=new_initializer(architecture.initial_deviation),
      name='transform',
    )
    self.norm = layer_norm('norm')
    self.logits = tf_keras.layers.Dense(
      architecture.num_categories + 1,
      kernel_initializer=new_initializer(architecture.initial_deviation),
      dtype='float32',
      name='logits',
    )

  def call(self, rois):
    """Maps final RoI states `[B, R, D]` to logits `[B, R, C + 1]`."""
    return self.logits(self.norm(self.transform(rois)))


class AppearanceHead(tf_keras.layers.Layer):
  """Categories of RoIs from appearance alone, Fast R-CNN's own output."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(**kwargs)
    self.logits = tf_keras.layers.Dense(
      architecture.num_categories + 1,
      kernel_initializer=new_initializer(architecture.initial_deviation),
      dtype='float32',
      name='logits',
    )

  def call(self, appearance):
    """Maps appearance `[B, R, A]` to logits `[B, R, C + 1]`."""
    return self.logits(appearance)


class AnswerHead(tf_keras.layers.Layer):
  """Answer classes, from the final [MASK] in the answer's place."""

  def __init__(self, architecture: Architecture, num_answers: int, **kwargs):
    super().__init__(**kwargs)
    self.transform = tf_keras.layers.Dense(
      architecture.hidden_size,
      activation=gelu,
      kernel_initializer=new_initializer(architecture.initial_deviation),
      name='transform',
    )
    self.norm = layer_norm('norm')
    self.logits = tf_keras.layers.Dense(
      num_answers,
      kernel_initializer=new_initializer(architecture.initial_deviation),
      dtype='float32',
      name='logits',
    )

  def call(self, text, position):
    """Classifies.

    Args:
      text: final text states `[B, T, D]`.
      position: int32 `[B]`, place of [MASK].

    Returns:
      float32 `[B, K]`.
    """
    answer = tf.gather(text, position, axis=1, batch_dims=1)
    return self.logits(self.norm(self.transform(answer)))


class RoiScoreHead(tf_keras.layers.Layer):
  """How well each RoI fits the query, from the final RoI states."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(**kwargs)
    self.transform = tf_keras.layers.Dense(
      architecture.hidden_size,
      activation=gelu,
      kernel_initializer=new_initializer(architecture.initial_deviation),
      name='transform',
    )
    self.norm = layer_norm('norm')
    self.logit = tf_keras.layers.Dense(
      1,
      kernel_initializer=new_initializer(architecture.initial_deviation),
      dtype='float32',
      name='logit',
    )

  def call(self, rois):
    """Maps final RoI states `[B, R, D]` to logits `[B, R]`."""
    return self.logit(self.norm(self.transform(rois)))[..., 0]
