"""The step of every task: one update, or one batch of an evaluation."""

import abc
import dataclasses

import tensorflow as tf
import tf_keras
from official.core import base_task

from vlbert_tf.data import batching
from vlbert_tf.tasks import passes

# Metrics of training besides those of the task.
NORM = 'gradient_norm'  # of all replicas together, before it is clipped
SCALE = 'loss_scale'
SKIPPED = 'skipped_steps'  # whose gradients were not finite


@dataclasses.dataclass(frozen=True)
class Loss:
  """A loss before normalisation.

  Attributes:
    total: float32 scalar, the sum over the labels of one replica.
    count: float32 scalar, the number of labels.
    weight: of this loss in the sum of losses.
  """

  total: tf.Tensor
  count: tf.Tensor
  weight: float = 1.0


class SteppingTask(base_task.Task, abc.ABC):
  """Losses normalised over all replicas; micro-batches, XLA, skipped steps.

  Steps and input are traced without AutoGraph, whose search for control flow
  takes longer than the tracing: what depends on the value of a tensor is said
  with `tf.cond`, `tf.where` or `tf.while_loop`.
  """

  @abc.abstractmethod
  def compute_losses(
    self, batch: batching.Tensors, outputs: batching.Tensors
  ) -> dict[str, Loss]:
    """Losses of one replica, by name."""

  @abc.abstractmethod
  def compute_scores(
    self, batch: batching.Tensors, outputs: batching.Tensors
  ) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
    """Values and weights, of one shape, of each metric that is a mean."""

  def label_weights(
    self, batch: batching.Tensors
  ) -> dict[str, tf.Tensor] | None:
    """Weights of the labels of each loss, by name, in the order of losses.

    Args:
      batch: of one replica.

    Returns:
      float32 of any shape; their sums are the losses' counts. None where the
      model itself chooses what its losses look at: micro-batches then take
      another forward pass, which counts.
    """
    del batch
    return None

  @property
  def compiles_step(self) -> bool:
    """Whether XLA compiles a replica's forward and backward pass."""
    return False

  @property
  @abc.abstractmethod
  def metric_names(self) -> tuple[str, ...]:
    """Names of all losses, then of all scores."""

  def build_metrics(self, training=True):
    metrics = [tf_keras.metrics.Mean(name) for name in self.metric_names]
    if training:
      metrics += [tf_keras.metrics.Mean(name) for name in (NORM, SCALE)]
      metrics.append(tf_keras.metrics.Sum(SKIPPED))
    return metrics

  @classmethod
  def create_optimizer(cls, *args, **kwargs):
    optimizer = super().create_optimizer(*args, **kwargs)
    # Created on first use, which must not happen inside a replica's passes.
    _ = optimizer.iterations
    return passes.skipping(optimizer)

  @tf.autograph.experimental.do_not_convert
  def train_step(self, inputs, model, optimizer, metrics=None):
    """One update of one replica; see `base_task.Task.train_step`."""
    replica = tf.distribute.get_replica_context()
    seed = tf.stack(
      [
        tf.cast(optimizer.iterations, tf.int32),
        tf.cast(replica.replica_id_in_sync_group, tf.int32),
      ]
    )
    scale = optimizer.loss_scale
    variables = model.trainable_variables
    done = self._pass(inputs, model, seed, optimizer.get_scaled_loss, variables)
    gradients = replica.all_reduce(
      tf.distribute.ReduceOp.SUM, list(done.gradients)
    )
    gradients = optimizer.get_unscaled_gradients(gradients)
    optimizer.apply_gradients(
      zip(gradients, variables, strict=True),
      experimental_aggregate_gradients=False,
    )
    self._report(done.values, metrics)
    self._report_gradients(gradients, scale, metrics)
    return {self.loss: done.loss * _replicas()}

  @tf.autograph.experimental.do_not_convert
  def validation_step(self, inputs, model, metrics=None):
    """One batch of one replica, without dropout."""
    sums = self._sums(model, inputs, None)
    losses = sums.loss_weights.shape[0]
    labels = passes.over_all_replicas(sums.values[:losses, 1])
    self._report(sums.values, metrics)
    return {self.loss: passes.normalized(sums, labels) * _replicas()}

  def _pass(self, inputs, model, seed, scale, variables) -> passes.Pass:
    """Losses and gradients of one replica."""

    def forward(batch, seed):
      return self._sums(model, batch, seed)

    if self.compiles_step:
      # Its gradient is compiled as well. What crosses replicas stays outside.
      forward = tf.function(forward, autograph=False, jit_compile=True)
    # XLA knows no strings, nor can they be cut into parts for it.
    batch = {name: x for name, x in inputs.items() if x.dtype != tf.string}
    parts = self.task_config.micro_batches
    if parts == 1:
      return passes.whole(forward, batch, seed, scale, variables)
    weights = self.label_weights(batch)
    if weights is None:
      counts = passes.count_labels(forward, batch, seed, parts)
    else:
      counts = tf.stack([tf.reduce_sum(w) for w in weights.values()])
    labels = passes.over_all_replicas(counts)
    return passes.in_micro_batches(
      forward, batch, seed, scale, variables, labels, parts
    )

  def _sums(self, model, batch, seed) -> passes.Sums:
    """Losses and scores of a batch; numbers alone, so that XLA compiles it."""
    outputs = model(batch, seed=seed)
    losses = self.compute_losses(batch, outputs)
    values = {name: (loss.total, loss.count) for name, loss in losses.items()}
    for name, (score, weight) in self.compute_scores(batch, outputs).items():
      weight = tf.cast(weight, tf.float32)
      score = tf.cast(score, tf.float32)
      values[name] = (tf.reduce_sum(score * weight), tf.reduce_sum(weight))
    return passes.Sums(
      tf.stack([tf.stack(values[name]) for name in self.metric_names]),
      tf.constant([loss.weight for loss in losses.values()]),
    )

  def _report(self, values, metrics):
    means = tf.math.divide_no_nan(values[:, 0], values[:, 1])
    for place, name in enumerate(self.metric_names):
      _update(metrics, name, means[place], values[place, 1])

  def _report_gradients(self, gradients, scale, metrics):
    norm = tf.linalg.global_norm(gradients)
    finite = tf.math.is_finite(norm)
    _update(
      metrics, NORM, tf.where(finite, norm, 0.0), tf.cast(finite, tf.float32)
    )
    _update(metrics, SCALE, scale)
    # Each replica reports the same.
    _update(metrics, SKIPPED, tf.where(finite, 0.0, 1.0 / _replicas()))


def _update(metrics, name, *values):
  for metric in metrics or []:
    if metric.name == name:
      metric.update_state(*values)


def _replicas() -> int:
  return tf.distribute.get_strategy().num_replicas_in_sync
