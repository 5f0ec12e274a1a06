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
  by_products: bool = False,
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
    by_products: whether samples are products of matrices, which XLA compiles;
      they need more memory than the operation that is used otherwise.

  Returns:
    `[B, N, output_size, output_size, channels]`, dtype of `features`.
  """
  channels = features.shape[-1]
  batch, count = tf.shape(boxes)[0], tf.shape(boxes)[1]
  samples = output_size * sampling_ratio
  # One border cell on each side gives the clamping at the borders;
  # coordinates move by that cell.
  padded = tf.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], 'SYMMETRIC')
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
  # crop_and_resize computes in float32 and does not take bfloat16.
  sampled = _sample_grids(
    tf.cast(padded, tf.float32),
    tf.stack([y1 + first * height, y1 + last * height], axis=-1),
    tf.stack([x1 + first * width, x1 + last * width], axis=-1),
    samples,
    by_products,
  )
  if sampling_ratio > 1:
    sampled = tf.nn.avg_pool2d(sampled, sampling_ratio, sampling_ratio, 'VALID')
  shape = [batch, count, output_size, output_size, channels]
  return tf.cast(tf.reshape(sampled, shape), features.dtype)


def _sample_grids(
  features: tf.Tensor,
  rows: tf.Tensor,
  columns: tf.Tensor,
  samples: int,
  by_products: bool,
) -> tf.Tensor:
  """Bilinear values on `samples` x `samples` points a box, 0 off the map.

  Args:
    features: float32 `[B, h, w, channels]`.
    rows: float32 `[B * N, 2]`, first and last row of each box's grid, in
      cells.
    columns: float32 `[B * N, 2]`, first and last column.
    samples: points a side.
    by_products: see `roi_align`.

  Returns:
    float32 `[B * N, samples, samples, channels]`.
  """
  batch, height, width = tf.unstack(tf.shape(features)[:3])
  channels = features.shape[-1]
  if by_products:
    down = _interpolation(rows, samples, height)
    down = tf.reshape(down, [batch, -1, height])
    lines = tf.reshape(features, [batch, height, width * channels])
    lines = tf.reshape(tf.matmul(down, lines), [-1, samples, width, channels])
    across = _interpolation(columns, samples, width)
    return tf.matmul(across[:, None], lines)

  @tf.custom_gradient
  def sample(features):
    grid = tf.stack(
      [
        rows[:, 0] / tf.cast(height - 1, tf.float32),
        columns[:, 0] / tf.cast(width - 1, tf.float32),
        rows[:, 1] / tf.cast(height - 1, tf.float32),
        columns[:, 1] / tf.cast(width - 1, tf.float32),
      ],
      axis=-1,
    )
    image = tf.repeat(tf.range(batch), tf.shape(rows)[0] // batch)
    sampled = tf.image.crop_and_resize(
      features, grid, image, [samples, samples]
    )

    def gradient(upstream):
      # crop_and_resize has a gradient of its own, but on CPUs its threads add
      # to the same cells without a lock and lose some of the sums. As products
      # of matrices it is exact and the same in every run.
      across = _interpolation(columns, samples, width)
      spread = tf.matmul(across[:, None], upstream, transpose_a=True)
      spread = tf.reshape(spread, [batch, -1, width * channels])
      down = tf.reshape(
        _interpolation(rows, samples, height), [batch, -1, height]
      )
      summed = tf.matmul(down, spread, transpose_a=True)
      return tf.reshape(summed, [batch, height, width, channels])

    return sampled, gradient

  return sample(features)


def _interpolation(ends: tf.Tensor, samples: int, length: tf.Tensor):
  """Weights `[M, samples, length]` of cells in points evenly between `ends`."""
  middle = tf.constant([0.5])
  steps = tf.linspace(0.0, 1.0, samples) if samples > 1 else middle
  points = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * steps
  last = tf.cast(length - 1, tf.float32)
  inside = tf.cast((points >= 0) & (points <= last), tf.float32)
  cells = tf.cast(tf.range(length), tf.float32)
  hat = tf.nn.relu(1.0 - tf.abs(points[..., None] - cells))
  return hat * inside[..., None]
