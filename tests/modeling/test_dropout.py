"""Dropout as a function of its seed."""

import numpy as np
import tensorflow as tf

from vlbert_tf.modeling.dropout import dropout, site_seed


def test_the_mask_follows_from_the_seed():
  x = tf.ones([1000])
  seed = tf.constant([3, 1])

  first, again = dropout(x, 0.25, seed), dropout(x, 0.25, seed)
  other = dropout(x, 0.25, tf.constant([4, 1]))

  np.testing.assert_array_equal(first, again)
  assert np.any(first.numpy() != other.numpy())


def test_survivors_are_scaled_so_that_the_mean_stays():
  dropped = dropout(tf.ones([40_000]), 0.25, tf.constant([3, 1])).numpy()

  assert set(np.unique(dropped)) == {np.float32(0.0), np.float32(1 / 0.75)}
  assert abs(dropped.mean() - 1.0) < 0.02  # 6 σ of 40,000 coins


def test_without_a_seed_nothing_is_dropped():
  x = tf.ones([10])

  assert dropout(x, 0.5, None) is x
  assert site_seed(None, 3) is None


def test_sites_and_steps_have_seeds_of_their_own():
  seeds = {
    tuple(site_seed(tf.constant([step, replica]), site).numpy())
    for step in range(3)
    for replica in range(2)
    for site in range(5)
  }

  assert len(seeds) == 30
