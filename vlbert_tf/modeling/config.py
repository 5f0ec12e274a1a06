"""The configuration of the model: what users set, and what it resolves to.

Users choose a `size` and a `preset` by name and may set single fields. The
layers see only the resolved `Architecture`: a layer takes the value of a
field, never the name of a size or a preset.
"""

import dataclasses

from official.modeling import hyperparams

from vlbert_tf.modeling import arithmetic as arithmetics


@dataclasses.dataclass
class ModelConfig(hyperparams.Config):
  """What a YAML file says about the model.

  Attributes:
    preset: arithmetic of the model; `paper` is VL-BERT as published,
      `official` that of the released weights.
    size: `tiny` (tests, laptops), `minilm` (6 layers of 384, the width of
      published small language models), `base` (VL-BERT §3.1: 12 layers of
      768) or `large` (24 layers of 1024).
    visual_features: `pixels`: appearance is computed inside the model and
      trained jointly (VL-BERT §3.4); `precomputed`: it is an input.
    resnet: the visual network of `pixels`, one of `RESNETS`; empty for that of
      the size.
    stride_in_3x3: see `ResNetArchitecture`.
    appearance_size: A, of precomputed features.
    classifier_size: inner size of a classifier of two layers.
    dropout_rate: of embeddings, attention and feed-forward outputs.
    max_text_length: longest text, special words included, in elements.
    max_rois: most RoIs of an image.
    image_short_side: images are scaled so that their short side has this
      many pixels ...
    image_long_side: ... unless the long side would then exceed this many.
    frozen_stages: parts of the visual network that do not learn, as
      `ResNetArchitecture` counts them.
    xla: `attention` compiles the attention core, `none` compiles nothing.
  """

  preset: str = 'paper'
  size: str = 'base'
  visual_features: str = 'pixels'
  resnet: str = ''
  stride_in_3x3: bool = False
  appearance_size: int = 2048
  classifier_size: int = 1024
  dropout_rate: float = 0.1
  max_text_length: int = 64
  max_rois: int = 100
  image_short_side: int = 600
  image_long_side: int = 1000
  frozen_stages: int = 0
  xla: str = 'attention'


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

  @property
  def feature_stride(self) -> int:
    """Pixels of the image per cell of the C4 map."""
    stem = 4 if self.stem_pool else 2
    return stem * self.strides[0] * self.strides[1] * self.strides[2]

  @property
  def appearance_size(self) -> int:
    """A, the size of an appearance vector."""
    return self.widths[3] * self.expansion


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
  """Every number that a layer needs.

  Attributes:
    hidden_size: D.
    num_layers: encoder layers.
    num_heads: attention heads.
    feed_forward_size: inner size of eq. 3.
    max_positions: rows of the position table.
    geometry_size: G, four coordinates of sines and cosines.
    initial_deviation: of new kernels. The paper's 0.02 suits BERT's width; a
      narrow model would hardly attend with it.
    embedding_deviation: of new embeddings, and what the visual feature
      embedding is normalised to, so that none of the four drowns the others.
    resnet: the visual network, or None where appearance is an input.
    vocab_size: V.
    num_categories: object categories C, background not counted.
    dropout_rate: as in `ModelConfig`.
    compile_attention: whether XLA compiles the attention core.
    arithmetic: where the paper and the released code differ.
    precomputed_appearance_size: A where appearance is an input.
    classifier_size: inner size of a classifier of two layers.
  """

  hidden_size: int
  num_layers: int
  num_heads: int
  feed_forward_size: int
  max_positions: int
  geometry_size: int
  initial_deviation: float
  embedding_deviation: float
  resnet: ResNetArchitecture | None
  vocab_size: int
  num_categories: int
  dropout_rate: float
  compile_attention: bool
  arithmetic: arithmetics.Arithmetic = arithmetics.PAPER
  precomputed_appearance_size: int = 0
  classifier_size: int = 0

  @property
  def appearance_size(self) -> int:
    """A, the size of an appearance vector."""
    if self.resnet is None:
      return self.precomputed_appearance_size
    return self.resnet.appearance_size


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
}

_SIZES = {
  'tiny': {
    'hidden_size': 128,
    'num_layers': 2,
    'num_heads': 4,
    'feed_forward_size': 512,
    'max_positions': 128,
    'geometry_size': 64,
    'initial_deviation': 0.08,
    'embedding_deviation': 0.1,
    'resnet': THIN_RESNET,
  },
  'minilm': {
    'hidden_size': 384,
    'num_layers': 6,
    'num_heads': 12,
    'feed_forward_size': 1536,
    'max_positions': 512,
    'geometry_size': 64,
    'initial_deviation': 0.02,
    'embedding_deviation': 0.02,
    'resnet': THIN_RESNET,
  },
  'base': {
    'hidden_size': 768,
    'num_layers': 12,
    'num_heads': 12,
    'feed_forward_size': 3072,
    'max_positions': 512,
    'geometry_size': 2048,
    'initial_deviation': 0.02,
    'embedding_deviation': 0.02,
    'resnet': RESNET_101,
  },
  'large': {
    'hidden_size': 1024,
    'num_layers': 24,
    'num_heads': 16,
    'feed_forward_size': 4096,
    'max_positions': 512,
    'geometry_size': 2048,
    'initial_deviation': 0.02,
    'embedding_deviation': 0.02,
    'resnet': RESNET_101,
  },
}


def resolve(
  config: ModelConfig, vocab_size: int, num_categories: int
) -> Architecture:
  """Turns names into numbers.

  Args:
    config: what the user set.
    vocab_size: V, lines of the vocabulary file.
    num_categories: C, object categories of the records.

  Returns:
    The architecture.

  Raises:
    ValueError: a name is unknown, or lengths do not fit each other.
  """
  _check_choice('preset', config.preset, tuple(arithmetics.PRESETS))
  _check_choice('size', config.size, tuple(_SIZES))
  _check_choice(
    'visual_features', config.visual_features, ('pixels', 'precomputed')
  )
  _check_choice('xla', config.xla, ('attention', 'none'))
  size = dict(_SIZES[config.size])
  size['resnet'] = choose_resnet(
    'model', config.resnet, config.stride_in_3x3, size['resnet']
  )
  # RoIs take the position after the text, [END] the one after that.
  longest = size['max_positions'] - 2
  if not 5 <= config.max_text_length <= longest:
    raise ValueError(
      f'model.max_text_length must lie between 5 and {longest} for size '
      f'{config.size}, whose position table it indexes. '
      f'Received: {config.max_text_length}.'
    )
  if not 0 < config.image_short_side <= config.image_long_side:
    raise ValueError(
      'model.image_short_side must be positive and at most '
      f'image_long_side. Received: {config.image_short_side} and '
      f'{config.image_long_side}.'
    )
  if not 0 <= config.frozen_stages <= 5:
    raise ValueError(
      'model.frozen_stages must lie between 0 (none) and 5 (the whole visual '
      f'network). Received: {config.frozen_stages}.'
    )
  arithmetic = arithmetics.PRESETS[config.preset]
  if config.visual_features == 'precomputed':
    size['resnet'] = None
  else:
    size['resnet'] = dataclasses.replace(
      size['resnet'], frozen_stages=config.frozen_stages
    )
    if arithmetic.dilated_res5:
      size['resnet'] = dilate_res5(size['resnet'])
  return Architecture(
    vocab_size=vocab_size,
    num_categories=num_categories,
    dropout_rate=config.dropout_rate,
    compile_attention=config.xla == 'attention',
    arithmetic=arithmetic,
    precomputed_appearance_size=config.appearance_size,
    classifier_size=config.classifier_size,
    **size,
  )


def size_of(hidden_size: int, num_layers: int) -> str:
  """The size with this width and depth; `base` where there is none."""
  for name, values in _SIZES.items():
    if (values['hidden_size'], values['num_layers']) == (
      hidden_size,
      num_layers,
    ):
      return name
  return 'base'


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


def _check_choice(field: str, value: str, known: tuple[str, ...]) -> None:
  if value not in known:
    raise ValueError(
      f'model.{field} must be one of {", ".join(known)}. Received: {value!r}.'
    )
