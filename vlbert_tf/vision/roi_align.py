"""RoIAlign (He et al., Mask R-CNN §3) on one feature map."""

import tensorflow as tf


def roi_align(
  features: tf.Tensor,
  boxes: tf.Tensor,
  *,
  output_size: int,
  stride: int,
  sampling_ratio: int = 1,
  half_pixel: bool = False,
) -> tf.Tensor:
  """Samples each box on a regular grid, bilinearly.

  A box is cut into `output_size` x `output_size` bins; a bin is the mean of
  `sampling_ratio`² samples spread evenly inside it. A sample beyond the map by
  less than one cell takes the border's value, one farther out is 0.

  Args:
    features: `[B, h, w, channels]`.
    boxes: float32 `[B, N, 4]`, pixels of the image. No gradient flows to them.
    output_size: bins a side.
    stride: pixels per cell of `features`.
    sampling_ratio: samples a side of each bin.
    half_pixel: whether cell i covers [i, i + 1) pixels of the map, so that
      its value sits at i + 0.5; off, its value sits at i.

  Returns:
    `[B, N, output_size, output_size, channels]`, dtype of `features`.
  """
  channels = features.shape[-1]
  batch, count = tf.shape(boxes)[0], tf.shape(boxes)[1]
  samples = output_size * sampling_ratio
  # One border cell on each side gives the clamping at the borders;
  # coordinates move by that cell.
  padded = tf.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], 'SYMMETRIC')
  extent = tf.cast(tf.shape(padded)[1:3] - 1, tf.float32)
  shift = 0.5 if half_pixel else 0.0
  corners = tf.reshape(tf.stop_gradient(boxes), [-1, 4]) / stride - shift + 1.0
  x1, y1, x2, y2 = tf.unstack(corners, axis=-1)
  # RoIs thinner than a cell are widened to one where coordinates are not
  # shifted, as the first implementations of RoIAlign did.
  smallest = 0.0 if half_pixel else 1.0
  width = tf.maximum(x2 - x1, smallest)
  height = tf.maximum(y2 - y1, smallest)
  first = 0.5 / samples
  last = 1.0 - first
  grid = tf.stack(
    [
      (y1 + first * height) / extent[0],
      (x1 + first * width) / extent[1],
      (y1 + last * height) / extent[0],
      (x1 + last * width) / extent[1],
    ],
    axis=-1,
  )
  # crop_and_resize computes in float32 and does not take bfloat16.
  sampled = tf.image.crop_and_resize(
    tf.cast(padded, tf.float32),
    grid,
    tf.repeat(tf.range(batch), count),
    [samples, samples],
  )
  if sampling_ratio > 1:
    sampled = tf.nn.avg_pool2d(sampled, sampling_ratio, sampling_ratio, 'VALID')
  shape = [batch, count, output_size, output_size, channels]
  return tf.cast(tf.reshape(sampled, shape), features.dtype)
