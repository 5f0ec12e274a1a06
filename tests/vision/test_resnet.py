"""The visual network: shapes, the convolution, independence of examples."""

import numpy as np
import tensorflow as tf

from tests.modeling import tiny_model
from vlbert_tf.modeling import config
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

    features = network.feature_map(image)
    appearance = network(image, tf.constant([[[0.0, 0.0, 50.0, 40.0]] * 3]))

    stride = architecture.feature_stride
    assert features.shape[1:3] == (64 // stride, 96 // stride)
    assert appearance.shape == (1, 3, architecture.appearance_size)


def test_the_paper_network_is_resnet_101_with_stride_16():
  assert config.RESNET_101.feature_stride == 16
  assert config.RESNET_101.appearance_size == 2048
  # 3 convolutions a bottleneck, and the stem; the 101st layer is the
  # classifier.
  assert 3 * sum(config.RESNET_101.depths) + 1 == 100


def test_one_example_does_not_see_its_neighbours():
  network = resnet.RoiFeatures(tiny_model.RESNET)
  images = tf.random.stateless_normal([2, 40, 56, 3], [3, 4])
  boxes = tf.constant([[[3.0, 4.0, 30.0, 30.0]]] * 2)

  together = network(images, boxes)
  alone = network(images[:1], boxes[:1])

  np.testing.assert_allclose(together[:1], alone, atol=1e-5)
