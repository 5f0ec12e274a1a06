"""Flags of both Beam programs, and how Beam's own are told from them."""

import sys
from typing import Any

from absl import app, flags

_NAME = flags.DEFINE_string('name', None, 'Name of the records.')
_OUTPUT_DIR = flags.DEFINE_string(
  'output_dir', None, 'Folder that gets a folder NAME/1.0.0; local or gs://.'
)
_SPLIT = flags.DEFINE_multi_string(
  'split', [], 'NAME,key=path,...; see above. May be repeated.'
)
_IMAGES_PER_SHARD = flags.DEFINE_integer(
  'images_per_shard', 512, 'Images in a record file, at most.', lower_bound=1
)
_MAX_ROIS = flags.DEFINE_integer(
  'max_rois', 100, 'Boxes kept of an image: those of highest score.', 1
)
_MAX_MEGAPIXELS = flags.DEFINE_float(
  'max_megapixels', 64.0, 'Images with more pixels are set aside.', 0.0
)
_MAX_DROP_FRACTION = flags.DEFINE_float(
  'max_drop_fraction',
  0.05,
  'Fails when more of the captions, questions or images of a split are set '
  'aside.',
  lower_bound=0.0,
  upper_bound=1.0,
)
_DETECTOR = flags.DEFINE_string(
  'detector', '', 'SavedModel of vlbert-export that finds the boxes.'
)
_OVERWRITE = flags.DEFINE_bool(
  'overwrite', False, 'Replaces complete records of the same name.'
)


def define_keep(default: str) -> flags.FlagHolder[str]:
  """Defines --keep.

  Args:
    default: of the program.

  Returns:
    The flag.
  """
  return flags.DEFINE_enum(
    'keep',
    default,
    ['image', 'features', 'both'],
    'What records hold of an image beside its boxes: the file, for training '
    'from pixels; the appearance that the detector computes, for '
    'visual_features: precomputed; or both.',
  )


def needed() -> dict[str, Any]:
  """Values of the flags that no job can do without, by their names."""
  return {
    'name': _NAME.value,
    'output_dir': _OUTPUT_DIR.value,
    'split': _SPLIT.value,
  }


def fields() -> dict[str, Any]:
  """Values of all flags, as fields of `job.Request`."""
  return {
    'name': _NAME.value,
    'output_dir': _OUTPUT_DIR.value,
    'splits': tuple(_SPLIT.value),
    'images_per_shard': _IMAGES_PER_SHARD.value,
    'max_rois': _MAX_ROIS.value,
    'max_pixels': int(_MAX_MEGAPIXELS.value * 1e6),
    'max_drop_fraction': _MAX_DROP_FRACTION.value,
    'detector': _DETECTOR.value,
    'overwrite': _OVERWRITE.value,
  }


def split_flags(arguments: list[str]) -> tuple[list[str], list[str]]:
  """Parts the flags of this program from Beam's.

  Args:
    arguments: of the command line, without the program's name. A value that
      follows its flag after a space stays with it.

  Returns:
    Ours, and the rest.
  """
  app.define_help_flags()
  ours, others = [], []
  target = others
  for argument in arguments:
    if argument.startswith('-'):
      name = argument.lstrip('-').partition('=')[0]
      known = name in flags.FLAGS or (
        name.startswith('no') and name[2:] in flags.FLAGS
      )
      target = ours if known else others
    target.append(argument)
  return ours, others


def prepare() -> None:
  """Lets absl read our flags, and leaves Beam's to `main`."""
  ours, others = split_flags(sys.argv[1:])
  # absl hands all that follows `--` to main as it is.
  sys.argv = [sys.argv[0], *ours, '--', *others]
