"""Sine and cosine embedding of boxes."""

import math

import numpy as np
import tensorflow as tf

from vlbert_tf.modeling import geometry


def test_each_coordinate_becomes_sines_then_cosines_of_growing_wavelength():
  boxes = tf.constant([[[8.0, 3.0, 40.0, 21.0]]])
  size = tf.constant([[30.0, 50.0]])  # height, width

  embedded = geometry.embed_corners(boxes, size, 24)[0, 0].numpy()

  expected = []
  for coordinate in (8 / 50, 3 / 30, 40 / 50, 21 / 30):
    phases = [100 * coordinate / 1000 ** (k / 3) for k in range(3)]
    expected += [math.sin(p) for p in phases] + [math.cos(p) for p in phases]
  # float32 of phases up to 100: 1e-5 relative of the phase.
  np.testing.assert_allclose(embedded, expected, atol=2e-5)


def test_the_released_code_embeds_centers_and_extents():
  boxes = tf.constant([[[8.0, 3.0, 40.0, 21.0]]])
  size = tf.constant([[30.0, 50.0]])

  embedded = geometry.embed_centers(boxes, size, 16)[0, 0].numpy()

  expected = []
  for coordinate in (24 / 50, 12 / 30, 32 / 50, 18 / 30):
    phases = [100 * coordinate / 1000 ** (k / 2) for k in range(2)]
    expected += [math.sin(p) for p in phases] + [math.cos(p) for p in phases]
  np.testing.assert_allclose(embedded, expected, atol=2e-5)


def test_scaling_image_and_box_together_changes_nothing():
  boxes = tf.constant([[[8.0, 3.0, 40.0, 21.0]]])
  size = tf.constant([[30.0, 50.0]])

  small = geometry.embed_corners(boxes, size, 16)
  large = geometry.embed_corners(boxes * 4, size * 4, 16)

  np.testing.assert_allclose(small, large, atol=1e-5)
