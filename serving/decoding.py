"""From the bytes of images to a batch of pixels, inside the served graph."""

from typing import NamedTuple

import tensorflow as tf

from vlbert_tf.data import batching
from vlbert_tf.vision import image as images


class DecodedImages(NamedTuple):
  """Images scaled as in training.

  Attributes:
    pixels: float32 `[B, h, w, 3]`, RGB 0-255, zero beyond each image; h and w
      are the batch's own largest.
    size: float32 `[B, 2]`, height and width in pixels.
    ratio: float32 `[B, 2]`, of those to height and width as decoded.
  """

  pixels: tf.Tensor
  size: tf.Tensor
  ratio: tf.Tensor


def decode_images(
  encoded: tf.Tensor, shape: batching.BatchShape
) -> DecodedImages:
  """Decodes and scales a batch.

  Args:
    encoded: string `[B]`; see `image.decode`.
    shape: gives the sides that images are scaled to.

  Returns:
    `DecodedImages`.

  Raises:
    tf.errors.InvalidArgumentError: some bytes are no image.
  """
  side = shape.long_side

  def prepare(row):
    pixels = images.decode(row)
    scaled, _ = images.scale_image_and_boxes(
      pixels, tf.zeros([0, 4]), shape.short_side, side
    )
    size = tf.cast(tf.shape(scaled)[:2], tf.float32)
    ratio = size / tf.cast(tf.shape(pixels)[:2], tf.float32)
    return tf.image.pad_to_bounding_box(scaled, 0, 0, side, side), size, ratio

  # One row at a time: decoded images differ in size.
  pixels, size, ratio = tf.map_fn(
    prepare,
    encoded,
    fn_output_signature=(
      tf.TensorSpec([side, side, 3], tf.float32),
      tf.TensorSpec([2], tf.float32),
      tf.TensorSpec([2], tf.float32),
    ),
  )
  largest = tf.cast(tf.reduce_max(size, axis=0), tf.int32)
  return DecodedImages(pixels[:, : largest[0], : largest[1]], size, ratio)
