"""All files of a job, through Beam's file systems: local, gs://, s3://, hdfs://.

TensorFlow reads gs:// only with a package of its own, and knows nothing of
what Beam is told about credentials; so nothing here opens a path in another
way. Files in a local folder are the special case: they can be forced to disk.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from vlbert_tf.data.annotations import RecordPlace


def is_remote(path: str) -> bool:
  """Whether a path is on a file system such as gs://."""
  return '://' in path


def exists(path: str) -> bool:
  """Whether there is a file, or a local folder."""
  return FileSystems.exists(path)


def is_folder(path: str) -> bool:
  """Whether there is a folder; where there are none, a file under the path."""
  if not is_remote(path):
    return os.path.isdir(path)
  return bool(_matches(f'{_quoted(path)}/**', limit=1))


def names(folder: str) -> list[str]:
  """Names of the files right in a folder, sorted."""
  found = _matches(f'{_quoted(folder)}/*')
  return sorted(os.path.basename(each.path) for each in found)


def matching(folder: str, pattern: str) -> list[str]:
  """Paths of the files right in a folder whose names match, sorted."""
  return sorted(
    each.path for each in _matches(os.path.join(_quoted(folder), pattern))
  )


def files_below(folder: str) -> list[str]:
  """Paths of all files in a folder and in its folders, sorted."""
  return sorted(each.path for each in _matches(f'{_quoted(folder)}/**'))


def size(path: str) -> int:
  """Bytes of a file.

  Raises:
    FileNotFoundError: there is none.
  """
  found = _matches(_quoted(path), limit=1)
  if not found:
    raise FileNotFoundError(path)
  return found[0].size_in_bytes


def open_to_read(path: str) -> BinaryIO:
  """A file to read from; it can be positioned."""
  return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def read(path: str) -> bytes:
  """All bytes of a file.

  Raises:
    FileNotFoundError: there is no such file.
    OSError: it cannot be read.
  """
  with _telling(path), open_to_read(path) as file:
    return file.read()


def read_part(place: RecordPlace) -> bytes:
  """The bytes of a part of a file; errors as those of `read`."""
  with _telling(place.path), open_to_read(place.path) as file:
    file.seek(place.start)
    return file.read(place.size)


@contextlib.contextmanager
def _telling(path: str) -> Iterator[None]:
  """Turns the errors of all file systems into those of Python."""
  try:
    yield
  except FileNotFoundError:
    raise
  except Exception as error:
    # Each file system has an error of its own for what is not there.
    if not exists(path):
      raise FileNotFoundError(path) from error
    if isinstance(error, OSError):
      raise
    raise OSError(f'{path} cannot be read: {error}') from error


@contextlib.contextmanager
def replaced(path: str) -> Iterator[BinaryIO]:
  """A file to write to, which is there as a whole or not at all.

  Args:
    path: that the bytes get when the block ends without an error.

  Yields:
    The open file.
  """
  temporary = temporary_path(os.path.dirname(path))
  with FileSystems.create(
    temporary, compression_type=CompressionTypes.UNCOMPRESSED
  ) as file:
    yield file
    if not is_remote(path):
      file.flush()
      os.fsync(file.fileno())
  FileSystems.rename([temporary], [path])


def temporary_path(folder: str) -> str:
  """A path for a file that is not finished."""
  return os.path.join(folder, f'{uuid.uuid4().hex}.tmp')


def write(path: str, content: bytes) -> None:
  """Writes a file that is there as a whole or not at all."""
  with replaced(path) as file:
    file.write(content)


def remove(paths: list[str]) -> None:
  """Removes files, and local folders with all that is in them."""
  if paths:
    FileSystems.delete(paths)


def remove_folder(folder: str) -> None:
  """Removes a folder and all that is in it, if it is there."""
  if is_remote(folder):
    remove(files_below(folder))
  elif os.path.isdir(folder):
    remove([folder])


def _matches(pattern: str, limit: int | None = None) -> list:
  return FileSystems.match([pattern], [limit])[0].metadata_list


def _quoted(path: str) -> str:
  """A path whose own characters are no pattern."""
  return ''.join(f'[{c}]' if c in '[*?' else c for c in path.rstrip('/'))


class ForReaders:
  """What readers of annotations ask of a file system; see `readers.files`."""

  def read(self, path: str) -> bytes:
    return read(path)

  def open(self, path: str) -> BinaryIO:
    return open_to_read(path)

  def is_file(self, path: str) -> bool:
    return exists(path) and not os.path.isdir(path)

  def is_folder(self, path: str) -> bool:
    return is_folder(path)

  def names(self, folder: str) -> list[str]:
    return names(folder)

  def files_below(self, folder: str) -> list[str]:
    return files_below(folder)
