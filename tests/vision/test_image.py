"""Decoding, scaling, means and zeroed regions."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from vlbert_tf.vision import image as images


@pytest.mark.parametrize(
  ('size', 'expected'),
  [
    ((480, 640), (600, 800)),  # the short side gets 600
    ((640, 480), (800, 600)),
    ((500, 1500), (333, 1000)),  # the long side is bounded by 1000
    ((100, 100), (600, 600)),
    ((1, 4000), (1, 1000)),  # never below one pixel
  ],
)
def test_images_are_scaled_to_600_1000(size, expected):
  scaled = images.scaled_size(*size, 600, 1000)

  assert tuple(scaled.numpy()) == expected


def test_boxes_are_scaled_with_their_image():
  image = np.zeros([100, 200, 3], np.uint8)
  boxes = tf.constant([[20.0, 10.0, 100.0, 50.0]])

  scaled, scaled_boxes = images.scale_image_and_boxes(image, boxes, 50, 80)

  # The long side is bounded by 80: factor 0.4.
  assert scaled.shape == (40, 80, 3)
  np.testing.assert_allclose(scaled_boxes, [[8.0, 4.0, 40.0, 20.0]], rtol=1e-6)


def test_means_are_subtracted_and_padding_stays_zero():
  image = np.full([1, 3, 4, 3], 200.0, np.float32)

  centered = images.subtract_means(image, tf.constant([[2.0, 3.0]])).numpy()

  np.testing.assert_allclose(
    centered[0, 1, 2], [77.2283, 84.0535, 97.0199], atol=1e-4
  )
  assert np.all(centered[0, 2:] == 0)
  assert np.all(centered[0, :, 3:] == 0)


def test_a_pixel_that_a_selected_box_touches_is_zeroed():
  image = tf.ones([1, 5, 6, 3])
  boxes = tf.constant([[[1.5, 1.0, 3.2, 3.0], [0.0, 0.0, 6.0, 5.0]]])

  zeroed = images.zero_regions(image, boxes, tf.constant([[True, False]]))

  expected = np.ones([5, 6])
  expected[1:3, 1:4] = 0  # columns 1.5 to 3.2 touch pixels 1, 2, 3
  np.testing.assert_array_equal(zeroed[0, :, :, 0], expected)


@pytest.mark.parametrize('mode', ['RGB', 'L', 'RGBA', 'P'])
def test_every_mode_of_png_decodes_to_three_channels(mode):
  buffer = io.BytesIO()
  Image.new('RGB', (7, 5), (204, 102, 51)).convert(mode).save(buffer, 'PNG')

  decoded = images.decode(tf.constant(buffer.getvalue())).numpy()

  assert decoded.shape == (5, 7, 3)
  assert decoded.dtype == np.uint8
  if mode != 'L':
    assert np.abs(decoded[2, 3].astype(int) - [204, 102, 51]).max() <= 2


def test_bytes_that_are_no_image_are_refused():
  with pytest.raises(tf.errors.InvalidArgumentError):
    images.decode(tf.constant(b'not an image'))
