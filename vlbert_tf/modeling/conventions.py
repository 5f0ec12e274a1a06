"""BERT's conventions, shared by all parts of the model."""

import math

import tensorflow as tf
import tf_keras

LAYER_NORM_EPSILON = 1e-12
_ROOT_OF_HALF = math.sqrt(0.5)
_NORMAL_PEAK = 1.0 / math.sqrt(2.0 * math.pi)


class LayerNorm(tf_keras.layers.LayerNormalization):
  """tf_keras' layer norm of the last axis, with a gradient of fewer passes.

  On a CPU each pass over the elements costs as much as any other. That of
  TensorFlow's own composition takes three quarters more time.
  """

  def call(self, inputs):
    return _normalized(
      tf.cast(inputs, self.compute_dtype),
      tf.convert_to_tensor(self.gamma),
      tf.convert_to_tensor(self.beta),
      self.epsilon,
    )


def layer_norm(name: str, scale: float = 1.0) -> LayerNorm:
  """BERT's layer norm, in float32 whatever the policy.

  Args:
    name: of the layer.
    scale: that gamma starts from.

  Returns:
    The layer.
  """
  return LayerNorm(
    epsilon=LAYER_NORM_EPSILON,
    gamma_initializer=tf_keras.initializers.Constant(scale),
    dtype='float32',
    name=name,
  )


@tf.custom_gradient
def gelu(x: tf.Tensor) -> tf.Tensor:
  """GELU by the error function, as BERT defines it.

  Not tf.nn.gelu: it divides, which bfloat16 does slowly on a CPU, and its
  gradient takes more passes. TensorFlow joins a product of matrices, its bias
  and this form into one operation where nothing learns.

  Args:
    x: any shape.

  Returns:
    x Φ(x), of the shape and dtype of `x`.
  """
  twice_phi = 1.0 + tf.math.erf(x * tf.cast(_ROOT_OF_HALF, x.dtype))

  def gradient(upstream):
    density = tf.exp(-0.5 * tf.square(x)) * tf.cast(_NORMAL_PEAK, x.dtype)
    return upstream * (0.5 * twice_phi + x * density)

  return (0.5 * x) * twice_phi, gradient


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


@tf.custom_gradient
def _normalized(x, gamma, beta, epsilon):
  """Layer norm over the last axis."""
  centered = x - tf.reduce_mean(x, -1, keepdims=True)
  variance = tf.reduce_mean(tf.square(centered), -1, keepdims=True)
  inverse = tf.math.rsqrt(variance + epsilon)
  unit = centered * inverse

  def gradient(upstream):
    of_unit = upstream * gamma
    by_unit = upstream * unit
    slope = tf.reduce_mean(by_unit * gamma, -1, keepdims=True)
    of_x = inverse * (
      of_unit - tf.reduce_mean(of_unit, -1, keepdims=True) - unit * slope
    )
    others = tf.range(tf.rank(x) - 1)
    return (
      of_x,
      tf.reduce_sum(by_unit, others),
      tf.reduce_sum(upstream, others),
      None,
    )

  return unit * gamma + beta, gradient
