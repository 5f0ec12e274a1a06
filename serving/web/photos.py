"""Photographs that the page offers to those who have none at hand.

They lie in installed packages that ship them under a free license, or in a
folder that is named when the page is started.
"""

import dataclasses
import importlib.util
import pathlib

_SUFFIXES = {'.bmp', '.gif', '.jpeg', '.jpg', '.png', '.webp'}
_MOST = 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Photo:
  """One that can be chosen.

  Attributes:
    name: unique, in addresses.
    title: for people.
    credit: author and license; '' where none has to be named.
    path: of the file.
  """

  name: str
  title: str
  credit: str
  path: pathlib.Path


# Title, credit, package, path inside the package.
_SHIPPED = (
  (
    'Temple',
    'danielbuechele, CC BY 2.0, in scikit-learn',
    'sklearn',
    'datasets/images/china.jpg',
  ),
  (
    'Flower',
    'vultilion, CC BY 2.0, in scikit-learn',
    'sklearn',
    'datasets/images/flower.jpg',
  ),
  (
    'Officer',
    'U.S. Navy, public domain, in matplotlib',
    'matplotlib',
    'mpl-data/sample_data/grace_hopper.jpg',
  ),
)


def offered(folder: str = '') -> list[Photo]:
  """Those of a folder, if one is named, then those of packages.

  Raises:
    ValueError: as `in_folder`.
  """
  return [*(in_folder(folder) if folder else []), *in_packages()]


def in_packages() -> list[Photo]:
  """Photographs of those packages that are installed."""
  found = []
  for title, credit, package, inside in _SHIPPED:
    # The package itself, which would take seconds, is not imported.
    spec = importlib.util.find_spec(package)
    for root in (spec and spec.submodule_search_locations) or ():
      path = pathlib.Path(root) / inside
      if path.is_file():
        found.append(
          Photo(name=path.stem, title=title, credit=credit, path=path)
        )
  return found


def in_folder(folder: str) -> list[Photo]:
  """The first images of a folder, by name.

  Args:
    folder: whose own files are looked at.

  Returns:
    At most twelve.

  Raises:
    ValueError: there is no such folder, or no image in it.
  """
  root = pathlib.Path(folder)
  paths = sorted(root.iterdir()) if root.is_dir() else []
  images = [path for path in paths if path.suffix.lower() in _SUFFIXES]
  if not images:
    raise ValueError(
      'A folder of photographs must hold images. '
      f'Received: {folder}, without one. Name another folder.'
    )
  return [
    Photo(name=path.name, title=f'Picture {number}', credit='', path=path)
    for number, path in enumerate(images[:_MOST], 1)
  ]
