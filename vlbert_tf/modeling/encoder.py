"""The Transformer encoder (VL-BERT §3.1, eq. 1 to 4)."""

import functools

import tensorflow as tf
import tf_keras

from vlbert_tf.modeling.attention import MultiHeadAttention
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.conventions import gelu, layer_norm, new_initializer
from vlbert_tf.modeling.dropout import dropout, site_seed
from vlbert_tf.recomputation import recomputed


class EncoderLayer(tf_keras.layers.Layer):
  """One layer: attention, eq. 1 and 2, then feed-forward, eq. 3 and 4."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(**kwargs)
    self.architecture = architecture

  def build(self, input_shape):
    arch = self.architecture
    self.attention = MultiHeadAttention(
      arch.num_heads,
      arch.dropout_rate,
      arch.compile_attention,
      arch.initial_deviation,
      name='attention',
    )
    self.attention_norm = layer_norm('attention_norm')
    self.inner = tf_keras.layers.Dense(
      arch.feed_forward_size,
      activation=gelu,
      kernel_initializer=new_initializer(arch.initial_deviation),
      name='inner',
    )
    self.outer = tf_keras.layers.Dense(
      arch.hidden_size,
      kernel_initializer=new_initializer(arch.initial_deviation),
      name='outer',
    )
    self.output_norm = layer_norm('output_norm')
    super().build(input_shape)

  def call(self, x, mask, seed=None, return_weights=False):
    """Applies the layer.

    Args:
      x: `[B * S, D]`.
      mask: bool `[B, S]`.
      seed: int32 `[2]`, or None outside training.
      return_weights: whether attention weights are returned as well.

    Returns:
      `[B * S, D]`, and float32 `[B, heads, S, S]` or None.
    """
    rate = self.architecture.dropout_rate
    attended, weights = self.attention(
      x, mask, site_seed(seed, 0), return_weights
    )
    attended = dropout(attended, rate, site_seed(seed, 1))
    h = tf.cast(self.attention_norm(x + attended), x.dtype)
    forward = dropout(self.outer(self.inner(h)), rate, site_seed(seed, 2))
    return tf.cast(self.output_norm(h + forward), x.dtype), weights


class Encoder(tf_keras.layers.Layer):
  """A stack of encoder layers."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(**kwargs)
    self.remat = architecture.remat
    self.encoder_layers = [
      EncoderLayer(architecture, name=f'layer_{i}')
      for i in range(architecture.num_layers)
    ]

  def call(self, x, mask, seed=None, return_weights=False):
    """Encodes elements.

    Args:
      x: `[B, S, D]`.
      mask: bool `[B, S]`, True where real.
      seed: int32 `[2]`, or None outside training.
      return_weights: whether attention weights are returned.

    Returns:
      `[B, S, D]`, and the attention weights of each layer, float32
      `[B, heads, S, S]`, or None.
    """
    hidden_size = x.shape[-1]
    shape = tf.shape(x)
    x = tf.reshape(x, [-1, hidden_size])
    weights = []
    for number, layer in enumerate(self.encoder_layers):
      layer_seed = site_seed(seed, 10 + number)
      if self.remat and not return_weights:
        x = recomputed(functools.partial(_states, layer, mask, layer_seed), x)
      else:
        x, of_layer = layer(x, mask, layer_seed, return_weights)
        weights.append(of_layer)
    return tf.reshape(x, shape), tuple(weights) if return_weights else None


def _states(layer, mask, seed, x):
  """A layer's output alone."""
  return layer(x, mask, seed)[0]
