"""The versions of a model on disk.

Layout, as TensorFlow Serving reads it: `BASE_PATH/VERSION/saved_model.pb` with
a number for VERSION; the highest one is served. Apart from loading, so that a
wrong path is told before TensorFlow has been imported.
"""

import os
import pathlib


def newest_version(base_path: str | os.PathLike) -> pathlib.Path:
  """The folder with the highest number in a model's base path.

  Numbers may start with zeros, as TensorFlow Serving allows.

  Raises:
    ValueError: no folder there has a number for a name, or the one with the
      highest holds no SavedModel.
  """
  base_path = pathlib.Path(base_path)
  folders = (
    [path for path in base_path.iterdir() if path.is_dir()]
    if base_path.is_dir()
    else []
  )
  versions = [f for f in folders if f.name.isascii() and f.name.isdecimal()]
  if not versions:
    names = sorted(folder.name for folder in folders)[:5]
    raise ValueError(
      'A model folder must hold a folder with a number for a name, the '
      f'version. Received: {base_path}, '
      + (f'folders {names}. ' if names else 'no folder there. ')
      + 'Pass the folder that vlbert-export wrote its versions into.'
    )
  newest = max(versions, key=lambda folder: int(folder.name))
  if not (newest / 'saved_model.pb').is_file():
    raise ValueError(
      'A version folder must hold a SavedModel. '
      f'Received: {newest}, without saved_model.pb. '
      'Write the version anew with vlbert-export, or remove the folder.'
    )
  return newest
