"""Bottleneck ResNets of other libraries."""

import dataclasses
from collections.abc import Iterator, Mapping

from vlbert_tf.checkpoints import forms
from vlbert_tf.checkpoints.stored import Tensors
from vlbert_tf.checkpoints.tables import Row, count, row
from vlbert_tf.modeling.resnets import RESNET_101, ResNetArchitecture


@dataclasses.dataclass(frozen=True)
class Names:
  """What a library calls the parts of a ResNet.

  Attributes:
    stem: convolution and norm of the stem.
    stages: prefixes of the blocks of res2 (stage 0) to res5 (stage 3).
    norm: the norm after a convolution in a block, `conv1` standing for it.
    shortcut: convolution and norm of the shortcut, in a block.
  """

  stem: tuple[str, str]
  stages: Mapping[int, str]
  norm: Mapping[str, str]
  shortcut: tuple[str, str]


def pytorch_names(stem: str, stages: Mapping[int, str]) -> Names:
  """Names of torchvision and what descends from it.

  Args:
    stem: prefix of the stem, `''` or ending with a dot.
    stages: see `Names`.

  Returns:
    The names.
  """
  return Names(
    (f'{stem}conv1', f'{stem}bn1'),
    stages,
    {f'conv{k}': f'bn{k}' for k in (1, 2, 3)},
    ('downsample.0', 'downsample.1'),
  )


# Our name of a bottleneck's convolution, then theirs.
_PARTS = (('reduce', 'conv1'), ('spatial', 'conv2'), ('expand', 'conv3'))
OURS = 'backbone.roi_features'


def rows(
  architecture: ResNetArchitecture,
  names: Names,
  stem_form: forms.Form = forms.BGR_CONVOLUTION,
  ours: str = OURS,
) -> Iterator[Row]:
  """Rows of a ResNet.

  Args:
    architecture: of the network.
    names: of the library.
    stem_form: of the first kernel, which tells the order of colors.
    ours: path of our visual network.

  Yields:
    Rows.
  """
  conv, norm = names.stem
  yield row(f'{conv}.weight', f'{ours}.stem.kernel', stem_form)
  yield norm_row(norm, f'{ours}.stem')
  for stage, prefix in names.stages.items():
    place = f'{ours}.res5' if stage == 3 else f'{ours}.stages.{stage}'
    for block in range(architecture.depths[stage]):
      theirs = f'{prefix}{block}.'
      parts = [(name, conv, names.norm[conv]) for name, conv in _PARTS]
      if block == 0:
        parts.append(('project', *names.shortcut))
      for name, conv, norm in parts:
        target = f'{place}.{block}.{name}'
        yield row(
          f'{theirs}{conv}.weight', f'{target}.kernel', forms.CONVOLUTION
        )
        yield norm_row(f'{theirs}{norm}', target)


def norm_row(norm: str, target: str) -> Row:
  """The row of a batch norm, which is folded into scale and offset."""
  parts = ('weight', 'bias', 'running_mean', 'running_var')
  return row(
    ' '.join(f'{norm}.{part}' for part in parts),
    f'{target}.scale {target}.offset',
    forms.BATCH_NORM,
  )


def architecture_of(
  tensors: Tensors,
  names: Names,
  *,
  dilated: bool,
  stride_in_3x3: bool = False,
  pool_pads: bool = True,
) -> ResNetArchitecture:
  """The architecture that a ResNet's shapes tell.

  Args:
    tensors: of the file.
    names: of the library.
    dilated: whether res5 has stride 1 and dilation 2, which no shape tells.
    stride_in_3x3: see `ResNetArchitecture`; no shape tells it either.
    pool_pads: likewise.

  Returns:
    The architecture.

  Raises:
    ValueError: it is no network of bottlenecks.
  """
  first = [f'{names.stages[stage]}0.conv' for stage in range(4)]
  for name in (f'{names.stem[0]}.weight', *(f'{n}3.weight' for n in first)):
    if name not in tensors:
      raise ValueError(
        'A ResNet must have a stem and four stages of bottlenecks, as those '
        f'of 50 layers and more have. Received: no {name}. Check --from.'
      )
  kernel = tensors[f'{names.stem[0]}.weight'].shape
  widths = tuple(tensors[f'{name}1.weight'].shape[0] for name in first)
  return ResNetArchitecture(
    stem_width=kernel[0],
    stem_kernel_size=kernel[2],
    stem_pool=True,
    depths=tuple(count(tensors, names.stages[i]) for i in range(4)),
    widths=widths,
    strides=(1, 2, 2, 1 if dilated else 2),
    expansion=tensors[f'{first[0]}3.weight'].shape[0] // widths[0],
    standardized=False,
    roi_size=RESNET_101.roi_size,
    pixel_scale=RESNET_101.pixel_scale,
    dilation=2 if dilated else 1,
    stride_in_3x3=stride_in_3x3,
    pool_pads=pool_pads,
  )
