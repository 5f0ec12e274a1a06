"""The versions of a model on disk.

Layout, as TensorFlow Serving reads it: `BASE_PATH/VERSION/saved_model.pb` with
a number for VERSION. Apart from loading, so that a wrong path is told before
TensorFlow has been imported.
"""

import dataclasses
import os
import pathlib
from collections.abc import Collection

from vlbert_tf.data import version_folders


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policy:
  """Which versions of a model are served.

  Attributes:
    latest: so many of the highest; None for all.
    specific: these alone, whatever `latest` says; empty for no such list.
  """

  latest: int | None = 1
  specific: tuple[int, ...] = ()

  def select(self, numbers: Collection[int]) -> list[int]:
    """Those of the versions that are to be served, lowest first."""
    if self.specific:
      return sorted(set(self.specific) & set(numbers))
    return sorted(numbers)[-self.latest :] if self.latest else sorted(numbers)


def complete_versions(base_path: str | os.PathLike) -> dict[int, pathlib.Path]:
  """Folders of a model that hold a SavedModel, by their numbers.

  Numbers may start with zeros, as TensorFlow Serving allows. A folder without
  `saved_model.pb` is one that is being written.
  """
  return {
    number: folder
    for number, folder in _numbered(_folders(pathlib.Path(base_path))).items()
    if (folder / 'saved_model.pb').is_file()
  }


def check_base_path(base_path: str | os.PathLike) -> None:
  """Fails unless the highest version in a folder can be tried.

  Raises:
    ValueError: no folder there has a number for a name, or the one with the
      highest holds no SavedModel.
  """
  folders = _folders(pathlib.Path(base_path))
  numbered = _numbered(folders)
  if not numbered:
    names = sorted(folder.name for folder in folders)[:5]
    raise ValueError(
      'A model folder must hold a folder with a number for a name, the '
      f'version. Received: {base_path}, '
      + (f'folders {names}. ' if names else 'no folder there. ')
      + 'Pass the folder that vlbert-export wrote its versions into.'
    )
  newest = numbered[max(numbered)]
  if not (newest / 'saved_model.pb').is_file():
    raise ValueError(
      'A version folder must hold a SavedModel. '
      f'Received: {newest}, without saved_model.pb. '
      'Write the version anew with vlbert-export, or remove the folder.'
    )


def _folders(base_path: pathlib.Path) -> list[pathlib.Path]:
  if not base_path.is_dir():
    return []
  return [path for path in base_path.iterdir() if path.is_dir()]


def _numbered(folders: list[pathlib.Path]) -> dict[int, pathlib.Path]:
  by_name = {folder.name: folder for folder in folders}
  names = version_folders.numbered(by_name)
  return {number: by_name[name] for number, name in names.items()}
