"""Visual networks by name, and every number that their layers need."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResNetArchitecture:
  """A bottleneck ResNet, split after res4 (C4) for RoIAlign.

  Attributes:
    stem_width: channels of the stem's convolution, which has stride 2.
    stem_kernel_size: side of its kernel.
    stem_pool: whether a 3x3 max pooling of stride 2 follows the stem.
    depths: number of bottlenecks of res2, res3, res4, res5.
    widths: inner channels of the four stages.
    strides: of the first bottleneck of each stage.
    stride_in_3x3: whether its 3x3 convolution has the stride, as in
      torchvision's networks, rather than its first 1x1, as in Caffe's.
    pool_pads: whether the first window of the max pooling begins a cell before
      the map, as in torchvision's networks, rather than on its first cell, as
      in Caffe's.
    expansion: outer channels of a stage over its inner ones.
    standardized: kernels are standardized (Qiao et al., 2019), so that the
      network trains from random weights without batch statistics. Off for
      networks whose published weights have their batch norms folded.
    roi_size: side of RoIAlign's output, in bins.
    pixel_scale: that pixels are multiplied with; 1 for published weights.
    dilation: of the 3x3 convolutions of res5. The released networks give res5
      a stride of 1 and this dilation of 2.
    frozen_stages: parts that do not learn: 1 is the stem, 2 the stem and res2,
      as published detectors are trained, and so on; 5 is all, 0 is none.
    compiled: whether XLA compiles the network, so that only operations it
      knows may be used.
    remat: whether activations inside blocks are computed again in the backward
      pass rather than kept.
  """

  stem_width: int
  stem_kernel_size: int
  stem_pool: bool
  depths: tuple[int, int, int, int]
  widths: tuple[int, int, int, int]
  strides: tuple[int, int, int, int]
  expansion: int
  standardized: bool
  roi_size: int
  pixel_scale: float
  dilation: int = 1
  frozen_stages: int = 0
  stride_in_3x3: bool = False
  pool_pads: bool = True
  compiled: bool = False
  remat: bool = False

  @property
  def feature_stride(self) -> int:
    """Pixels of the image per cell of the C4 map."""
    stem = 4 if self.stem_pool else 2
    return stem * self.strides[0] * self.strides[1] * self.strides[2]

  @property
  def pooled_cells(self) -> int:
    """s, rows and columns of a RoI in res5, over which the mean is taken."""
    return -(-self.roi_size // self.strides[3])

  @property
  def appearance_size(self) -> int:
    """A, the size of an appearance vector."""
    return self.widths[3] * self.expansion


RESNET_101 = ResNetArchitecture(
  stem_width=64,
  stem_kernel_size=7,
  stem_pool=True,
  depths=(3, 4, 23, 3),
  widths=(64, 128, 256, 512),
  strides=(1, 2, 2, 2),
  expansion=4,
  standardized=False,
  roi_size=14,
  pixel_scale=1.0,
)

RESNET_50 = dataclasses.replace(RESNET_101, depths=(3, 4, 6, 3))
RESNET_152 = dataclasses.replace(RESNET_101, depths=(3, 8, 36, 3))

# Stride 8: the objects of small images span few cells at stride 16.
THIN_RESNET = ResNetArchitecture(
  stem_width=16,
  stem_kernel_size=3,
  stem_pool=True,
  depths=(1, 1, 1, 1),
  widths=(16, 24, 32, 64),
  strides=(1, 2, 1, 2),
  expansion=2,
  standardized=True,
  roi_size=4,
  pixel_scale=1 / 58,
)

RESNETS = {
  'thin': THIN_RESNET,
  'resnet50': RESNET_50,
  'resnet101': RESNET_101,
  'resnet152': RESNET_152,
}


def choose_resnet(
  section: str, name: str, stride_in_3x3: bool, default: ResNetArchitecture
) -> ResNetArchitecture:
  """The visual network that settings name.

  Args:
    section: of the settings, for the message.
    name: one of `RESNETS`, or empty.
    stride_in_3x3: see `ResNetArchitecture`.
    default: where the name is empty.

  Returns:
    The network.

  Raises:
    ValueError: the name is unknown.
  """
  if name and name not in RESNETS:
    raise ValueError(
      f'{section}.resnet must be one of {", ".join(RESNETS)}, or empty. '
      f'Received: {name!r}.'
    )
  return dataclasses.replace(
    RESNETS[name] if name else default, stride_in_3x3=stride_in_3x3
  )


def dilate_res5(resnet: ResNetArchitecture) -> ResNetArchitecture:
  """The same network with stride 1 and dilation 2 in res5."""
  return dataclasses.replace(
    resnet, strides=(*resnet.strides[:3], 1), dilation=2
  )
