"""Activation checkpointing: memory for time (Chen et al., 2016)."""

from collections.abc import Callable

import tensorflow as tf


def recomputed(
  function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor
) -> tf.Tensor:
  """Applies a function; of its activations only `x` waits for the gradient.

  Args:
    function: of built layers; the same values for the same `x`, so that
      dropout has to follow from a seed.
    x: what a gradient flows to.

  Returns:
    `function(x)`. Its gradient computes it once more.
  """
  return tf.recompute_grad(function)(x)
