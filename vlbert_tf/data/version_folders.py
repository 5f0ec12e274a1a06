"""Folders of numbered versions, as TensorFlow Serving names them."""

from collections.abc import Iterable


def numbered(names: Iterable[str]) -> dict[int, str]:
  """Those names that are the number of a version.

  Args:
    names: of the folders beside each other, with or without a slash at the end.

  Returns:
    Names by number, without the slash; a number may start with zeros.
  """
  plain = (name.rstrip('/') for name in names)
  return {
    int(name): name for name in plain if name.isascii() and name.isdecimal()
  }
