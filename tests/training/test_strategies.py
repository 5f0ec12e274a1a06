"""Strategies: one over the devices that there are, and one alone."""

import tensorflow as tf

from vlbert_tf.training import strategies


def _summed(size: int) -> list[float]:
  """Ones of each replica of a strategy made anew, added up."""
  strategy = strategies.make_strategy(timeout_seconds=60.0)

  @tf.function
  def add():
    replica = tf.distribute.get_replica_context()
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.ones([size]))

  values = strategy.run(add)
  return strategy.experimental_local_results(values)[0].numpy().tolist()


def test_models_of_other_shapes_follow_each_other_in_a_process():
  assert len(tf.config.list_logical_devices('CPU')) == 2

  assert _summed(3) == [2.0] * 3
  assert _summed(5) == [2.0] * 5
