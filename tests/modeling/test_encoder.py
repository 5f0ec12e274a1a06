"""The encoder, against Model Garden's Transformer block."""

import numpy as np
import tensorflow as tf
from official.nlp.modeling import layers as nlp_layers

from tests.modeling import tiny_model
from vlbert_tf.modeling import conventions, encoder


def _block_with_weights_of(layer, arch):
  """Model Garden's block with the weights of one of our layers."""
  block = nlp_layers.TransformerEncoderBlock(
    num_attention_heads=arch.num_heads,
    inner_dim=arch.feed_forward_size,
    inner_activation=lambda x: tf.nn.gelu(x, approximate=False),
    norm_epsilon=conventions.LAYER_NORM_EPSILON,
  )
  block(tf.zeros([1, 3, arch.hidden_size]))
  rng = np.random.default_rng(2)
  for variable in layer.weights:
    variable.assign(rng.normal(size=variable.shape, scale=0.3))
  heads, size = arch.num_heads, arch.hidden_size // arch.num_heads
  attention = block._attention_layer
  kernel, bias = layer.attention.query_key_value.get_weights()
  parts = zip(
    np.split(kernel, 3, axis=1), np.split(bias, 3, axis=0), strict=True
  )
  for dense, (k, b) in zip(
    (attention._query_dense, attention._key_dense, attention._value_dense),
    parts,
    strict=True,
  ):
    dense.set_weights([k.reshape(-1, heads, size), b.reshape(heads, size)])
  kernel, bias = layer.attention.output_dense.get_weights()
  attention._output_dense.set_weights([kernel.reshape(heads, size, -1), bias])
  block._attention_layer_norm.set_weights(layer.attention_norm.get_weights())
  block._intermediate_dense.set_weights(layer.inner.get_weights())
  block._output_dense.set_weights(layer.outer.get_weights())
  block._output_layer_norm.set_weights(layer.output_norm.get_weights())
  return block


def test_a_layer_equals_model_gardens_block_on_the_same_weights():
  arch = tiny_model.architecture()
  layer = encoder.EncoderLayer(arch)
  x = tf.constant(
    np.random.default_rng(3).normal(size=[2, 5, arch.hidden_size]), tf.float32
  )
  mask = np.ones([2, 5], bool)
  mask[1, 4] = False
  flat = tf.reshape(x, [-1, arch.hidden_size])
  layer(flat, tf.constant(mask))
  block = _block_with_weights_of(layer, arch)

  ours, _ = layer(flat, tf.constant(mask))

  theirs = block([x, tf.constant(np.repeat(mask[:, None], 5, 1), tf.float32)])
  real = mask.reshape(-1)
  np.testing.assert_allclose(
    ours.numpy()[real],
    theirs.numpy().reshape(-1, arch.hidden_size)[real],
    atol=1e-4,
  )


def test_attention_weights_of_every_layer_sum_to_one():
  arch = tiny_model.architecture()
  stack = encoder.Encoder(arch)
  x = tf.random.stateless_normal([2, 5, arch.hidden_size], [1, 2])
  mask = tf.constant([[True] * 5, [True] * 4 + [False]])

  states, weights = stack(x, mask, return_weights=True)

  assert states.shape == (2, 5, arch.hidden_size)
  assert len(weights) == arch.num_layers
  for of_layer in weights:
    assert of_layer.shape == (2, arch.num_heads, 5, 5)
    np.testing.assert_allclose(tf.reduce_sum(of_layer, -1), 1.0, atol=1e-6)
  plain, none = stack(x, mask)
  assert none is None
  np.testing.assert_allclose(plain, states, atol=1e-5)
