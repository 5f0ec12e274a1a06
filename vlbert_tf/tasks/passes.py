"""Forward and backward pass of one replica, whole or in micro-batches."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from vlbert_tf.data.batching import Tensors

# The scale 1 never grows; what is left of loss scaling is that a step whose
# gradients are not finite is skipped, on all replicas alike.
_NEVER = 2**62


class Sums(NamedTuple):
  """What a forward pass says of a batch.

  Attributes:
    values: float32 `[M, 2]`, for each metric, losses first, the sum of its
      weighted values and the sum of the weights.
    loss_weights: float32 `[L]`, factors of the losses in their sum.
  """

  values: tf.Tensor
  loss_weights: tf.Tensor


Forward = Callable[[Tensors, tf.Tensor], Sums]


class Pass(NamedTuple):
  """A forward and a backward pass over the batch of one replica.

  Attributes:
    gradients: dense float32, of the scaled loss, one for each variable.
    values: as in `Sums`, of the whole batch.
    loss: float32 scalar, this replica's share of the loss of all.
  """

  gradients: list[tf.Tensor]
  values: tf.Tensor
  loss: tf.Tensor


def skipping(
  optimizer: tf_keras.optimizers.legacy.Optimizer,
) -> tf_keras.mixed_precision.LossScaleOptimizer:
  """Gives an optimizer a loss scale, with which it skips bad steps."""
  if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
    return optimizer
  return tf_keras.mixed_precision.LossScaleOptimizer(
    optimizer, initial_scale=1.0, dynamic_growth_steps=_NEVER
  )


def over_all_replicas(counts: tf.Tensor) -> tf.Tensor:
  """Label counts `[L]` of one replica to those of all, at least 1."""
  replica = tf.distribute.get_replica_context()
  summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, counts)
  return tf.maximum(summed, 1.0)


def normalized(sums: Sums, labels: tf.Tensor) -> tf.Tensor:
  """Weighted sum of losses, each over `labels`, those of all replicas.

  One replica may have no label of a kind: its own mean would count as much
  as that of a replica with many.
  """
  count = sums.loss_weights.shape[0]
  return tf.reduce_sum(sums.loss_weights * sums.values[:count, 0] / labels)


def whole(
  forward: Forward,
  batch: Tensors,
  seed: tf.Tensor,
  scale: Callable[[tf.Tensor], tf.Tensor],
  variables: Sequence[tf.Variable],
) -> Pass:
  """Passes over a batch at once.

  Args:
    forward: maps a batch and a seed to `Sums`.
    batch: of one replica.
    seed: int32 `[2]`, the update, and the replica.
    scale: multiplies a loss, so that small gradients do not vanish.
    variables: that gradients are taken of.

  Returns:
    A `Pass`.
  """
  with tf.GradientTape() as tape:
    sums = forward(batch, seed)
    losses = sums.loss_weights.shape[0]
    loss = normalized(sums, over_all_replicas(sums.values[:losses, 1]))
    scaled = scale(loss)
  return Pass(_gradients(tape, scaled, variables), sums.values, loss)


def in_micro_batches(
  forward: Forward,
  batch: Tensors,
  seed: tf.Tensor,
  scale: Callable[[tf.Tensor], tf.Tensor],
  variables: Sequence[tf.Variable],
  labels: tf.Tensor,
  count: int,
) -> Pass:
  """As `whole`, a part of the batch after the other, with the same result.

  Args:
    forward: maps a batch and a seed to `Sums`.
    batch: of one replica; `count` must divide its rows.
    seed: int32 `[2]`, the update, and the replica.
    scale: multiplies a loss, so that small gradients do not vanish.
    variables: that gradients are taken of.
    labels: float32 `[L]`, label counts of the batches of all replicas: known
      before the first part, since the loss of each part is divided by them.
    count: of parts.

  Returns:
    A `Pass`.
  """

  def pass_over(part, part_seed):
    with tf.GradientTape() as tape:
      sums = forward(part, part_seed)
      loss = normalized(sums, labels)
      scaled = scale(loss)
    return Pass(_gradients(tape, scaled, variables), sums.values, loss)

  return _summed(pass_over, batch, seed, count)


def count_labels(
  forward: Forward, batch: Tensors, seed: tf.Tensor, count: int
) -> tf.Tensor:
  """Label counts `[L]` of a batch of one replica, by forward passes alone.

  For losses on what the model chooses itself. The seeds are those of
  `in_micro_batches`, so it chooses the same there.

  Args:
    forward: maps a batch and a seed to `Sums`.
    batch: of one replica; `count` must divide its rows.
    seed: int32 `[2]`, the update, and the replica.
    count: of parts.
  """

  def counts_of(part, part_seed):
    sums = forward(part, part_seed)
    return sums.values[: sums.loss_weights.shape[0], 1]

  return _summed(counts_of, batch, seed, count)


def _summed(work, batch: Tensors, seed: tf.Tensor, count: int):
  """The sum of what `work` makes of each part of a batch and its seed."""
  parts = {name: _split(name, x, count) for name, x in batch.items()}

  def of_part(number):
    part = {name: x[number] for name, x in parts.items()}
    # Masks of its own for each part.
    return work(part, tf.stack([seed[0] * count + number, seed[1]]))

  def add(number, total):
    return number + 1, tf.nest.map_structure(tf.add, total, of_part(number))

  # A loop of the graph: unrolled, all parts would be in memory at once.
  _, total = tf.while_loop(
    lambda number, _: number < count,
    add,
    (tf.constant(1), of_part(tf.constant(0))),
    parallel_iterations=1,
  )
  return total


def _gradients(tape, loss, variables) -> list[tf.Tensor]:
  gradients = tape.gradient(
    loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
  )
  # Dense: half the time of sparse updates of the word embeddings, and the
  # only form that weight decay reaches.
  return [tf.convert_to_tensor(gradient) for gradient in gradients]


def _split(name: str, x: tf.Tensor, count: int) -> tf.Tensor:
  rows = x.shape[0]
  if rows is None or rows % count:
    raise ValueError(
      'task.micro_batches must divide the images of a replica. '
      f'Received: {count} for {rows} rows of {name}.'
    )
  rest = tf.shape(x)[1:]
  split = tf.reshape(x, tf.concat([[count, rows // count], rest], axis=0))
  return tf.ensure_shape(split, [count, rows // count, *x.shape[1:]])
