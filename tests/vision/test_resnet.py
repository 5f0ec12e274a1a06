"""The visual network: shapes, the convolution, independence of examples."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling import tiny_model
from vlbert_tf.modeling import config, resnets
from vlbert_tf.vision import resnet


def test_convolution_pads_both_sides_and_applies_scale_and_offset():
  layer = resnet.ConvAffine(1, 3, 2, activation=False, standardized=False)
  image = np.arange(1, 17, dtype=np.float32).reshape(1, 4, 4, 1)
  layer(image)
  layer.kernel.assign(tf.ones([3, 3, 1, 1]))
  layer.scale.assign([2.0])
  layer.offset.assign([0.5])

  # Windows centred on (0, 0), (0, 2), (2, 0), (2, 2) of rows 1..4, 5..8, …
  sums = [[1 + 2 + 5 + 6, 2 + 3 + 4 + 6 + 7 + 8], [57, 99]]
  sums[1][0] = 5 + 6 + 9 + 10 + 13 + 14
  sums[1][1] = 6 + 7 + 8 + 10 + 11 + 12 + 14 + 15 + 16

  expected = 2.0 * np.array(sums, np.float32) + 0.5
  np.testing.assert_allclose(layer(image)[0, :, :, 0], expected)


@pytest.mark.parametrize(('height', 'width'), [(6, 6), (5, 8)])
def test_a_dilated_convolution_skips_cells_and_can_be_trained(height, width):
  layer = resnet.ConvAffine(
    3, 3, activation=False, standardized=False, dilation=2
  )
  x = tf.random.stateless_normal([2, height, width, 4], [1, 2])
  layer(x)
  # The same kernel with zeros between its cells.
  spread = np.zeros([5, 5, 4, 3], np.float32)
  spread[::2, ::2] = layer.kernel
  expected = tf.nn.conv2d(x, spread, 1, 'SAME')

  with tf.GradientTape() as tape:
    y = layer(x)
    loss = tf.reduce_sum(y**2)

  np.testing.assert_allclose(y, expected, atol=1e-5)
  assert np.any(tape.gradient(loss, layer.kernel))


def test_a_cell_mask_chooses_what_of_a_roi_is_seen():
  network = _network()
  image = tf.random.stateless_uniform([1, 32, 32, 3], [3, 4])
  size = tf.constant([[32.0, 32.0]])
  boxes = tf.constant([[[4.0, 4.0, 28.0, 28.0]]])
  cells = tf.constant([[1.0, 0.0], [0.0, 0.0]])

  whole = network(image, size, boxes)
  corners = [
    network(image, size, boxes, tf.roll(cells, [r, c], [0, 1])[None, None])
    for r in range(2)
    for c in range(2)
  ]

  assert np.abs(corners[0] - whole).max() > 1e-4
  np.testing.assert_allclose(tf.add_n(corners), whole, atol=1e-5)


def test_standardized_kernels_keep_the_variance_of_random_input():
  layer = resnet.ConvAffine(64, 3, activation=True, standardized=True)
  x = tf.random.stateless_normal([8, 16, 16, 32], [1, 2])
  layer(x)
  # A bias in the weights, which standardization must remove.
  layer.kernel.assign_add(tf.ones_like(layer.kernel))

  y = layer(x).numpy()[:, 1:-1, 1:-1]

  # The gain makes the variance of ReLU's output 1.
  assert abs(y.var() - 1.0) < 0.1


def test_the_map_has_the_stated_stride_and_a_roi_the_stated_size():
  for architecture in (tiny_model.RESNET, config.THIN_RESNET):
    network = resnet.RoiFeatures(architecture)
    image = tf.zeros([1, 64, 96, 3])

    features = network.feature_map(image, tf.constant([[64.0, 96.0]]))
    appearance = network(
      image,
      tf.constant([[64.0, 96.0]]),
      tf.constant([[[0.0, 0.0, 50.0, 40.0]] * 3]),
    )

    stride = architecture.feature_stride
    assert features.shape[1:3] == (64 // stride, 96 // stride)
    assert appearance.shape == (1, 3, architecture.appearance_size)


def test_the_paper_network_is_resnet_101_with_stride_16():
  assert config.RESNET_101.feature_stride == 16
  assert config.RESNET_101.appearance_size == 2048
  # 3 convolutions a bottleneck, and the stem; the 101st layer is the
  # classifier.
  assert 3 * sum(config.RESNET_101.depths) + 1 == 100


@pytest.mark.parametrize('stride_in_3x3', [False, True])
def test_the_stride_is_in_the_1x1_or_in_the_3x3(stride_in_3x3):
  block = resnet.Bottleneck(
    2, 2, stride=2, project=True, standardized=False,
    stride_in_3x3=stride_in_3x3,
  )  # fmt: skip
  x = tf.random.stateless_normal([1, 6, 7, 3], [1, 2])
  block(x)
  rng = np.random.default_rng(5)
  for variable in block.weights:
    variable.assign(rng.normal(size=variable.shape))

  def conv(layer, values, stride=1):
    pad = [[0, 0], *[[layer.kernel_size // 2] * 2] * 2, [0, 0]]
    y = tf.nn.conv2d(values, layer.kernel, stride, pad)
    return y * layer.scale + layer.offset

  inner = tf.nn.relu(conv(block.reduce, x))
  if not stride_in_3x3:
    inner = inner[:, ::2, ::2]
  inner = conv(block.spatial, inner, 2 if stride_in_3x3 else 1)
  shortcut = conv(block.project, x)[:, ::2, ::2]
  expected = tf.nn.relu(conv(block.expand, tf.nn.relu(inner)) + shortcut)
  np.testing.assert_allclose(block(x), expected, rtol=1e-4, atol=1e-5)


def test_networks_are_chosen_by_name():
  chosen = resnets.choose_resnet('model', 'resnet50', True, config.THIN_RESNET)

  assert chosen.depths == (3, 4, 6, 3)
  assert chosen.stride_in_3x3
  assert resnets.choose_resnet('model', '', False, chosen).depths == (
    3,
    4,
    6,
    3,
  )
  with pytest.raises(ValueError, match='detector.resnet must be one of thin'):
    resnets.choose_resnet('detector', 'vgg', False, config.THIN_RESNET)


def _network(**changes):
  """A network in which no residual branch is silent."""
  architecture = dataclasses.replace(tiny_model.RESNET, **changes)
  network = resnet.RoiFeatures(architecture)
  network(
    tf.zeros([1, 8, 8, 3]), tf.constant([[8.0, 8.0]]), tf.zeros([1, 1, 4])
  )
  rng = np.random.default_rng(7)
  for variable in network.weights:
    if not variable.name.endswith('kernel:0'):
      variable.assign(rng.uniform(0.3, 1.0, variable.shape))
  return network


def test_one_example_does_not_see_its_neighbours():
  images = tf.random.stateless_normal([2, 40, 56, 3], [3, 4])
  boxes = tf.constant([[[3.0, 4.0, 30.0, 30.0]]] * 2)
  sizes = tf.constant([[40.0, 56.0]] * 2)
  network = _network()

  together = network(images, sizes, boxes)
  alone = network(images[:1], sizes[:1], boxes[:1])

  np.testing.assert_allclose(together[:1], alone, atol=1e-5)


@pytest.mark.parametrize('stride_in_3x3', [False, True])
@pytest.mark.parametrize('size', [(40, 56), (33, 47), (17, 9)])
def test_padding_an_image_changes_no_appearance(size, stride_in_3x3):
  image = tf.random.stateless_normal([1, *size, 3], [3, 4])
  height, width = size
  whole, corner = [0, 0, width, height], [width - 8, height - 9, width, height]
  boxes = tf.constant([[whole, corner]], tf.float32)
  padded = tf.pad(image, [[0, 0], [0, 71 - height], [0, 64 - width], [0, 0]])
  network = _network(stride_in_3x3=stride_in_3x3)

  alone = network(image, tf.constant([size], tf.float32), boxes)
  in_a_batch = network(padded, tf.constant([size], tf.float32), boxes)

  np.testing.assert_allclose(in_a_batch, alone, atol=1e-5)
