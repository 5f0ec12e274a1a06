"""Conceptual Captions: `caption<TAB>url`, one a row, no header.

Downloads are kept under names of one's own: an index file says which, or the
file's number is the number of the row, counted from 0.
"""

import os
from collections.abc import Iterator

from vlbert_tf.data.annotations import Caption, Drop, ImageAnnotations
from vlbert_tf.data.readers import files
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
    Images, named by their path under `images`, in the order of their first
    caption, and what was set aside.

  Raises:
    ValueError: a file is missing or malformed as a whole.
  """
  rows = _rows(captions)
  if image_index is None:
    numbered = files.images_by_number([images])
    places = {
      str(number): os.path.basename(path) for number, path in numbered.items()
    }
  else:
    places = dict(_pairs(image_index, _rows(image_index)))
  by_place: dict[str, dict[str, None]] = {}
  gone: dict[str, int] = {}
  for number, columns in enumerate(rows):
    text = files.clean_text(columns[0])
    url = columns[1].strip() if len(columns) > 1 else ''
    flaw = _flaw(columns, text, url)
    if flaw:
      yield Drop(f'row {number}', *flaw, annotations=1)
      continue
    key = str(number) if image_index is None else url
    if key not in places:
      gone[url] = gone.get(url, 0) + 1
      continue
    texts = by_place.setdefault(places[key], {})
    if text in texts:
      detail = 'The image has the same caption before.'
      yield Drop(f'row {number}', 'caption_duplicate', detail, annotations=1)
    texts[text] = None
  for url, count in gone.items():
    detail = 'It is not among the downloaded images.'
    yield Drop(
      f'image {url}', 'image_missing', detail, images=1, annotations=count
    )
  for place, texts in by_place.items():
    regions = instances.of_file(place)
    yield ImageAnnotations(
      place,
      os.path.join(images, place),
      regions.regions,
      captions=tuple(Caption(text) for text in texts),
      size=regions.size,
    )


def _rows(path: str) -> list[list[str]]:
  """Columns of each line; only \\n ends a line, as in the official files."""
  lines = files.read_text(path).split('\n')
  if lines and not lines[-1]:
    lines.pop()
  rows = [line.rstrip('\r').split('\t') for line in lines]
  if not any(len(columns) > 1 for columns in rows):
    first = repr(lines[0][:60]) if lines else 'an empty file'
    raise ValueError(
      f'{path} must hold rows of two columns with a tab between them. '
      f'Received: {first}. Is it the file of another kind?'
    )
  return rows


def _pairs(path: str, rows: list[list[str]]) -> Iterator[tuple[str, str]]:
  for number, columns in enumerate(rows):
    if len(columns) != 2 or not columns[1].strip():
      raise ValueError(
        'An image index must hold url<TAB>path in each row. '
        f'Received: {path}, row {number}: {columns}.'
      )
    yield columns[0].strip(), columns[1].strip()


def _flaw(columns: list[str], text: str, url: str) -> tuple[str, str] | None:
  """Reason and detail, where a row cannot be used."""
  if len(columns) != 2:
    return 'row_malformed', f'{len(columns)} columns; there must be two.'
  if not url:
    return 'row_malformed', 'It has no URL.'
  if not text:
    return 'caption_empty', 'It has no words.'
  return None
