"""How losses are added up, by hand."""

import tensorflow as tf

from vlbert_tf.tasks import passes


def test_each_loss_is_divided_by_its_labels_and_multiplied_by_its_weight():
  # Two losses with their labels here, then an accuracy, which is no loss.
  sums = passes.Sums(
    values=tf.constant([[6.0, 3.0], [8.0, 2.0], [100.0, 5.0]]),
    loss_weights=tf.constant([1.0, 0.25]),
  )

  loss = passes.normalized(sums, labels=tf.constant([4.0, 16.0]))

  # 6 / 4 + 0.25 * 8 / 16, whatever the labels of this replica are.
  assert float(loss) == 1.625


def test_a_loss_without_labels_is_not_divided_by_zero():
  counts = passes.over_all_replicas(tf.constant([0.0, 5.0]))

  assert counts.numpy().tolist() == [1.0, 5.0]
