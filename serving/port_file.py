"""A file that tells other programs the port of one that chose it itself."""

import os
import pathlib


def write(path: str, port: int) -> None:
  """Writes aside and renames: a reader sees the whole number or no file."""
  place = pathlib.Path(path)
  aside = place.with_name(f'{place.name}.{os.getpid()}')
  aside.write_text(f'{port}\n', encoding='utf-8')
  aside.replace(place)
