"""Model Garden's trainer, with a clock at its input."""

import tensorflow as tf
from official.core import base_trainer

INPUT_WAIT = 'input_wait_seconds'


class TimedTrainer(base_trainer.Trainer):
  """Reports how long the steps of an interval waited for their batches."""

  def __init__(self, *args, **kwargs):
    super().__init__(*args, **kwargs)
    self._waited = tf.Variable(
      0.0,
      dtype=tf.float64,
      trainable=False,
      aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )

  def next_train_inputs(self, iterator):
    """The next batch; see `base_trainer.Trainer.next_train_inputs`."""
    asked = tf.timestamp()
    with tf.control_dependencies([asked]):
      inputs = super().next_train_inputs(iterator)
    tensors = tf.nest.flatten(
      tf.nest.map_structure(self.strategy.experimental_local_results, inputs)
    )
    with tf.control_dependencies(tensors):
      self._waited.assign_add(tf.timestamp() - asked)
    return inputs

  def train_loop_end(self):
    """Metrics of an interval; see `base_trainer.Trainer.train_loop_end`."""
    logs = super().train_loop_end()
    logs[INPUT_WAIT] = float(self._waited.numpy())
    self._waited.assign(0.0)
    return logs
