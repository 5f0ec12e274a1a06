"""The order of records: by a hash of the image's id, sorted on disk.

It follows from the ids alone, whatever the order of the files, and is a good
shuffle. The launching process reads the official files once and holds one
shard at a time. Beam's GroupByKey would bring the images of a shard together
as well, and does so on the local runner by holding all of them in memory.
"""

import contextlib
import dataclasses
import hashlib
import pickle
import sqlite3
from collections.abc import Iterable, Iterator

from vlbert_tf.data.annotations import Drop, ImageAnnotations
from vlbert_tf.data.readers import on_disk


@dataclasses.dataclass
class ShuffledImages:
  """Images of a split, in the order of their records.

  Attributes:
    count: of the images.
    drops: what came between them.
  """

  count: int
  drops: list[Drop]
  _tables: sqlite3.Connection

  def __iter__(self) -> Iterator[ImageAnnotations]:
    rows = self._tables.execute('SELECT image FROM shuffled ORDER BY hash')
    return (pickle.loads(image) for (image,) in rows)


@contextlib.contextmanager
def shuffled(
  items: Iterable[ImageAnnotations | Drop],
) -> Iterator[ShuffledImages]:
  """Shuffles images in a way that depends on their ids alone.

  Args:
    items: images of a split, in any order, and what was set aside.

  Yields:
    The images, for as long as the block runs.
  """
  with on_disk.database() as tables:
    tables.execute('CREATE TABLE shuffled (hash, image)')
    images = ShuffledImages(0, [], tables)
    for item in items:
      if isinstance(item, Drop):
        images.drops.append(item)
      else:
        images.count += 1
        tables.execute(
          'INSERT INTO shuffled VALUES (?, ?)',
          (_hash(item.image_id), pickle.dumps(item)),
        )
    yield images


def _hash(image_id: str) -> bytes:
  return hashlib.sha256(image_id.encode('utf-8')).digest()
