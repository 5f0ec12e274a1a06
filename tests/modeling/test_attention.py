"""The attention core, against numpy and in its compiled form."""

import numpy as np
import tensorflow as tf

from vlbert_tf.modeling import attention


def _arrays(batch=2, heads=3, length=5, size=7):
  rng = np.random.default_rng(1)
  shape = [batch, heads, length, size]
  mask = np.ones([batch, length], bool)
  mask[0, 3:] = False
  return [rng.normal(size=shape).astype(np.float32) for _ in range(3)] + [mask]


def _reference(query, key, value, mask):
  logits = np.einsum('bhid,bhjd->bhij', query, key) / np.sqrt(query.shape[-1])
  exponential = np.exp(logits) * mask[:, None, None, :]
  weights = exponential / exponential.sum(-1, keepdims=True)
  return np.einsum('bhij,bhjd->bhid', weights, value), weights


def test_context_and_weights_equal_the_softmax_formula():
  query, key, value, mask = _arrays()

  context, weights = attention.attend_with_weights(query, key, value, mask)

  expected_context, expected_weights = _reference(query, key, value, mask)
  np.testing.assert_allclose(context, expected_context, atol=1e-5)
  np.testing.assert_allclose(weights, expected_weights, atol=1e-6)


def test_the_compiled_core_equals_the_plain_one():
  arrays = [tf.constant(x) for x in _arrays()]

  compiled = attention.compiled_attend(*arrays)

  np.testing.assert_allclose(compiled, attention.attend(*arrays), atol=1e-5)


def test_gradients_flow_through_the_compiled_core():
  query, key, value, mask = [tf.constant(x) for x in _arrays()]

  def gradient(core):
    with tf.GradientTape() as tape:
      tape.watch(query)
      loss = tf.reduce_sum(core(query, key, value, mask) ** 2)
    return tape.gradient(loss, query)

  np.testing.assert_allclose(
    gradient(attention.compiled_attend), gradient(attention.attend), atol=1e-4
  )


def test_padding_receives_no_attention_in_half_precision():
  query, key, value, mask = _arrays()
  half = [tf.constant(x, tf.bfloat16) for x in (query, key, value)]

  _, weights = attention.attend_with_weights(*half, mask)

  assert weights.dtype == tf.float32
  assert np.all(weights.numpy()[0, :, :, 3:] == 0.0)
