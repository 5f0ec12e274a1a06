"""BERT's conventions, shared by all parts of the model."""

import tensorflow as tf
import tf_keras

LAYER_NORM_EPSILON = 1e-12


def layer_norm(
  name: str, scale: float = 1.0
) -> tf_keras.layers.LayerNormalization:
  """BERT's layer norm, in float32 whatever the policy.

  Args:
    name: of the layer.
    scale: that gamma starts from.

  Returns:
    The layer.
  """
  return tf_keras.layers.LayerNormalization(
    epsilon=LAYER_NORM_EPSILON,
    gamma_initializer=tf_keras.initializers.Constant(scale),
    dtype='float32',
    name=name,
  )


def gelu(x: tf.Tensor) -> tf.Tensor:
  """GELU by the error function, as BERT defines it."""
  return tf.nn.gelu(x, approximate=False)


def new_initializer(
  deviation: float,
) -> tf_keras.initializers.Initializer:
  """N(0, deviation²), cut at two deviations, for new parameters (§3.1).

  One instance gives one value: each weight needs its own.

  Args:
    deviation: 0.02 in the paper, for hidden sizes of BERT.

  Returns:
    The initializer.
  """
  return tf_keras.initializers.TruncatedNormal(stddev=deviation)
