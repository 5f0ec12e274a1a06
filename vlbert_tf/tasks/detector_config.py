"""What users set of a detector, and the numbers that it resolves to."""

import dataclasses

from official.modeling import hyperparams

from vlbert_tf.modeling import resnets
from vlbert_tf.vision.detector_architecture import DetectorArchitecture

_RESNETS = {
  'tiny': resnets.THIN_RESNET,
  'base': resnets.RESNET_101,
}


@dataclasses.dataclass
class DetectorConfig(hyperparams.Config):
  """What a YAML file says about the detector.

  Attributes:
    size: of its visual network, as in `ModelConfig`: `tiny` or `base`.
    resnet: see `ModelConfig`.
    stride_in_3x3: see `ResNetArchitecture`.
    pool_pads: see `ResNetArchitecture`.
    dilated_res5: whether res5 has stride 1 and dilation 2, as in published
      detectors of Visual Genome.
    image_short_side: see `ModelConfig`.
    image_long_side: see `ModelConfig`.
    max_objects: true objects of an image that training looks at.
    frozen_stages: see `ResNetArchitecture`.
    remat: likewise.

  The others are those of `DetectorArchitecture`.
  """

  size: str = 'base'
  image_short_side: int = 600
  image_long_side: int = 1000
  max_objects: int = 100
  resnet: str = ''
  stride_in_3x3: bool = False
  pool_pads: bool = True
  dilated_res5: bool = False
  frozen_stages: int = 0
  remat: bool = False
  anchor_sizes: list[float] = dataclasses.field(
    default_factory=lambda: [32.0, 64.0, 128.0, 256.0, 512.0]
  )
  anchor_ratios: list[float] = dataclasses.field(
    default_factory=lambda: [0.5, 1.0, 2.0]
  )
  anchor_shift: float = 0.5
  rpn_width: int = 512
  proposals_before_nms: int = 2000
  proposals: int = 300
  sampled_anchors: int = 256
  sampled_rois: int = 128
  roi_positive_fraction: float = 0.25
  candidates: int = 1000
  nms_iou: float = 0.3
  max_rois: int = 100
  min_rois: int = 10
  score_threshold: float = 0.5
  top_categories: int = 10


def detector_architecture(
  config: DetectorConfig, num_categories: int, num_attributes: int = 0
) -> DetectorArchitecture:
  """Turns settings into numbers.

  Args:
    config: what the user set.
    num_categories: C, object categories of the records.
    num_attributes: attributes of the records.

  Returns:
    The architecture.

  Raises:
    ValueError: the size or network is unknown, there is no anchor, or res5
      would be frozen.
  """
  if config.size not in _RESNETS:
    raise ValueError(
      f'detector.size must be one of {", ".join(_RESNETS)}. '
      f'Received: {config.size!r}.'
    )
  if not (config.anchor_sizes and config.anchor_ratios):
    raise ValueError(
      'detector.anchor_sizes and anchor_ratios must each name a number. '
      f'Received: {config.anchor_sizes} and {config.anchor_ratios}.'
    )
  if not 0 <= config.frozen_stages <= 4:
    raise ValueError(
      'detector.frozen_stages must lie between 0 (none) and 4 (up to res4). '
      f'Received: {config.frozen_stages}.'
    )
  values = config.as_dict()
  same = {
    field.name: values[field.name]
    for field in dataclasses.fields(DetectorArchitecture)
    if field.name in values and field.name != 'resnet'
  }
  same['anchor_sizes'] = tuple(map(float, config.anchor_sizes))
  same['anchor_ratios'] = tuple(map(float, config.anchor_ratios))
  resnet = dataclasses.replace(
    resnets.choose_resnet(
      'detector', config.resnet, config.stride_in_3x3, _RESNETS[config.size]
    ),
    frozen_stages=config.frozen_stages,
    remat=config.remat,
    pool_pads=config.pool_pads,
  )
  if config.dilated_res5:
    resnet = resnets.dilate_res5(resnet)
  return DetectorArchitecture(
    resnet=resnet,
    num_categories=num_categories,
    num_attributes=num_attributes,
    **same,
  )
