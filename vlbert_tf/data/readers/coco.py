"""COCO instances: boxes and categories of images.

`images[] {id, file_name, width, height}`, `annotations[] {image_id,
category_id, bbox [x, y, w, h], iscrowd}` and an optional `score` of a
detector, `categories[] {id, name}`.
"""

import dataclasses
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
class ImageRegions:
  """The regions of one image, and the size that they are measured in."""

  regions: tuple[Region, ...] = ()
  size: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True)
class Instances:
  """A file of instances.

  Attributes:
    categories: names in the order of their ids; the k-th is category k + 1,
      whatever gaps the ids have.
    by_id: regions by image id.
    ids: image ids by file name, without folders.
    drops: regions that were set aside.
    boxes: image id and box, (x1, y1, x2, y2), by the id of an annotation.
    numbers: place in `categories` + 1, by category id.
  """

  categories: tuple[str, ...]
  by_id: dict[int, ImageRegions]
  ids: dict[str, int]
  drops: tuple[Drop, ...]
  boxes: dict[int, tuple[int, tuple[float, ...]]] = dataclasses.field(
    default_factory=dict
  )
  numbers: dict[int, int] = dataclasses.field(default_factory=dict)

  def of_id(self, image_id: int) -> ImageRegions:
    """Regions of an image; none when the file does not know it."""
    return self.by_id.get(image_id, ImageRegions())

  def of_file(self, path: str) -> ImageRegions:
    """Regions of the image in a file, known by the file's name."""
    return self.of_id(self.ids.get(os.path.basename(path), -1))


def read_instances(path: str) -> Instances:
  """Reads a file of instances.

  Crowds, boxes of unknown category or image, and boxes without an area in
  their image are set aside.

  Args:
    path: of the JSON file.

  Returns:
    Regions of all images.

  Raises:
    ValueError: the file is missing or malformed as a whole.
  """
  content = files.read_json(path, 'images', 'annotations', 'categories')
  try:
    categories = sorted(
      (int(row['id']), str(row['name'])) for row in content['categories']
    )
    images = {int(row['id']): row for row in content['images']}
    names = {
      os.path.basename(str(row.get('file_name', key))): key
      for key, row in images.items()
    }
  except (KeyError, TypeError, ValueError) as error:
    raise ValueError(
      f'{path} must give an id to each image, and an id and a name to each '
      f'category. Received: {error!r}.'
    ) from error
  contiguous = {key: place + 1 for place, (key, _) in enumerate(categories)}
  sizes = {image_id: _size(row) for image_id, row in images.items()}
  found, drops, by_annotation = _regions(
    content['annotations'], contiguous, images
  )
  by_id, outside = _clipped(found, sizes)
  return Instances(
    tuple(name for _, name in categories),
    by_id,
    names,
    (*drops, *outside),
    by_annotation,
    contiguous,
  )


def read_detections(path: str, instances: Instances) -> Instances:
  """Reads a detector's boxes in place of the annotated ones.

  Args:
    path: of a JSON list of `{image_id, box [x, y, w, h], category_id,
      score}`, as MAttNet's.
    instances: images, sizes and categories that they belong to.

  Returns:
    The instances with the regions that were detected.

  Raises:
    ValueError: the file is missing or malformed as a whole.
  """
  rows = files.read_json(path)
  if not isinstance(rows, list):
    raise ValueError(
      f'{path} must be a JSON list of detections. Received: an object. '
      'Is it the file of another kind?'
    )
  renamed = [
    {**row, 'bbox': row.get('box')} if isinstance(row, dict) else row
    for row in rows
  ]
  sizes = {key: image.size for key, image in instances.by_id.items()}
  found, drops, _ = _regions(renamed, instances.numbers, sizes)
  by_id, outside = _clipped(found, sizes)
  return dataclasses.replace(instances, by_id=by_id, drops=(*drops, *outside))


def images_with_texts(
  field: str,
  by_image: Mapping[int, Sequence[Any]],
  images: Mapping[int, str],
  regions: Instances,
  detected: bool = False,
) -> Iterator[ImageAnnotations | Drop]:
  """Brings texts, the files of their images and the boxes on them together.

  Args:
    field: of `ImageAnnotations` that holds the texts, such as 'captions'.
    by_image: texts by image id, at least one each.
    images: paths by image number; see `files.images_by_number`.
    regions: boxes by image id.
    detected: whether they are those of a detector.

  Yields:
    Images in the order of `by_image`, and those without a file set aside.
  """
  for image_id, texts in by_image.items():
    if image_id not in images:
      yield Drop(
        f'image {image_id}',
        'image_missing',
        f'No file name in the image folder ends with {image_id:012d}.',
        images=1,
        annotations=len(texts),
      )
      continue
    of_image = regions.of_id(image_id)
    yield ImageAnnotations(
      str(image_id),
      images[image_id],
      of_image.regions,
      size=of_image.size,
      detected=detected,
      **{field: tuple(texts)},
    )


def _clipped(
  found: dict[int, list[Region]], sizes: dict[int, tuple[int, int] | None]
) -> tuple[dict[int, ImageRegions], list[Drop]]:
  by_id, drops = {}, []
  for image_id, size in sizes.items():
    regions = found.get(image_id, ())
    if size:
      regions, outside = clip_regions(str(image_id), regions, *size)
      drops += outside
    by_id[image_id] = ImageRegions(tuple(regions), size)
  return by_id, drops


def _regions(
  rows: Iterable[Any], contiguous: dict[int, int], images: dict[int, Any]
) -> tuple[
  dict[int, list[Region]], list[Drop], dict[int, tuple[int, tuple[float, ...]]]
]:
  """Regions by image, what was set aside, boxes by annotation."""
  found: dict[int, list[Region]] = {}
  drops, by_annotation = [], {}
  for number, row in enumerate(rows):
    region, reason, detail = _region(row, contiguous, images)
    if region is None:
      name = row.get('id', f'row {number}') if isinstance(row, dict) else number
      drops.append(Drop(f'region {name}', reason, detail))
    else:
      image_id = int(row['image_id'])
      found.setdefault(image_id, []).append(region)
      by_annotation[row.get('id')] = (image_id, region.box)
  return found, drops, by_annotation


def _region(
  row: Any, contiguous: dict[int, int], images: dict[int, Any]
) -> tuple[Region | None, str, str]:
  """A region, or a reason and its detail."""
  try:
    image_id, category_id = int(row['image_id']), int(row['category_id'])
    box = tuple(float(value) for value in row['bbox'])
    score = float(row.get('score', 1.0))
  except (KeyError, TypeError, ValueError, AttributeError) as error:
    return None, 'region_malformed', f'{type(error).__name__}: {error}'
  if row.get('iscrowd'):
    return None, 'region_crowd', 'A crowd is not an object.'
  if image_id not in images:
    return None, 'region_without_image', f'There is no image {image_id}.'
  if category_id not in contiguous:
    return None, 'region_category_unknown', f'Category id {category_id}.'
  if len(box) != 4 or not all(map(math.isfinite, (*box, score))):
    return None, 'region_not_finite', f'bbox {row["bbox"]}, score {score}.'
  corners = boxes.from_xywh(np.array(box)).tolist()
  return Region(tuple(corners), contiguous[category_id], score), '', ''


def _size(row: Any) -> tuple[int, int] | None:
  """Height and width, where the file gives them."""
  height, width = row.get('height'), row.get('width')
  return (int(height), int(width)) if height and width else None
