"""The configuration of the model: what users set, and what it resolves to.

Users choose a `size` and a `preset` by name and may set single fields. The
layers see only the resolved `Architecture`: a layer takes the value of a
field, never the name of a size or a preset.
"""

import dataclasses

from official.modeling import hyperparams

from vlbert_tf.modeling import arithmetic as arithmetics
from vlbert_tf.modeling.resnets import (
  RESNET_101,
  THIN_RESNET,
  ResNetArchitecture,
  choose_resnet,
  dilate_res5,
)


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
    resnet: the visual network of `pixels`, one of `resnets.RESNETS`; empty for
      that of the size.
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
    xla: `attention` compiles the attention core, `step` the whole forward and
      backward pass of a replica in training, `none` compiles nothing.
    remat: whether activations inside encoder layers and blocks of the visual
      network are computed again in the backward pass rather than kept.
    geometry: for ablations, as the three below: off, what boxes look like in
      numbers (VL-BERT §3.2) is left out of the visual feature embedding.
    words_see_image: off, elements that are no RoI get no visual feature
      embedding of the whole image.
    shared_roi_position: off, RoIs are numbered rather than a set.
    zeroed_pixels: off, masked RoIs stay visible in the pixels, to RoIs that
      overlap them and to the whole image (VL-BERT §3.3).
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
  remat: bool = False
  geometry: bool = True
  words_see_image: bool = True
  shared_roi_position: bool = True
  zeroed_pixels: bool = True


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
    remat: as in `ModelConfig`.
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
  remat: bool = False

  @property
  def appearance_size(self) -> int:
    """A, the size of an appearance vector."""
    if self.resnet is None:
      return self.precomputed_appearance_size
    return self.resnet.appearance_size


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
  _check_choice('xla', config.xla, ('attention', 'step', 'none'))
  size = dict(_SIZES[config.size])
  size['resnet'] = choose_resnet(
    'model', config.resnet, config.stride_in_3x3, size['resnet']
  )
  # RoIs take the position after the text, [END] the one after that.
  roi_positions = 1 if config.shared_roi_position else config.max_rois
  longest = size['max_positions'] - 1 - roi_positions
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
  arithmetic = dataclasses.replace(
    arithmetics.PRESETS[config.preset],
    geometry=config.geometry,
    words_see_image=config.words_see_image,
    shared_roi_position=config.shared_roi_position,
    zeroed_pixels=config.zeroed_pixels,
  )
  resnet = dataclasses.replace(
    size.pop('resnet'),
    frozen_stages=config.frozen_stages,
    compiled=config.xla == 'step',
    remat=config.remat,
  )
  if arithmetic.dilated_res5:
    resnet = dilate_res5(resnet)
  return Architecture(
    vocab_size=vocab_size,
    num_categories=num_categories,
    dropout_rate=config.dropout_rate,
    compile_attention=config.xla == 'attention',
    arithmetic=arithmetic,
    precomputed_appearance_size=config.appearance_size,
    classifier_size=config.classifier_size,
    remat=config.remat,
    resnet=resnet if config.visual_features == 'pixels' else None,
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


def _check_choice(field: str, value: str, known: tuple[str, ...]) -> None:
  if value not in known:
    raise ValueError(
      f'model.{field} must be one of {", ".join(known)}. Received: {value!r}.'
    )
