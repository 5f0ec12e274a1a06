"""Bottleneck ResNets of other libraries."""

from collections.abc import Iterator, Mapping

from vlbert_tf.checkpoints import forms
from vlbert_tf.checkpoints.stored import Tensors
from vlbert_tf.checkpoints.tables import Row, count, expand, row
from vlbert_tf.modeling.config import RESNET_101, ResNetArchitecture

_STATISTICS = 'weight {bn}.bias {bn}.running_mean {bn}.running_var'

# PyTorch's names of a convolution and the batch norm after it.
_CONVOLUTION = (
  row('{conv}.weight', '{ours}.kernel', forms.CONVOLUTION),
  row(
    '{bn}.' + _STATISTICS, '{ours}.scale {ours}.offset', forms.BATCH_NORM
  ),
)  # fmt: skip
_STEM = (
  row('{conv}.weight', '{ours}.kernel', forms.BGR_CONVOLUTION),
  _CONVOLUTION[1],
)

# Of a bottleneck: our name, then PyTorch's of convolution and norm.
_PARTS = (
  ('reduce', 'conv1', 'bn1'),
  ('spatial', 'conv2', 'bn2'),
  ('expand', 'conv3', 'bn3'),
)
_SHORTCUT = ('project', 'downsample.0', 'downsample.1')

OURS = 'backbone.roi_features'


def pytorch_rows(
  architecture: ResNetArchitecture, stem: str, stages: Mapping[int, str]
) -> Iterator[Row]:
  """Rows of a ResNet in PyTorch's names.

  Args:
    architecture: of the network.
    stem: prefix of the stem, `''` or ending with a dot.
    stages: prefixes of the blocks of res2 (stage 0) to res5 (stage 3).

  Yields:
    Rows.
  """
  yield from expand(
    _STEM, conv=f'{stem}conv1', bn=f'{stem}bn1', ours=f'{OURS}.stem'
  )
  for stage, prefix in stages.items():
    ours = f'{OURS}.res5' if stage == 3 else f'{OURS}.stages.{stage}'
    for block in range(architecture.depths[stage]):
      for name, conv, norm in (*_PARTS, *([_SHORTCUT] if block == 0 else [])):
        yield from expand(
          _CONVOLUTION,
          conv=f'{prefix}{block}.{conv}',
          bn=f'{prefix}{block}.{norm}',
          ours=f'{ours}.{block}.{name}',
        )


def pytorch_architecture(
  tensors: Tensors, stem: str, stages: Mapping[int, str], dilated: bool
) -> ResNetArchitecture:
  """The architecture that a ResNet's shapes tell.

  Args:
    tensors: of the file.
    stem: see `pytorch_rows`.
    stages: see `pytorch_rows`.
    dilated: whether res5 has stride 1 and dilation 2, which no shape tells.

  Returns:
    The architecture.
  """
  kernel = tensors[f'{stem}conv1.weight'].shape
  widths = [tensors[f'{stages[i]}0.conv1.weight'].shape[0] for i in range(4)]
  outer = tensors[f'{stages[0]}0.conv3.weight'].shape[0]
  return ResNetArchitecture(
    stem_width=kernel[0],
    stem_kernel_size=kernel[2],
    stem_pool=True,
    depths=tuple(count(tensors, stages[i]) for i in range(4)),
    widths=tuple(widths),
    strides=(1, 2, 2, 1 if dilated else 2),
    expansion=outer // widths[0],
    standardized=False,
    roi_size=RESNET_101.roi_size,
    pixel_scale=RESNET_101.pixel_scale,
    dilation=2 if dilated else 1,
  )
