"""Multi-head attention over all elements (VL-BERT eq. 1)."""

import tensorflow as tf
import tf_keras

from vlbert_tf.modeling.conventions import new_initializer
from vlbert_tf.modeling.dropout import dropout

# Added to the logits of padding: exp() of it is 0 in float32.
_PADDING_LOGIT = -1e9


def attend_with_weights(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  mask: tf.Tensor,
  rate: float = 0.0,
  seed: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
  """Softmax attention; A^m_ij of eq. 1 is computed in float32.

  Args:
    query: `[B, heads, S, D/heads]`.
    key: as `query`.
    value: as `query`.
    mask: bool `[B, S]`, True where an element is real.
    rate: dropout of the attention weights.
    seed: int32 `[2]`, or None outside training.

  Returns:
    Context `[B, heads, S, D/heads]` in the dtype of `value`, and the weights
    A, float32 `[B, heads, S, S]`, before dropout.
  """
  scale = tf.cast(query.shape[-1] ** -0.5, query.dtype)
  logits = tf.matmul(query * scale, key, transpose_b=True)
  bias = tf.where(mask, 0.0, _PADDING_LOGIT)[:, None, None, :]
  weights = tf.nn.softmax(tf.cast(logits, tf.float32) + bias)
  dropped = tf.cast(dropout(weights, rate, seed), value.dtype)
  return tf.matmul(dropped, value), weights


def attend(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  mask: tf.Tensor,
  rate: float = 0.0,
  seed: tf.Tensor | None = None,
) -> tf.Tensor:
  """As `attend_with_weights`, without returning the weights."""
  return attend_with_weights(query, key, value, mask, rate, seed)[0]


compiled_attend = tf.function(attend, autograph=False, jit_compile=True)


class MultiHeadAttention(tf_keras.layers.Layer):
  """Projections and attention of one layer, on flattened elements.

  The elements come as `[B * S, D]`: on CPU one plain matrix product is
  faster than the same product of a three-dimensional tensor.
  """

  def __init__(
    self,
    num_heads: int,
    dropout_rate: float,
    compiled: bool,
    initial_deviation: float,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.num_heads = num_heads
    self.dropout_rate = dropout_rate
    self.compiled = compiled
    self.initial_deviation = initial_deviation

  def build(self, input_shape):
    hidden_size = input_shape[-1]
    self.query_key_value = tf_keras.layers.Dense(
      3 * hidden_size,
      kernel_initializer=new_initializer(self.initial_deviation),
      name='qkv',
    )
    self.output_dense = tf_keras.layers.Dense(
      hidden_size,
      kernel_initializer=new_initializer(self.initial_deviation),
      name='output',
    )
    super().build(input_shape)

  def call(self, x, mask, seed=None, return_weights=False):
    """Attends.

    Args:
      x: `[B * S, D]`.
      mask: bool `[B, S]`.
      seed: int32 `[2]`, or None outside training.
      return_weights: whether the weights are returned as well.

    Returns:
      `[B * S, D]`, and float32 `[B, heads, S, S]` or None.
    """
    hidden_size = x.shape[-1]
    batch, length = tf.shape(mask)[0], tf.shape(mask)[1]
    head_size = hidden_size // self.num_heads
    projected = tf.reshape(
      self.query_key_value(x), [batch, length, 3, self.num_heads, head_size]
    )
    query, key, value = tf.unstack(tf.transpose(projected, [2, 0, 3, 1, 4]))
    weights = None
    if return_weights:
      context, weights = attend_with_weights(query, key, value, mask)
    else:
      core = compiled_attend if self.compiled else attend
      context = core(query, key, value, mask, self.dropout_rate, seed)
    context = tf.transpose(context, [0, 2, 1, 3])
    return self.output_dense(tf.reshape(context, [-1, hidden_size])), weights
