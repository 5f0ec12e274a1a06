"""RoIAlign, against the definition written out in loops."""

import numpy as np
import pytest
import tensorflow as tf

from vlbert_tf.vision.roi_align import roi_align


def _sample(features, y, x):
  """Bilinear value at (y, x); 0 beyond one cell outside the map."""
  height, width, channels = features.shape
  if y < -1 or x < -1 or y > height or x > width:
    return np.zeros(channels)
  y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
  top, left = int(y), int(x)
  bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
  down, across = y - top, x - left
  return (
    features[top, left] * (1 - down) * (1 - across)
    + features[top, right] * (1 - down) * across
    + features[bottom, left] * down * (1 - across)
    + features[bottom, right] * down * across
  )


def _reference(features, box, size, stride, ratio, half_pixel):
  shift = 0.5 if half_pixel else 0.0
  x1, y1, x2, y2 = [coordinate / stride - shift for coordinate in box]
  smallest = 0.0 if half_pixel else 1.0
  bin_height = max(y2 - y1, smallest) / size
  bin_width = max(x2 - x1, smallest) / size
  output = np.zeros([size, size, features.shape[-1]])
  for row in range(size):
    for column in range(size):
      for i in range(ratio):
        for j in range(ratio):
          y = y1 + (row + (i + 0.5) / ratio) * bin_height
          x = x1 + (column + (j + 0.5) / ratio) * bin_width
          output[row, column] += _sample(features, y, x) / ratio**2
  return output


BOXES = [
  [10.0, 7.0, 61.0, 39.0],
  [0.0, 0.0, 80.0, 48.0],  # the whole map
  [70.0, 30.0, 80.0, 48.0],  # at the corner
  [33.0, 21.0, 35.0, 24.0],  # thinner than a cell
]


def _align(features, boxes, compiled=False, **options):
  """As it is called, or compiled by XLA in the form that it knows."""

  @tf.function(jit_compile=compiled)
  def run(features):
    return roi_align(features, boxes, by_products=compiled, **options)

  return run(features)


@pytest.mark.parametrize('compiled', [False, True])
@pytest.mark.parametrize('half_pixel', [False, True])
@pytest.mark.parametrize('ratio', [1, 2])
@pytest.mark.parametrize('size', [3, 7])
def test_every_bin_equals_the_definition(size, ratio, half_pixel, compiled):
  features = np.random.default_rng(5).normal(size=[6, 10, 5])

  aligned = _align(
    tf.constant(features[None], tf.float32),
    tf.constant([BOXES]),
    compiled,
    output_size=size,
    stride=8,
    sampling_ratio=ratio,
    half_pixel=half_pixel,
  )

  for number, box in enumerate(BOXES):
    expected = _reference(features, box, size, 8, ratio, half_pixel)
    np.testing.assert_allclose(aligned[0, number], expected, atol=1e-5)


def test_boxes_of_each_image_sample_that_image():
  features = tf.reshape(tf.range(2 * 4 * 4, dtype=tf.float32), [2, 4, 4, 1])
  boxes = tf.constant([[[4.0, 4.0, 12.0, 12.0]]] * 2)

  aligned = roi_align(features, boxes, output_size=2, stride=4)

  # Bin centers at (1.5, 1.5) … (2.5, 2.5) of a ramp of 4 a row.
  assert aligned[0, 0, :, :, 0].numpy().tolist() == [[7.5, 8.5], [11.5, 12.5]]
  np.testing.assert_array_equal(aligned[1], aligned[0] + 16)


@pytest.mark.parametrize('compiled', [False, True])
def test_the_gradient_to_the_map_equals_finite_differences(compiled):
  features = np.random.default_rng(6).normal(size=[1, 4, 5, 1])
  boxes = tf.constant([[[3.0, 2.0, 30.0, 25.0]]])

  def loss(values):
    aligned = _align(values, boxes, compiled, output_size=3, stride=8)
    return tf.reduce_sum(aligned**2)

  variable = tf.constant(features, tf.float32)
  with tf.GradientTape() as tape:
    tape.watch(variable)
    value = loss(variable)
  gradient = tape.gradient(value, variable).numpy()

  step = 1e-2
  for place in [(0, 0, 0, 0), (0, 1, 2, 0), (0, 3, 3, 0)]:
    moved = [features.copy(), features.copy()]
    moved[0][place] += step
    moved[1][place] -= step
    high, low = (loss(tf.constant(m, tf.float32)) for m in moved)
    # The loss is quadratic: central differences are exact but for rounding.
    assert abs((high - low) / (2 * step) - gradient[place]) < 5e-3


def test_the_gradient_of_many_boxes_is_the_sum_of_their_gradients():
  # Enough work that a parallel kernel splits the boxes among its threads:
  # crop_and_resize's own gradient fails here.
  features = tf.zeros([1, 38, 63, 256])
  boxes = tf.tile([[[0.0, 0.0, 63 * 16.0, 38 * 16.0]]], [1, 100, 1])
  upstream = tf.random.stateless_normal([1, 1, 14, 14, 256], [3, 5])

  def gradient(boxes, upstream):
    with tf.GradientTape() as tape:
      tape.watch(features)
      aligned = roi_align(features, boxes, output_size=14, stride=16)
    return tape.gradient(aligned, features, upstream)

  alone = gradient(boxes[:, :1], upstream)

  # Lost sums are a matter of chance.
  for _ in range(10):
    together = gradient(boxes, tf.repeat(upstream, 100, axis=1))
    np.testing.assert_allclose(together, 100 * alone, rtol=1e-4, atol=1e-3)
