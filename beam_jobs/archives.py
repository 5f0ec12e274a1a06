"""Images in tar files, as img2dataset and WebDataset write them.

Readers see a tar file as a folder: the image `1.jpg` in `images/7.tar` is
`7.tar/1.jpg` under `images`. The launching process reads the headers of each
file once and notes where each member is; a worker reads those bytes alone.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import sqlite3
import tarfile
from collections.abc import Iterable, Iterator

from beam_jobs import storage
from vlbert_tf.data.annotations import Drop, ImageAnnotations, RecordPlace
from vlbert_tf.data.readers import on_disk

_SUFFIX = '.tar'
# Files on an object store whose headers are read at a time.
_THREADS = 8


@dataclasses.dataclass
class Archives(storage.ForReaders):
  """A file system in which tar files are folders; see `readers.files`.

  Attributes:
    damaged: tar files that could not be read to their end, by the value of
      `images=` that they belong to.
  """

  damaged: dict[str, list[Drop]]
  _members: sqlite3.Connection

  def is_folder(self, path: str) -> bool:
    if path.endswith(_SUFFIX) and path in self.damaged:
      return True
    return super().is_folder(path)

  def names(self, folder: str) -> list[str]:
    below = [] if folder.endswith(_SUFFIX) else super().names(folder)
    return below + self._below(folder)

  def files_below(self, folder: str) -> list[str]:
    below = [] if folder.endswith(_SUFFIX) else super().files_below(folder)
    return below + [os.path.join(folder, name) for name in self._below(folder)]

  def located(
    self, items: Iterable[ImageAnnotations | Drop]
  ) -> Iterator[ImageAnnotations | Drop]:
    """Says for each image that is in a tar file where it is."""
    roots = [root for root in self.damaged if self._below(root, limit=1)]
    for item in items:
      if isinstance(item, ImageAnnotations):
        for root in roots:
          if item.image_path.startswith(root + '/'):
            item = self._located(item, root)
      yield item

  def _located(self, image: ImageAnnotations, root: str) -> ImageAnnotations:
    name = image.image_path[len(root) + 1 :]
    row = self._members.execute(
      'SELECT tar, start, size FROM member WHERE root = ? AND name = ?',
      (root, name),
    ).fetchone()
    if row is None:
      return image
    path = os.path.join(os.path.dirname(row[0]), name)
    return dataclasses.replace(image, image_path=path, file=RecordPlace(*row))

  def _below(self, root: str, limit: int = -1) -> list[str]:
    rows = self._members.execute(
      'SELECT name FROM member WHERE root = ? ORDER BY name LIMIT ?',
      (root.rstrip('/'), limit),
    )
    return [name for (name,) in rows]


@contextlib.contextmanager
def opened(images: Iterable[str]) -> Iterator[Archives]:
  """Reads what is in tar files.

  Args:
    images: values of `images=`: folders, of which the tar files right in them
      are read; or tar files, also as a pattern, such as `cc/*.tar`.

  Yields:
    The file system, for as long as the block runs.

  Raises:
    ValueError: no tar file matches.
  """
  with on_disk.database() as tables:
    tables.execute(
      'CREATE TABLE member (root, name, tar, start, size, '
      'PRIMARY KEY (root, name)) WITHOUT ROWID'
    )
    archives = Archives({}, tables)
    for root in dict.fromkeys(path.rstrip('/') for path in images):
      archives.damaged[root] = list(_read(root, tables))
    yield archives


def _read(root: str, tables: sqlite3.Connection) -> Iterator[Drop]:
  """Notes all members of the tar files of a value of `images=`."""
  folder, pattern = root, f'*{_SUFFIX}'
  if root.endswith(_SUFFIX):
    folder, pattern = os.path.split(root)
  tars = storage.matching(folder or '.', pattern)
  if not tars and folder != root:
    raise ValueError(
      f'Images are read from a folder or from tar files. Received: {root!r}, '
      'which no file matches. Check the path.'
    )
  with concurrent.futures.ThreadPoolExecutor(_THREADS) as threads:
    for tar, (members, damage) in zip(
      tars, threads.map(_index, tars), strict=True
    ):
      tables.executemany(
        'INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?, ?)',
        (
          (root, f'{os.path.basename(tar)}/{name}', tar, start, size)
          for name, start, size in members
        ),
      )
      if damage:
        detail = f'{damage} {len(members)} files in it can be read.'
        yield Drop(f'archive {tar}', 'archive_damaged', detail)


def _index(tar: str) -> tuple[list[tuple[str, int, int]], str]:
  """Name, first byte and size of each member, and what ended the list early."""
  members = []
  size = storage.size(tar)
  try:
    with (
      storage.open_to_read(tar) as file,
      tarfile.open(fileobj=file, mode='r:') as archive,
    ):
      for member in archive:
        whole = member.offset_data + member.size <= size
        if whole and member.isreg() and not member.issparse():
          members.append((member.name, member.offset_data, member.size))
      # tarfile takes a file that ends between two members for a whole one.
      file.seek(archive.offset)
      ended = file.read(tarfile.BLOCKSIZE) == tarfile.NUL * tarfile.BLOCKSIZE
  except (tarfile.TarError, OSError):
    ended = False
  return members, '' if ended else 'It is damaged or cut off.'
