"""From the bytes of images to a batch of pixels, inside the served graph."""

from typing import NamedTuple

import tensorflow as tf

from serving import statuses
from vlbert_tf.data import batching
from vlbert_tf.vision import image as images

# A few bytes can unfold to any number of pixels. Cameras stay below this.
MAX_PIXELS = 1 << 27

NOT_AN_IMAGE = (
  'An image must be the whole bytes of a JPEG, PNG, GIF or BMP of at most '
  f'{MAX_PIXELS >> 20} megapixels.'
)


class DecodedImages(NamedTuple):
  """Images scaled as in training.

  Attributes:
    pixels: float32 `[B, h, w, 3]`, RGB 0-255, zero beyond each image; h and w
      are the batch's own largest.
    size: float32 `[B, 2]`, height and width in pixels.
    ratio: float32 `[B, 2]`, of those to height and width as decoded.
    status: string `[B]`; an image that cannot be read is one black pixel.
  """

  pixels: tf.Tensor
  size: tf.Tensor
  ratio: tf.Tensor
  status: tf.Tensor


# To look for control flow on tensors would take longer than the rest.
@tf.autograph.experimental.do_not_convert
def decode_images(
  encoded: tf.Tensor, shape: batching.BatchShape
) -> DecodedImages:
  """Decodes and scales a batch.

  Args:
    encoded: string `[B]`; see `image.decode`.
    shape: gives the sides that images are scaled to.

  Returns:
    `DecodedImages`.
  """
  side = shape.long_side

  def prepare(row):
    pixels = images.decode(row, MAX_PIXELS)
    scaled, _ = images.scale_image_and_boxes(
      pixels, tf.zeros([0, 4]), shape.short_side, side
    )
    size = tf.cast(tf.shape(scaled)[:2], tf.float32)
    ratio = size / tf.cast(tf.shape(pixels)[:2], tf.float32)
    pixels = tf.image.pad_to_bounding_box(scaled, 0, 0, side, side)
    return pixels, size, ratio, statuses.OK

  one_black_pixel = (
    tf.zeros([side, side, 3]), tf.ones([2]), tf.ones([2]), NOT_AN_IMAGE
  )  # fmt: skip

  def prepare_or_say(row):
    # The one way to go on after an error inside a graph.
    good = tf.data.Dataset.from_tensors(row).map(prepare).ignore_errors()
    bad = tf.data.Dataset.from_tensors(one_black_pixel)
    return good.concatenate(bad).take(1).get_single_element()

  # One row at a time: decoded images differ in size.
  pixels, size, ratio, status = tf.map_fn(
    prepare_or_say,
    encoded,
    fn_output_signature=(
      tf.TensorSpec([side, side, 3], tf.float32),
      tf.TensorSpec([2], tf.float32),
      tf.TensorSpec([2], tf.float32),
      tf.TensorSpec([], tf.string),
    ),
  )
  largest = tf.cast(tf.reduce_max(size, axis=0), tf.int32)
  pixels = pixels[:, : largest[0], : largest[1]]
  return DecodedImages(pixels, size, ratio, status)
