"""A bottleneck ResNet in two parts: up to res4 (C4), and res5 for each RoI.

Batch norms of published weights are folded into a scale and an offset per
channel. Trained from random weights, kernels are standardized instead (Qiao
et al., 2019): that needs no statistics of the batch, so one example's output
does not depend on its neighbours, nor on the number of replicas.
"""

import tensorflow as tf
import tf_keras

from vlbert_tf.recomputation import recomputed
from vlbert_tf.vision.roi_align import roi_align

# ReLU of a standard normal variable has this deviation's inverse as gain.
_RELU_GAIN = 1.7139588594436646


class ConvAffine(tf_keras.layers.Layer):
  """Convolution, scale and offset per channel, optionally ReLU."""

  def __init__(
    self,
    filters: int,
    kernel_size: int,
    stride: int = 1,
    *,
    activation: bool,
    standardized: bool,
    scale_init: float = 1.0,
    dilation: int = 1,
    **kwargs,
  ):
    super().__init__(**kwargs)
    self.filters = filters
    self.kernel_size = kernel_size
    self.stride = stride
    self.activation = activation
    self.standardized = standardized
    self.scale_init = scale_init
    self.dilation = dilation

  def build(self, input_shape):
    self.kernel = self.add_weight(
      name='kernel',
      shape=[self.kernel_size] * 2 + [input_shape[-1], self.filters],
      initializer='he_normal',
    )
    self.scale = self.add_weight(
      name='scale',
      shape=[self.filters],
      initializer=tf_keras.initializers.Constant(self.scale_init),
    )
    self.offset = self.add_weight(
      name='offset', shape=[self.filters], initializer='zeros'
    )
    super().build(input_shape)

  def call(self, x):
    """Maps `[B, h, w, c]` to `[B, ceil(h/stride), ceil(w/stride), filters]`."""
    # Padding is the same on all sides, as in Caffe and PyTorch; TensorFlow's
    # 'SAME' pads more on the right when it strides.
    pad = self.kernel_size // 2
    paddings = [[0, 0], [pad, pad], [pad, pad], [0, 0]]
    kernel = self._standardized_kernel() if self.standardized else self.kernel
    # Scaling the kernel spares a pass over the activations, and its gradient.
    kernel = kernel * self.scale
    if self.dilation == 1:
      x = tf.nn.conv2d(x, kernel, self.stride, paddings)
    else:
      x = _dilated_conv(x, kernel, self.dilation)
    x = tf.nn.bias_add(x, self.offset)
    return tf.nn.relu(x) if self.activation else x

  def _standardized_kernel(self) -> tf.Tensor:
    mean, variance = tf.nn.moments(self.kernel, [0, 1, 2], keepdims=True)
    fan_in = self.kernel.shape[0] * self.kernel.shape[1] * self.kernel.shape[2]
    gain = _RELU_GAIN * tf.math.rsqrt(variance * fan_in + 1e-4)
    return (self.kernel - mean) * gain


def _dilated_conv(x: tf.Tensor, kernel: tf.Tensor, rate: int) -> tf.Tensor:
  """Convolution of stride 1 whose kernel skips `rate - 1` cells, size kept.

  Every rate-th cell becomes an image of its own: TensorFlow has no gradient
  of dilated convolutions on CPUs.
  """
  pad = kernel.shape[0] // 2 * rate
  height, width = tf.shape(x)[1], tf.shape(x)[2]
  spare = [-(height + 2 * pad) % rate, -(width + 2 * pad) % rate]
  paddings = [[pad, pad + spare[0]], [pad, pad + spare[1]]]
  x = tf.space_to_batch(x, [rate, rate], paddings)
  x = tf.nn.conv2d(x, kernel, 1, 'VALID')
  return tf.batch_to_space(x, [rate, rate], [[0, spare[0]], [0, spare[1]]])


class Bottleneck(tf_keras.layers.Layer):
  """1x1, 3x3, 1x1, and the shortcut.

  The first convolution has the stride, as in Caffe, or the second one, as in
  torchvision.
  """

  def __init__(
    self,
    width: int,
    expansion: int,
    stride: int,
    project: bool,
    standardized: bool,
    dilation: int = 1,
    stride_in_3x3: bool = False,
    **kwargs,
  ):
    super().__init__(**kwargs)
    outer = width * expansion
    strides = (1, stride) if stride_in_3x3 else (stride, 1)

    def conv(
      name, filters, size, stride=1, activation=True, scale_init=1.0, dilation=1
    ):
      return ConvAffine(
        filters,
        size,
        stride,
        activation=activation,
        standardized=standardized,
        scale_init=scale_init,
        dilation=dilation,
        name=name,
      )

    self.reduce = conv('reduce', width, 1, strides[0])
    self.spatial = conv('spatial', width, 3, strides[1], dilation=dilation)
    # At zero the block starts as its shortcut, which keeps a deep stack
    # without normalisation stable.
    self.expand = conv('expand', outer, 1, activation=False, scale_init=0.0)
    self.project = (
      conv('project', outer, 1, stride, activation=False) if project else None
    )

  def call(self, x, mask=None):
    """Applies the block.

    Args:
      x: `[B, h, w, c]`.
      mask: 0 in cells of padding, `[B, h, w, 1]` where the 3x3 convolution
        has the stride, else `[B, h/stride, w/stride, 1]`; or None.

    Returns:
      `[B, h/stride, w/stride, width * expansion]`.
    """
    shortcut = x if self.project is None else self.project(x)
    reduced = self.reduce(x)
    if mask is not None:
      # The next convolution looks at neighbours: beyond the image they must
      # be zero, as they are beyond the map.
      reduced = reduced * mask
    return tf.nn.relu(shortcut + self.expand(self.spatial(reduced)))


def _stage(architecture, index: int) -> list[Bottleneck]:
  return [
    Bottleneck(
      architecture.widths[index],
      architecture.expansion,
      stride=architecture.strides[index] if block == 0 else 1,
      project=block == 0,
      standardized=architecture.standardized,
      dilation=architecture.dilation if index == 3 else 1,
      stride_in_3x3=architecture.stride_in_3x3,
      name=f'res{index + 2}_{block}',
    )
    for block in range(architecture.depths[index])
  ]


def _cell_mask(cells: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
  """1 in the first rows and columns, `[B, 2]` of them, of a map like `x`."""
  rows = tf.sequence_mask(cells[:, 0], tf.shape(x)[1], x.dtype)
  columns = tf.sequence_mask(cells[:, 1], tf.shape(x)[2], x.dtype)
  return (rows[:, :, None] * columns[:, None, :])[..., None]


def _repeat_border(x: tf.Tensor, cells: tf.Tensor) -> tf.Tensor:
  """Fills what lies beyond `cells` `[B, 2]` with the last cell before it."""
  # Products with one-hot rows rather than gathers, whose gradient adds up in
  # an order that differs from run to run.
  height, width = tf.shape(x)[1], tf.shape(x)[2]
  rows = tf.minimum(tf.range(height)[None], cells[:, :1] - 1)
  columns = tf.minimum(tf.range(width)[None], cells[:, 1:] - 1)
  x = tf.einsum('bih,bhwc->biwc', tf.one_hot(rows, height, dtype=x.dtype), x)
  return tf.einsum(
    'bjw,biwc->bijc', tf.one_hot(columns, width, dtype=x.dtype), x
  )


class RoiFeatures(tf_keras.layers.Layer):
  """Appearance of boxes: C4 map, RoIAlign, res5, mean (VL-BERT §3.2).

  The architecture is a `modeling.resnets.ResNetArchitecture`.
  """

  def __init__(self, architecture, border_cell=True, **kwargs):
    """Creates the network.

    Args:
      architecture: of the network.
      border_cell: whether the map's border goes on for one cell where RoIAlign
        reads beyond it, as if the image were padded; off, it reads zeros, as
        in the released code.
      **kwargs: of Keras.
    """
    super().__init__(**kwargs)
    self.architecture = architecture
    self.border_cell = border_cell
    self.stem = ConvAffine(
      architecture.stem_width,
      architecture.stem_kernel_size,
      2,
      activation=True,
      standardized=architecture.standardized,
      name='stem',
    )
    self.stages = [_stage(architecture, stage) for stage in range(3)]
    self.res5 = _stage(architecture, 3)
    parts = [[self.stem], *self.stages, self.res5]
    for layer in sum(parts[: architecture.frozen_stages], []):
      layer.trainable = False

  def feature_map(self, image: tf.Tensor, image_size: tf.Tensor) -> tf.Tensor:
    """The C4 map; an image's values do not depend on how far it is padded.

    Args:
      image: `[B, H, W, 3]`, means subtracted, zero in padding.
      image_size: `[B, 2]`, height and width without padding.

    Returns:
      `[B, H/stride, W/stride, channels]`; cells of padding repeat the
      nearest cell of the image, which is what RoIAlign reads at a border.
    """
    image = tf.cast(image * self.architecture.pixel_scale, self.compute_dtype)
    cells = tf.cast(tf.math.ceil(image_size), tf.int32)
    cells = (cells + 1) // 2
    x = self.stem(image)
    x = x * _cell_mask(cells, x)
    if self.architecture.stem_pool:
      # Zeros stand for nothing: no value before them is negative.
      before = 1 if self.architecture.pool_pads else 0
      cells = tf.maximum((cells + before) // 2, 1)
      padded = tf.pad(x, [[0, 0], [before, 1], [before, 1], [0, 0]])
      x = tf.nn.max_pool2d(padded, 3, 2, 'VALID')
    frozen = self.architecture.frozen_stages
    if frozen == 1:
      x = tf.stop_gradient(x)
    for stage, blocks in enumerate(self.stages):
      stride = self.architecture.strides[stage]
      before, cells = cells, (cells + stride - 1) // stride
      for number, block in enumerate(blocks):
        # The first block strides: before its 3x3 convolution, or within it.
        if number == 0 and self.architecture.stride_in_3x3:
          mask = _cell_mask(before, x)
        elif number == 0:
          mask = _cell_mask(cells, x[:, ::stride, ::stride])
        elif number == 1:
          mask = _cell_mask(cells, x)
        x = self._block(block, x, mask)
      if frozen == stage + 2:
        # Spares the gradients of what does not learn.
        x = tf.stop_gradient(x)
    return _repeat_border(x, cells)

  def _block(self, block: Bottleneck, x, mask=None):
    if self.architecture.remat:
      return recomputed(lambda x: block(x, mask), x)
    return block(x, mask)

  def call(self, image, image_size, boxes, cell_masks=None):
    """Computes appearance vectors.

    Args:
      image: `[B, H, W, 3]`, means subtracted, zero in padding.
      image_size: `[B, 2]`, height and width without padding.
      boxes: float32 `[B, N, 4]`, pixels of `image`.
      cell_masks: float32 `[B, N, s, s]`, what each cell of res5 is multiplied
        with, or None.

    Returns:
      `[B, N, A]`.
    """
    features = self.feature_map(image, image_size)
    return self.appearance(features, boxes, cell_masks)

  def appearance(
    self,
    features: tf.Tensor,
    boxes: tf.Tensor,
    cell_masks: tf.Tensor | None = None,
  ) -> tf.Tensor:
    """The vectors of boxes on a map.

    Args:
      features: `[B, h, w, channels]` of `feature_map`.
      boxes: float32 `[B, N, 4]`, pixels of the image.
      cell_masks: see `call`.

    Returns:
      `[B, N, A]`.
    """
    if self.border_cell:
      # RoIAlign widens a RoI thinner than a cell, at a border beyond the map,
      # where samples are 0. One more cell holds what a padded image has there.
      features = tf.concat([features, features[:, -1:]], axis=1)
      features = tf.concat([features, features[:, :, -1:]], axis=2)
    aligned = roi_align(
      features,
      boxes,
      output_size=self.architecture.roi_size,
      stride=self.architecture.feature_stride,
      by_products=self.architecture.compiled,
    )
    count = tf.shape(boxes)[1]
    x = tf.reshape(aligned, tf.concat([[-1], tf.shape(aligned)[2:]], 0))
    x = tf.ensure_shape(x, [None, *aligned.shape[2:]])
    for block in self.res5:
      x = self._block(block, x)
    if cell_masks is not None:
      side = x.shape[1]
      masks = tf.reshape(cell_masks, [-1, side, side, 1])
      x = x * tf.cast(masks, x.dtype)
    pooled = tf.reduce_mean(x, axis=[1, 2])
    if self.architecture.frozen_stages == 5:
      pooled = tf.stop_gradient(pooled)
    return tf.reshape(pooled, [-1, count, self.architecture.appearance_size])
