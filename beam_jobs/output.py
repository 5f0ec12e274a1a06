"""Where records are built, and how they become visible: whole or not at all.

Locally a folder is built under another name and renamed at the end. An object
store has no rename of folders: there the manifest is written last, and readers
refuse a folder without one. What a killed job left is used by the next one.
"""

import dataclasses
import os
import uuid
from collections.abc import Iterator

import tensorflow as tf

from vlbert_tf.data import example_schema


@dataclasses.dataclass(frozen=True)
class Output:
  """Folders of one data set.

  Attributes:
    root: OUT/NAME.
    final: where the records are when complete.
    building: where they are until then.
    work: plans and results of the shards; gone when complete.
  """

  root: str

  @property
  def final(self) -> str:
    return os.path.join(self.root, example_schema.FOLDER_VERSION)

  @property
  def building(self) -> str:
    if is_remote(self.root):
      return self.final
    return os.path.join(self._partial, example_schema.FOLDER_VERSION)

  @property
  def work(self) -> str:
    return os.path.join(self._partial, 'work')

  @property
  def _partial(self) -> str:
    return os.path.join(self.root, '.partial')

  @property
  def _replaced(self) -> str:
    return os.path.join(self._partial, 'replaced')

  def check_free(self, overwrite: bool) -> None:
    """Fails when something is in the way.

    Args:
      overwrite: whether complete records may be replaced.

    Raises:
      ValueError: there are complete records that may not be replaced, or
        there is a folder that is not ours.
    """
    if tf.io.gfile.exists(os.path.join(self.final, example_schema.MANIFEST)):
      if not overwrite:
        raise ValueError(
          f'{self.final} holds complete records, which stay as they are. '
          'Pass --overwrite to replace them, or another --output_dir.'
        )
    elif not is_remote(self.root) and tf.io.gfile.exists(self.final):
      raise ValueError(
        f'{self.final} must be absent, or records written by this program. '
        f'It has no {example_schema.MANIFEST}. Move it, or choose another '
        '--output_dir.'
      )

  def prepare(self) -> None:
    """Makes the folders; finished shards of an earlier job stay in them."""
    manifest = os.path.join(self.building, example_schema.MANIFEST)
    if tf.io.gfile.exists(manifest):
      tf.io.gfile.remove(manifest)
    if tf.io.gfile.exists(self._replaced):
      tf.io.gfile.rmtree(self._replaced)
    for folder in (self.building, self.work):
      tf.io.gfile.makedirs(folder)

  def remove_leftovers(self, expected: set[str]) -> None:
    """Removes every file that an earlier job left and this one will not use.

    Args:
      expected: paths to keep.
    """
    for path in (*_files(self.building), *_files(self.work)):
      if path not in expected:
        tf.io.gfile.remove(path)

  def complete(self) -> None:
    """Makes the records visible, in place of those that were there."""
    if not is_remote(self.root):
      if os.path.isdir(self.final):
        os.rename(self.final, self._replaced)
      os.rename(self.building, self.final)
    tf.io.gfile.rmtree(self._partial)


def is_remote(path: str) -> bool:
  """Whether a path is on a file system such as gs://."""
  return '://' in path


def temporary_path(folder: str) -> str:
  """A path for a file that is not finished."""
  return os.path.join(folder, f'{uuid.uuid4().hex}.tmp')


def move_into_place(temporary: str, path: str) -> None:
  """Gives a finished file its name, once its bytes are on the disk."""
  if not is_remote(temporary):
    with open(temporary, 'rb') as file:
      os.fsync(file.fileno())
  tf.io.gfile.rename(temporary, path, overwrite=True)


def write_file(path: str, content: str) -> None:
  """Writes a text file that is there as a whole or not at all."""
  # An object of an object store appears when it is closed.
  remote = is_remote(path)
  temporary = path if remote else temporary_path(os.path.dirname(path))
  with tf.io.gfile.GFile(temporary, 'wb') as file:
    file.write(content.encode('utf-8'))
  if not remote:
    move_into_place(temporary, path)


def read_file(path: str) -> str:
  """The text of a file that `write_file` wrote."""
  with tf.io.gfile.GFile(path, 'rb') as file:
    return file.read().decode('utf-8')


def _files(folder: str) -> Iterator[str]:
  for parent, _, names in tf.io.gfile.walk(folder):
    for name in names:
      yield os.path.join(parent, name)
