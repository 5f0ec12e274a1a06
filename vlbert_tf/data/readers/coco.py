"""COCO instances: boxes and categories of images.

`images[] {id, file_name, width, height}`, `annotations[] {image_id,
category_id, bbox [x, y, w, h], iscrowd}` and an optional `score` of a
detector, `categories[] {id, name}`.
"""

import dataclasses
import math
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from vlbert_tf import boxes
from vlbert_tf.data.annotations import Drop, Region, clip_regions
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
  """

  categories: tuple[str, ...]
  by_id: dict[int, ImageRegions]
  ids: dict[str, int]
  drops: tuple[Drop, ...]

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
  found, drops = _regions(content['annotations'], contiguous, images)
  by_id = {}
  for image_id, row in images.items():
    regions, size = found.get(image_id, ()), _size(row)
    if size:
      regions, outside = clip_regions(str(image_id), regions, *size)
      drops += outside
    by_id[image_id] = ImageRegions(tuple(regions), size)
  return Instances(
    tuple(name for _, name in categories), by_id, names, tuple(drops)
  )


def _regions(
  rows: Iterable[Any], contiguous: dict[int, int], images: dict[int, Any]
) -> tuple[dict[int, list[Region]], list[Drop]]:
  found: dict[int, list[Region]] = {}
  drops = []
  for number, row in enumerate(rows):
    region, reason, detail = _region(row, contiguous, images)
    if region is None:
      name = row.get('id', f'row {number}') if isinstance(row, dict) else number
      drops.append(Drop(f'region {name}', reason, detail))
    else:
      found.setdefault(int(row['image_id']), []).append(region)
  return found, drops


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
