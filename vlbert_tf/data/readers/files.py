"""What the readers share: whole files in, texts cleaned, images found."""

import contextlib
import contextvars
import json
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Protocol

import tensorflow as tf

_BLOCK = 1 << 20
_IMAGE_NUMBER = re.compile(r'(\d+)\.(jpe?g|png)', re.IGNORECASE)


class FileSystem(Protocol):
  """What readers ask of the place where files lie."""

  def read(self, path: str) -> bytes:
    """All bytes of a file."""

  def open(self, path: str) -> BinaryIO:
    """A file to read from."""

  def is_file(self, path: str) -> bool:
    """Whether there is such a file."""

  def is_folder(self, path: str) -> bool:
    """Whether there is such a folder."""

  def names(self, folder: str) -> list[str]:
    """Names of the files in a folder."""

  def files_below(self, folder: str) -> list[str]:
    """Paths of all files in a folder and in its folders."""


class _TensorFlowFiles:
  """TensorFlow's file systems."""

  def read(self, path):
    with tf.io.gfile.GFile(path, 'rb') as file:
      return file.read()

  def open(self, path):
    return tf.io.gfile.GFile(path, 'rb')

  def is_file(self, path):
    return tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path)

  def is_folder(self, path):
    return tf.io.gfile.isdir(path)

  def names(self, folder):
    return tf.io.gfile.listdir(folder)

  def files_below(self, folder):
    return [
      os.path.join(parent, name)
      for parent, _, names in tf.io.gfile.walk(folder)
      for name in names
    ]


_TENSORFLOW = _TensorFlowFiles()
_chosen: contextvars.ContextVar[FileSystem | None] = contextvars.ContextVar(
  'file_system', default=None
)


@contextlib.contextmanager
def through(file_system: FileSystem) -> Iterator[None]:
  """Lets all readers read through a file system, within the block.

  Args:
    file_system: of a program that has one of its own, as Beam's jobs have.
  """
  token = _chosen.set(file_system)
  try:
    yield
  finally:
    _chosen.reset(token)


def _current() -> FileSystem:
  return _chosen.get() or _TENSORFLOW


def is_file(path: str) -> bool:
  """Whether there is a file, local or remote."""
  return _current().is_file(path)


def files_below(folder: str) -> list[str]:
  """All files in a folder and below, by their paths in it, sorted.

  Raises:
    ValueError: there is no such folder.
  """
  check_folder(folder)
  start = len(folder.rstrip('/')) + 1
  return sorted(
    path[start:] for path in _current().files_below(folder.rstrip('/'))
  )


def check_folder(folder: str) -> None:
  """Fails unless there is a folder of images.

  Raises:
    ValueError: there is none.
  """
  if not _current().is_folder(folder):
    raise ValueError(
      f'Images are read from a folder. Received: {folder!r}, which is none. '
      'Check the path.'
    )


def read_bytes(path: str) -> bytes:
  """The bytes of an annotation file, local or remote.

  Raises:
    ValueError: there is no such file.
  """
  _check_file(path)
  return _current().read(path)


def read_text(path: str) -> str:
  """The text of a file, local or remote, in UTF-8.

  Raises:
    ValueError: there is no such file, or it is not UTF-8.
  """
  return _decoded(path, read_bytes(path), 0)


def lines(path: str) -> Iterator[str]:
  """Lines of a file, local or remote, in UTF-8; a block of it is in memory.

  Args:
    path: of the file.

  Yields:
    Each line without its end; only `\\n` ends one.

  Raises:
    ValueError: there is no such file, or it is not UTF-8.
  """
  _check_file(path)
  place, parts = 0, []
  with _current().open(path) as file:
    while block := file.read(_BLOCK):
      *ended, rest = block.split(b'\n')
      for part in ended:
        line = b''.join([*parts, part])
        yield _decoded(path, line, place)
        place += len(line) + 1
        parts.clear()
      parts.append(rest)
  if last := b''.join(parts):
    yield _decoded(path, last, place)


def _check_file(path: str) -> None:
  if not is_file(path):
    raise ValueError(
      f'An annotation file must exist. Received: {path!r}. Check the path.'
    )


def _decoded(path: str, content: bytes, place: int) -> str:
  """The text of a part of a file that starts at byte `place`."""
  try:
    text = content.decode('utf-8')
  except UnicodeDecodeError as error:
    raise ValueError(
      f'An annotation file must be UTF-8 text. Received: {path}, with byte '
      f'{content[error.start]:#04x} at {place + error.start}. Unpack it, or '
      'convert it.'
    ) from error
  return text if place else text.removeprefix('\ufeff')


def read_json(path: str, *lists: str) -> dict[str, Any]:
  """The JSON object in a file.

  Args:
    path: of the file.
    *lists: keys that must hold lists.

  Returns:
    The object.

  Raises:
    ValueError: the file is missing, no JSON, or lacks one of the lists.
  """
  text = read_text(path)
  try:
    content = json.loads(text)
  except ValueError as error:
    raise ValueError(
      f'{path} must be JSON, whole. Received: {error}. Download it again.'
    ) from error
  for key in lists:
    if not isinstance(content, dict) or not isinstance(content.get(key), list):
      found = sorted(content)[:8] if isinstance(content, dict) else 'a list'
      raise ValueError(
        f'{path} must be a JSON object with a list {key!r}. '
        f'Received: {found}. Is it the file of another kind?'
      )
  return content


def read_names(path: str) -> tuple[str, ...]:
  """Names of categories, one a line.

  Raises:
    ValueError: the file is missing or empty.
  """
  names = tuple(filter(None, map(str.strip, read_text(path).split('\n'))))
  if not names:
    raise ValueError(
      f'A file of categories must hold one name a line. Received: {path}, '
      'which is empty.'
    )
  return names


def clean_text(value: Any) -> str:
  """A text on one line: runs of white space become one space.

  Args:
    value: what the file holds; anything but a string counts as empty.
  """
  if not isinstance(value, str):
    return ''
  # JSON may hold half of a surrogate pair, which no record could.
  whole = value.encode('utf-8', 'replace').decode('utf-8')
  return ' '.join(whole.replace('\0', ' ').split())


def images_by_number(folders: Sequence[str]) -> dict[int, str]:
  """Image files by the number that their name ends with.

  `COCO_val2014_000000000042.jpg`, `000000000042.jpg` and `42.png` are all
  image 42. Where several are, the first folder wins, and in it the first name.

  Args:
    folders: to list; not the folders in them.

  Returns:
    Paths by number.

  Raises:
    ValueError: there is no such folder.
  """
  paths: dict[int, str] = {}
  for folder in folders:
    check_folder(folder)
    for name in sorted(_current().names(folder)):
      number = image_number(name)
      if number is not None:
        paths.setdefault(number, os.path.join(folder, name))
  return paths


def image_number(name: str) -> int | None:
  """The number that an image's file name ends with, if it does."""
  match = _IMAGE_NUMBER.search(name)
  return int(match.group(1)) if match and match.end() == len(name) else None
