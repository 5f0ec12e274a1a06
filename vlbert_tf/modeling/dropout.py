"""Dropout whose mask is a function of a seed.

tf_keras' Dropout keeps a state that no checkpoint holds, so a resumed run
would draw other masks. Here the mask follows from the training step.
"""

import tensorflow as tf


def dropout(x: tf.Tensor, rate: float, seed: tf.Tensor | None) -> tf.Tensor:
  """Zeroes elements with probability `rate` and scales up the others.

  Args:
    x: any shape.
    rate: in [0, 1).
    seed: int32 `[2]`, or None outside training: `x` is returned as it is.

  Returns:
    A tensor of the shape and dtype of `x`.
  """
  if seed is None or rate == 0.0:
    return x
  # Written by hand: tf.nn.experimental.stateless_dropout compiles slowly
  # under XLA.
  kept = tf.random.stateless_uniform(tf.shape(x), seed) >= rate
  # A product: bfloat16 divides slowly on a CPU.
  return tf.where(kept, x * tf.cast(1.0 / (1.0 - rate), x.dtype), 0)


def site_seed(seed: tf.Tensor | None, site: int) -> tf.Tensor | None:
  """The seed of one place in the model that drops out.

  Args:
    seed: int32 `[2]` of the training step, or None outside training.
    site: number of the place; two places with one number share their masks.

  Returns:
    int32 `[2]`, or None.
  """
  if seed is None:
    return None
  return tf.stack([seed[0], seed[1] * 1000 + site])
