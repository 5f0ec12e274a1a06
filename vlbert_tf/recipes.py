"""Where the recipes lie: YAML files of settings, and a detector of scenes.

In a checkout that is the folder `configs`, which an installed package has
inside itself.
"""

import os
import pathlib

_CHECKOUT = pathlib.Path(__file__).parents[1] / 'configs'
_INSTALLED = pathlib.Path(__file__).with_name('configs')
FOLDER = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
# Trained on other scenes than those of the demo, by `make demo-detector`.
DETECTOR = FOLDER / 'detection' / 'scenes'


def find(path: str) -> str:
  """A file of settings, one's own or one that came with the package.

  Args:
    path: of a file; where there is none, `configs/vqa/tiny.yaml` and the like
      are those of the package.

  Returns:
    The path of a file that exists.

  Raises:
    FileNotFoundError: there is neither.
  """
  if os.path.isfile(path):
    return path
  shipped = FOLDER.parent / path
  if FOLDER in shipped.parents and shipped.is_file():
    return str(shipped)
  names = (file.relative_to(FOLDER.parent) for file in FOLDER.glob('*/*.yaml'))
  raise FileNotFoundError(
    'A config file must exist, or be one of the recipes of this package. '
    f'Received: {path}. The recipes are {", ".join(sorted(map(str, names)))}.'
  )
