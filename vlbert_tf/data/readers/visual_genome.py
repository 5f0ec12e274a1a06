"""Visual Genome: objects of images, and what they are like.

`image_data.json`: a list of `{image_id, width, height}`; `objects.json`: a
list of `{image_id, objects[] {object_id, x, y, w, h, names[]}}`;
`attributes.json`: the same, each object with `attributes[]`, its list named
`attributes` or `objects`. Vocabularies: a name a line, synonyms after commas.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from vlbert_tf import boxes
from vlbert_tf.data.annotations import (
  Drop,
  ImageAnnotations,
  Region,
  clip_regions,
)
from vlbert_tf.data.readers import files


@dataclasses.dataclass(frozen=True)
class Vocabulary:
  """Names of categories or attributes.

  Attributes:
    names: the first of each line; the k-th is number k + 1.
    numbers: by name, synonyms included, in lower case.
  """

  names: tuple[str, ...]
  numbers: dict[str, int]

  def number_of(self, name: Any) -> int:
    """The number of a name, 0 for an unknown one."""
    return self.numbers.get(files.clean_text(name).lower(), 0)


def read_vocabulary(path: str) -> Vocabulary:
  """Reads names and their synonyms.

  Args:
    path: of a file with a name a line, synonyms after commas.

  Returns:
    The vocabulary. A name that stands in two lines belongs to the first.

  Raises:
    ValueError: the file is missing or empty.
  """
  lines = files.read_names(path)
  numbers: dict[str, int] = {}
  for number, line in enumerate(lines, start=1):
    for name in line.split(','):
      numbers.setdefault(files.clean_text(name).lower(), number)
  return Vocabulary(tuple(line.split(',')[0] for line in lines), numbers)


def read_images(
  objects_path: str,
  image_data_path: str,
  image_paths: dict[int, str],
  categories: Vocabulary,
  attributes: Vocabulary | None = None,
  attributes_path: str | None = None,
) -> Iterator[ImageAnnotations | Drop]:
  """Reads the objects of all images.

  An object has the category of its first known name; names and attributes
  beyond the vocabularies are set aside.

  Args:
    objects_path: of `objects.json`.
    image_data_path: of `image_data.json`, which gives sizes.
    image_paths: image files by image id.
    categories: of objects.
    attributes: of objects; None reads none.
    attributes_path: of `attributes.json`; None where `objects.json` has them.

  Yields:
    An `ImageAnnotations` for each image with an object, and a `Drop` for each
    item that is set aside.

  Raises:
    ValueError: a file is missing or malformed as a whole.
  """
  sizes = {row.get('image_id'): _size(row) for row in _rows(image_data_path)}
  described: dict[Any, Any] = {}
  for row in _rows(attributes_path) if attributes_path else ():
    for each in _list(row, 'attributes', 'objects'):
      described[(row.get('image_id'), _key(each))] = each.get('attributes')
  reader = _ImageReader(sizes, described, image_paths, categories, attributes)
  for row in _rows(objects_path):
    yield from reader.read(row)


@dataclasses.dataclass(frozen=True)
class _ImageReader:
  """What all images share."""

  sizes: dict[Any, tuple[int, int] | None]
  described: dict[Any, Any]
  image_paths: dict[int, str]
  categories: Vocabulary
  attributes: Vocabulary | None

  def read(self, row: dict) -> Iterator[ImageAnnotations | Drop]:
    """One image and what of it is set aside."""
    image_id = row.get('image_id')
    regions, drops = [], []
    for number, each in enumerate(_list(row, 'objects')):
      made = self._region(image_id, each)
      if isinstance(made, Region):
        regions.append(made)
      else:
        reason, detail = made
        name = each.get('object_id', f'{number} of image {image_id}')
        drops.append(Drop(f'region {name}', reason, detail))
    size = self.sizes.get(image_id)
    if size:
      regions, outside = clip_regions(str(image_id), regions, *size)
      drops += outside
    yield from drops
    reason = ''
    if image_id not in self.image_paths:
      reason, detail = 'image_missing', 'No file has its number.'
    elif not regions:
      reason, detail = 'image_without_regions', 'None of its objects is left.'
    if reason:
      yield Drop(f'image {image_id}', reason, detail, 1, 1)
      return
    yield ImageAnnotations(
      str(image_id),
      self.image_paths[image_id],
      regions=tuple(regions),
      size=size,
      without_text=True,
    )

  def _region(self, image_id: Any, row: dict) -> Region | tuple[str, str]:
    """A region, or a reason and its detail."""
    try:
      corner = [float(row[key]) for key in ('x', 'y', 'w', 'h')]
    except (KeyError, TypeError, ValueError) as error:
      return 'region_malformed', f'{type(error).__name__}: {error}'
    if not all(map(math.isfinite, corner)):
      return 'region_not_finite', f'x, y, w, h {corner}.'
    names = row.get('names')
    names = names if isinstance(names, list) else [row.get('name')]
    known = filter(None, map(self.categories.number_of, names))
    category = next(known, 0)
    if not category:
      return 'region_category_unknown', f'Names {names}.'
    box = tuple(boxes.from_xywh(np.array(corner)).tolist())
    return Region(box, category, attributes=self._attributes(image_id, row))

  def _attributes(self, image_id: Any, row: dict) -> tuple[int, ...]:
    if self.attributes is None:
      return ()
    words = self.described.get((image_id, _key(row)), row.get('attributes'))
    words = words if isinstance(words, list) else []
    numbers = filter(None, map(self.attributes.number_of, words))
    return tuple(dict.fromkeys(numbers))


def _rows(path: str) -> list[dict]:
  rows = files.read_json(path)
  if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
    raise ValueError(
      f'{path} must be a JSON list of objects, one an image. Received: '
      'something else. Is it the file of another kind?'
    )
  return rows


def _list(row: dict, *keys: str) -> list[dict]:
  """The first of these lists that an image has; its members that are dicts."""
  for key in keys:
    if isinstance(row.get(key), list):
      return [each for each in row[key] if isinstance(each, dict)]
  return []


def _key(row: dict) -> Any:
  return row.get('object_id', row.get('id'))


def _size(row: dict) -> tuple[int, int] | None:
  height, width = row.get('height'), row.get('width')
  return (int(height), int(width)) if height and width else None
