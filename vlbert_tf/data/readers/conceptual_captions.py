"""Conceptual Captions: `caption<TAB>url`, one a row, no header.

Downloads are kept under names of one's own: an index file says which, or the
file's number is the number of the row, counted from 0.
"""

import itertools
import operator
import os
import sqlite3
from collections.abc import Iterable, Iterator

from vlbert_tf.data.annotations import Caption, Drop, ImageAnnotations
from vlbert_tf.data.readers import files, on_disk
from vlbert_tf.data.readers.coco import Instances


def read_images(
  captions: str,
  images: str,
  instances: Instances,
  image_index: str | None = None,
) -> Iterator[ImageAnnotations | Drop]:
  """Reads a split of Conceptual Captions.

  Args:
    captions: path of the TSV file.
    images: folder of the downloads.
    instances: boxes by file name.
    image_index: path of a TSV file `url<TAB>path under images`; None where
      downloads are named by row.

  Yields:
    What was set aside, and images, named by their path under `images` and
    sorted by it; their captions are in the order of the file.

  Raises:
    ValueError: a file is missing or malformed as a whole.
  """
  name = os.path.basename(captions)
  with on_disk.database() as tables:
    tables.execute(
      'CREATE TABLE caption (number INTEGER PRIMARY KEY, key, url, text)'
    )
    for number, columns in enumerate(_rows(captions)):
      text = files.clean_text(columns[0])
      url = columns[1].strip() if len(columns) > 1 else ''
      flaw = _flaw(columns, text, url)
      if flaw:
        yield Drop(_line(number, name), *flaw, annotations=1)
        continue
      key = str(number) if image_index is None else url
      row = number, key, url, text
      tables.execute('INSERT INTO caption VALUES (?, ?, ?, ?)', row)
    tables.execute('CREATE TABLE place (key PRIMARY KEY, place) WITHOUT ROWID')
    tables.executemany(
      'INSERT OR REPLACE INTO place VALUES (?, ?)', _places(images, image_index)
    )
    yield from _without_image(tables)
    by_place = tables.execute(
      'SELECT place, number, text FROM caption JOIN place USING (key) '
      'ORDER BY place, number'
    )
    for place, rows in itertools.groupby(by_place, operator.itemgetter(0)):
      # Texts as keys: each once, in the order of the file.
      texts: dict[str, None] = {}
      for _, number, text in rows:
        if text in texts:
          detail = 'The image has the same caption before.'
          item = _line(number, name)
          yield Drop(item, 'caption_duplicate', detail, annotations=1)
        texts[text] = None
      regions = instances.of_file(place)
      yield ImageAnnotations(
        place,
        os.path.join(images, place),
        regions.regions,
        captions=tuple(Caption(text) for text in texts),
        size=regions.size,
      )


def _places(images: str, image_index: str | None) -> Iterator[tuple[str, str]]:
  """By URL, or by number of the row, the path of an image."""
  if image_index is not None:
    yield from _pairs(image_index, _rows(image_index))
    return
  start = len(images.rstrip('/')) + 1
  for number, path in files.images_by_number([images]).items():
    yield str(number), path[start:]


def _without_image(tables: sqlite3.Connection) -> Iterator[Drop]:
  rows = tables.execute(
    'SELECT url, count(*) FROM caption LEFT JOIN place USING (key) '
    'WHERE place IS NULL GROUP BY url'
  )
  for url, count in rows:
    detail = 'It is not among the downloaded images.'
    yield Drop(
      f'image {url}', 'image_missing', detail, images=1, annotations=count
    )


def _rows(path: str) -> Iterator[list[str]]:
  """Columns of each line; only \\n ends a line, as in the official files."""
  first, tabs = 'an empty file', False
  for number, line in enumerate(files.lines(path)):
    first = first if number else repr(line[:60])
    tabs = tabs or '\t' in line
    yield line.rstrip('\r').split('\t')
  if not tabs:
    raise ValueError(
      f'{path} must hold rows of two columns with a tab between them. '
      f'Received: {first}. Is it the file of another kind?'
    )


def _pairs(path: str, rows: Iterable[list[str]]) -> Iterator[tuple[str, str]]:
  for number, columns in enumerate(rows):
    if len(columns) != 2 or not columns[1].strip():
      raise ValueError(
        'An image index must hold url<TAB>path in each row. '
        f'Received: {_line(number, path)}: {columns}.'
      )
    yield columns[0].strip(), columns[1].strip()


def _line(number: int, name: str) -> str:
  """What editors call a row that is counted from 0."""
  return f'line {number + 1} of {name}'


def _flaw(columns: list[str], text: str, url: str) -> tuple[str, str] | None:
  """Reason and detail, where a row cannot be used."""
  if len(columns) != 2:
    return 'row_malformed', f'{len(columns)} columns; there must be two.'
  if not url:
    return 'row_malformed', 'It has no URL.'
  if not text:
    return 'caption_empty', 'It has no words.'
  return None
