"""The outputs of Fast R-CNN on the appearance of a RoI."""

from typing import NamedTuple

import tensorflow as tf
import tf_keras

from vlbert_tf.vision.detector_architecture import DetectorArchitecture

# Of deltas, to bring them to a variance near 1 (Girshick, Fast R-CNN).
DELTA_SCALES = [10.0, 10.0, 5.0, 5.0]

_CATEGORY_WIDTH = 256
_ATTRIBUTE_WIDTH = 512


class RoiOutputs(NamedTuple):
  """What the head says of each RoI.

  Attributes:
    category_logits: float32 `[B, N, C + 1]`, 0 is background.
    deltas: float32 `[B, N, C, 4]`, of the box of each category, relative to
      the RoI and scaled by `DELTA_SCALES`.
  """

  category_logits: tf.Tensor
  deltas: tf.Tensor


class RoiHead(tf_keras.layers.Layer):
  """Category, a box for each category, and attributes of a category."""

  def __init__(self, architecture: DetectorArchitecture, **kwargs):
    super().__init__(autocast=False, dtype='float32', **kwargs)
    self.architecture = architecture

    def dense(name, units, deviation, activation=None):
      return tf_keras.layers.Dense(
        units,
        activation,
        kernel_initializer=tf_keras.initializers.RandomNormal(stddev=deviation),
        dtype='float32',
        name=name,
      )

    self.category = dense('category', architecture.num_categories + 1, 0.01)
    self.box = dense('box', 4 * architecture.num_categories, 0.001)
    if architecture.num_attributes:
      self.category_embedding = tf_keras.layers.Embedding(
        architecture.num_categories + 1,
        _CATEGORY_WIDTH,
        embeddings_initializer=tf_keras.initializers.RandomNormal(stddev=0.01),
        name='category_embedding',
      )
      self.attribute_hidden = dense(
        'attribute_hidden', _ATTRIBUTE_WIDTH, 0.01, 'relu'
      )
      self.attribute = dense('attribute', architecture.num_attributes + 1, 0.01)

  def call(self, appearance):
    """Classifies RoIs.

    Args:
      appearance: `[B, N, A]`.

    Returns:
      `RoiOutputs`.
    """
    appearance = tf.cast(appearance, tf.float32)
    shape = tf.shape(appearance)
    boxes = [shape[0], shape[1], self.architecture.num_categories, 4]
    return RoiOutputs(
      category_logits=self.category(appearance),
      deltas=tf.reshape(self.box(appearance), boxes),
    )

  def attributes(
    self, appearance: tf.Tensor, categories: tf.Tensor
  ) -> tf.Tensor:
    """Attributes given the category (Anderson et al., 2018, §3.1).

    Args:
      appearance: `[B, N, A]`.
      categories: int32 `[B, N]`: the true ones in training, the detected ones
        later.

    Returns:
      Logits, float32 `[B, N, num_attributes + 1]`; 0 is none.
    """
    joined = tf.concat(
      [tf.cast(appearance, tf.float32), self.category_embedding(categories)], -1
    )
    return self.attribute(self.attribute_hidden(joined))
