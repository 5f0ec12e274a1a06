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
    self.pooler = _pooler(architecture)
    self.logit = _logits(
      architecture, architecture.arithmetic.relationship_classes, 'logit'
    )

  def call(self, text):
    """Maps final text states `[B, T, D]` to logits `[B]` of being related."""
    logits = self.class_logits(text)
    if logits.shape[-1] == 2:
      # The softmax over two classes is the sigmoid of their difference.
      return logits[:, 1] - logits[:, 0]
    return logits[:, 0]

  def class_logits(self, text):
    """Maps final text states `[B, T, D]` to logits `[B, 1 or 2]`."""
    return self.logit(self.pooler(text[:, 0]))


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
    normalized = architecture.arithmetic.roi_category_norm
    self.norm = layer_norm('norm') if normalized else None
    self.logits = _logits(architecture, architecture.num_categories + 1)

  def call(self, rois):
    """Maps final RoI states `[B, R, D]` to logits `[B, R, C + 1]`."""
    transformed = self.transform(rois)
    if self.norm is not None:
      transformed = self.norm(transformed)
    return self.logits(transformed)


class VisibleRoiHead(tf_keras.layers.Layer):
  """Categories of RoIs from their visual feature embedding alone.

  Fast R-CNN classifies appearance. From the embedding, and normalised, the
  category has to be a large part of what the encoder gets to see, not just
  enough to be told from a small difference of large numbers.
  """

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(**kwargs)
    self.norm = layer_norm('norm')
    self.logits = _logits(architecture, architecture.num_categories + 1)

  def call(self, visual):
    """Maps embeddings `[B, R, D]` to logits `[B, R, C + 1]`."""
    return self.logits(self.norm(visual))


class RoiScoreHead(tf_keras.layers.Layer):
  """How well each RoI fits the query (RefCOCO+)."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(**kwargs)
    self.transform = tf_keras.layers.Dense(
      architecture.hidden_size,
      activation=gelu,
      kernel_initializer=new_initializer(architecture.initial_deviation),
      name='transform',
    )
    self.logit = _logits(architecture, 1, 'logit')

  def call(self, rois):
    """Maps final RoI states `[B, R, D]` to logits `[B, R]`."""
    return self.logit(self.transform(rois))[..., 0]


class Classifier(tf_keras.layers.Layer):
  """Classes of one state, by the architecture's kind of classifier."""

  def __init__(self, architecture: Architecture, num_classes: int, **kwargs):
    super().__init__(**kwargs)
    kind = architecture.arithmetic.classifier
    self.transform = self.norm = None
    if kind != 'one_layer':
      self.transform = tf_keras.layers.Dense(
        architecture.hidden_size
        if kind == 'transform'
        else architecture.classifier_size,
        activation=gelu if kind == 'transform' else 'relu',
        kernel_initializer=new_initializer(architecture.initial_deviation),
        name='transform',
      )
    if kind == 'transform':
      self.norm = layer_norm('norm')
    self.logits = _logits(architecture, num_classes)

  def classify(self, state):
    """Maps `[..., D]` to logits `[..., classes]`."""
    if self.transform is not None:
      state = self.transform(state)
    if self.norm is not None:
      state = self.norm(state)
    return self.logits(state)


class AnswerHead(Classifier):
  """Answer classes, from the final [MASK] in the answer's place."""

  def call(self, text, position):
    """Classifies.

    Args:
      text: final text states `[B, T, D]`.
      position: int32 `[B]`, place of [MASK].

    Returns:
      float32 `[B, K]`.
    """
    return self.classify(tf.gather(text, position, axis=1, batch_dims=1))


class CandidateHead(Classifier):
  """How well a candidate answer fits, from the final [CLS] (VCR)."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(architecture, 1, **kwargs)
    self.pooler = _pooler(architecture)

  def call(self, text):
    """Maps final text states `[B, T, D]` to logits `[B]`."""
    return self.classify(self.pooler(text[:, 0]))[:, 0]


def _pooler(architecture: Architecture) -> tf_keras.layers.Dense:
  return tf_keras.layers.Dense(
    architecture.hidden_size,
    activation='tanh',
    kernel_initializer=new_initializer(architecture.initial_deviation),
    name='pooler',
  )


def _logits(
  architecture: Architecture, units: int, name: str = 'logits'
) -> tf_keras.layers.Dense:
  return tf_keras.layers.Dense(
    units,
    kernel_initializer=new_initializer(architecture.initial_deviation),
    dtype='float32',
    name=name,
  )
