"""Images: bytes to pixels, sizes, means, and regions set to zero."""

import tensorflow as tf

from vlbert_tf.boxes import flip_left_right, rescale
from vlbert_tf.vision import gif

# Means of the Caffe models that Faster R-CNN's weights descend from, in RGB.
CHANNEL_MEANS = (122.7717, 115.9465, 102.9801)


def decode(encoded: tf.Tensor, max_pixels: int | None = None) -> tf.Tensor:
  """Decodes JPEG, PNG, GIF (its first frame) or BMP.

  Args:
    encoded: scalar string.
    max_pixels: height times width that may be decoded, as the header tells
      them; None where the bytes are trusted. A BMP is not compressed, so that
      its own length is its limit.

  Returns:
    uint8 `[H, W, 3]`, RGB. Gray becomes three equal channels, transparency
    is dropped, EXIF orientation is not applied.

  Raises:
    tf.errors.InvalidArgumentError: the bytes are no such image, or a larger
      one.
  """
  encoded, pixels = tf.case(
    _by_format(encoded, reads_sizes=max_pixels is not None),
    default=lambda: (tf.identity(encoded), tf.constant(0, tf.int64)),
  )
  checks = []
  if max_pixels is not None:
    fits = tf.debugging.assert_less_equal(
      pixels, tf.constant(max_pixels, tf.int64)
    )
    # Eagerly the assertion is no operation; it has raised already.
    checks = [] if fits is None else [fits]
  with tf.control_dependencies(checks):
    image = tf.io.decode_image(
      tf.identity(encoded), channels=3, expand_animations=False
    )
  image.set_shape([None, None, 3])
  return image


def _by_format(encoded: tf.Tensor, *, reads_sizes: bool) -> list:
  """Which format it is, and bytes to decode with the pixels they claim."""

  def starts(first: bytes):
    return tf.strings.substr(encoded, 0, len(first)) == first

  def first_frame():
    frame = gif.first_frame(encoded)
    return frame.encoded, _product([frame.height, frame.width])

  def jpeg():
    return tf.identity(encoded), _product(tf.io.extract_jpeg_shape(encoded)[:2])

  def png():
    # Width and height in the first chunk, most significant byte first.
    raw = tf.strings.substr(encoded, 16, 8)
    sides = tf.io.decode_raw(raw, tf.int32, little_endian=False)
    return tf.identity(encoded), _product(tf.ensure_shape(sides, [2]))

  formats = [(starts(b'GIF8'), first_frame)]
  if reads_sizes:
    formats.append((starts(b'\xff\xd8\xff'), jpeg))
    formats.append((starts(b'\x89PNG'), png))
  return formats


def _product(sizes: list[tf.Tensor] | tf.Tensor) -> tf.Tensor:
  return tf.reduce_prod(tf.cast(sizes, tf.int64))


def scaled_size(
  height: tf.Tensor, width: tf.Tensor, short_side: int, long_side: int
) -> tf.Tensor:
  """The size that an image is scaled to (600/1000 in the released code).

  Args:
    height: scalar, pixels.
    width: scalar, pixels.
    short_side: length that the short side gets ...
    long_side: ... unless the long side would exceed this.

  Returns:
    int32 `[2]`, height and width, at least 1.
  """
  size = tf.cast(tf.stack([height, width]), tf.float32)
  scale = tf.minimum(
    short_side / tf.reduce_min(size), long_side / tf.reduce_max(size)
  )
  scaled = tf.cast(tf.round(size * scale), tf.int32)
  return tf.clip_by_value(scaled, 1, long_side)


def scale_image_and_boxes(
  image: tf.Tensor, boxes: tf.Tensor, short_side: int, long_side: int
) -> tuple[tf.Tensor, tf.Tensor]:
  """Scales an image and the boxes on it.

  Args:
    image: uint8 `[H, W, 3]`.
    boxes: float32 `[R, 4]`, pixels of `image`.
    short_side: see `scaled_size`.
    long_side: see `scaled_size`.

  Returns:
    float32 `[h, w, 3]` in 0-255, and the boxes in its pixels.
  """
  original = tf.shape(image)[:2]
  size = scaled_size(original[0], original[1], short_side, long_side)
  scaled = tf.image.resize(image, size)
  ratio = tf.cast(size, tf.float32) / tf.cast(original, tf.float32)
  return scaled, rescale(boxes, ratio[0], ratio[1])


def maybe_flip(
  image: tf.Tensor, boxes: tf.Tensor, flip: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
  """Mirrors an image and the boxes on it, left to right.

  Args:
    image: `[H, W, 3]`.
    boxes: float32 `[R, 4]`, pixels of `image`.
    flip: bool scalar, whether it is done.

  Returns:
    `[H, W, 3]` and `[R, 4]`.
  """
  width = tf.cast(tf.shape(image)[1], tf.float32)
  return (
    tf.where(flip, tf.reverse(image, [1]), image),
    tf.where(flip, flip_left_right(boxes, width), boxes),
  )


def canvas_sizes(short_side: int, long_side: int) -> list[tuple[int, int]]:
  """Heights and widths that batches of images are padded to.

  Args:
    short_side: see `scaled_size`.
    long_side: see `scaled_size`.

  Returns:
    Landscape, portrait, and the square that holds a mixture of both.
  """
  return [
    (short_side, long_side),
    (long_side, short_side),
    (long_side, long_side),
  ]


def subtract_means(image: tf.Tensor, image_size: tf.Tensor) -> tf.Tensor:
  """Centres the channels and keeps the padding at zero.

  Args:
    image: float32 `[B, H, W, 3]`, RGB in 0-255.
    image_size: float32 `[B, 2]`, height and width without padding.

  Returns:
    float32 `[B, H, W, 3]`.
  """
  rows = tf.range(tf.shape(image)[1], dtype=tf.float32)
  columns = tf.range(tf.shape(image)[2], dtype=tf.float32)
  real_row = rows[None, :] < image_size[:, :1]
  real_column = columns[None, :] < image_size[:, 1:]
  real = real_row[:, :, None] & real_column[:, None, :]
  means = tf.constant(CHANNEL_MEANS, tf.float32)
  return tf.where(real[..., None], image - means, 0.0)


def zero_regions(
  image: tf.Tensor, boxes: tf.Tensor, selected: tf.Tensor
) -> tf.Tensor:
  """Sets the pixels of selected boxes to zero (VL-BERT §3.3).

  A pixel that a box touches in part is zeroed as well, since bilinear
  sampling would read it.

  Args:
    image: `[B, H, W, 3]`.
    boxes: float32 `[B, R, 4]`, pixels of `image`.
    selected: bool `[B, R]`.

  Returns:
    `[B, H, W, 3]`.
  """
  x1, y1, x2, y2 = tf.unstack(boxes[..., None], axis=-2)

  def touched(low, high, count):
    pixel = tf.range(count, dtype=tf.float32)
    inside = (pixel + 1.0 > low) & (pixel < high)
    return tf.cast(inside & selected[..., None], tf.float32)

  rows = touched(y1, y2, tf.shape(image)[1])
  columns = touched(x1, x2, tf.shape(image)[2])
  hits = tf.einsum('brh,brw->bhw', rows, columns)
  return tf.where(hits[..., None] > 0.0, tf.zeros_like(image), image)
