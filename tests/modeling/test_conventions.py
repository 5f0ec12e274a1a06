"""GELU and layer norm, whose gradients are written by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from vlbert_tf.modeling import conventions

_POINTS = (-9.0, -3.0, -1.0, -0.25, 0.0, 0.5, 1.0, 4.0)


def _phi(x):
  return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def _compiled(function, xla):
  return tf.function(function, autograph=False, jit_compile=xla)


@pytest.mark.parametrize('xla', [False, True])
def test_gelu_is_x_phi_of_x_and_its_gradient_phi_and_x_times_the_density(xla):
  x = tf.constant(_POINTS)

  def run():
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = conventions.gelu(x)
    return y, tape.gradient(y, x, output_gradients=tf.fill([8], 3.0))

  value, gradient = _compiled(run, xla)()

  np.testing.assert_allclose(value, [p * _phi(p) for p in _POINTS], atol=1e-6)
  density = [math.exp(-p * p / 2) / math.sqrt(2 * math.pi) for p in _POINTS]
  slopes = [
    3 * (_phi(p) + p * d) for p, d in zip(_POINTS, density, strict=True)
  ]
  np.testing.assert_allclose(gradient, slopes, atol=2e-6)
  # GELU(1) and its slope, from tables of the normal distribution.
  assert float(value[6]) == pytest.approx(0.841345, abs=1e-6)
  assert float(gradient[6]) / 3 == pytest.approx(1.083316, abs=1e-6)


@pytest.mark.parametrize('dtype', [tf.float16, tf.bfloat16])
def test_gelu_keeps_its_dtype_and_large_numbers_stay_finite(dtype):
  x = tf.constant([-1000.0, 1000.0], dtype)

  with tf.GradientTape() as tape:
    tape.watch(x)
    y = conventions.gelu(x)
  gradient = tape.gradient(y, x)

  assert y.dtype == gradient.dtype == dtype
  np.testing.assert_array_equal(tf.cast(y, tf.float32), [0, 1000])
  np.testing.assert_array_equal(tf.cast(gradient, tf.float32), [0, 1])


def test_a_norm_by_hand():
  layer = conventions.layer_norm('norm')
  layer.build([None, 2])
  layer.gamma.assign([2.0, 3.0])
  layer.beta.assign([0.5, 0.0])

  # Mean 4, deviation 3.
  value = layer(tf.constant([[1.0, 7.0]]))

  np.testing.assert_allclose(value, [[-1.5, 3.0]], atol=1e-6)


@pytest.mark.parametrize('xla', [False, True])
@pytest.mark.parametrize('shape', [[5, 7], [2, 3, 7]])
def test_a_norm_and_its_gradients_equal_those_of_tf_keras(shape, xla):
  rng = np.random.default_rng(4)
  x = tf.Variable(rng.normal(2.0, 3.0, shape), dtype=tf.float32)
  upstream = tf.constant(rng.normal(size=shape), tf.float32)
  weights = [rng.normal(size=7), rng.normal(size=7)]

  def taken(layer):
    layer.build(shape)
    layer.set_weights(weights)

    def run():
      with tf.GradientTape() as tape:
        y = layer(x)
      sources = [x, layer.gamma, layer.beta]
      return y, tape.gradient(y, sources, output_gradients=upstream)

    return _compiled(run, xla)()

  ours = taken(conventions.layer_norm('norm'))
  theirs = taken(
    tf_keras.layers.LayerNormalization(epsilon=conventions.LAYER_NORM_EPSILON)
  )

  for one, other in zip(
    tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True
  ):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_a_norm_of_half_precision_computes_in_float32():
  # The square of the deviation is beyond float16.
  x = tf.constant([[-1000.0, 1000.0]], tf.float16)

  value = conventions.layer_norm('norm')(x)

  assert value.dtype == tf.float32
  np.testing.assert_allclose(value, [[-1, 1]], atol=1e-6)
