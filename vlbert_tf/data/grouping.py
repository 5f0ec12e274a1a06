"""Batches of examples of similar size, which need little padding."""

from collections.abc import Callable

import tensorflow as tf


def similar_sizes(
  dataset: tf.data.Dataset,
  size_of: Callable[..., tf.Tensor],
  *,
  batch: int,
  batches: int,
  first_group: int,
  seed: int,
) -> tf.data.Dataset:
  """Sorts groups of examples by size, and shuffles the batches of each.

  A group of `batches * batch` examples stays a group: which steps an example
  can come in is known, and so is where a resumed run has to go on.

  Args:
    dataset: of examples, one at a time.
    size_of: maps the components of an example to an integer scalar.
    batch: examples of a global batch.
    batches: global batches of a group.
    first_group: number of the group that `dataset` begins with.
    seed: of the order of batches, with the number of the group.

  Returns:
    The same examples, one at a time.
  """

  def reorder(number, group):
    sizes = tf.map_fn(
      lambda example: tf.cast(size_of(*example), tf.int32),
      group,
      fn_output_signature=tf.int32,
    )
    order = tf.reshape(tf.argsort(sizes, stable=True), [batches, batch])
    order = tf.random.experimental.stateless_shuffle(
      order, tf.stack([tf.cast(seed, tf.int64), number])
    )
    order = tf.reshape(order, [-1])
    return tf.nest.map_structure(lambda x: tf.gather(x, order), group)

  groups = dataset.ragged_batch(batches * batch, drop_remainder=True)
  numbered = tf.data.Dataset.zip(
    tf.data.Dataset.range(first_group, tf.int64.max), groups
  )
  return numbered.map(reorder).unbatch()
