"""COCO captions: five or more sentences on each image.

`captions_train2014.json` and the like: `images[] {id, file_name}`,
`annotations[] {id, image_id, caption}`.
"""

from collections.abc import Iterator
from typing import Any

from vlbert_tf.data.annotations import Caption, Drop, ImageAnnotations
from vlbert_tf.data.readers import files
from vlbert_tf.data.readers.coco import Instances, images_with_texts


def read_images(
  captions: str, images: dict[int, str], instances: Instances
) -> Iterator[ImageAnnotations | Drop]:
  """Reads a split of COCO captions.

  Args:
    captions: path of the JSON file.
    images: paths by image number; see `files.images_by_number`.
    instances: boxes by image id.

  Yields:
    Images in the order of the file, and what was set aside. A sentence that
    two people wrote is two captions.

  Raises:
    ValueError: the file is missing or malformed as a whole.
  """
  content = files.read_json(captions, 'images', 'annotations')
  by_image: dict[int, list[Caption]] = {}
  for number, row in enumerate(content['images']):
    image_id = _number(row, 'id')
    if image_id is None or image_id in by_image:
      reason = 'image_malformed' if image_id is None else 'image_duplicate'
      yield Drop(f'image row {number}', reason, f'id {image_id}.')
    else:
      by_image[image_id] = []
  seen: set[int] = set()
  for number, row in enumerate(content['annotations']):
    made = _caption(number, row, by_image, seen)
    if isinstance(made, Drop):
      yield made
    else:
      by_image[row['image_id']].append(made)
  for image_id in [key for key, texts in by_image.items() if not texts]:
    del by_image[image_id]
    detail = 'It has no caption that can be used.'
    yield Drop(f'image {image_id}', 'image_without_caption', detail, images=1)
  yield from images_with_texts('captions', by_image, images, instances)


def _caption(
  number: int, row: Any, known: dict[int, Any], seen: set[int]
) -> Caption | Drop:
  """A caption of the file, or why it is set aside."""

  def drop(item, reason, detail):
    return Drop(item, reason, detail, annotations=1)

  caption_id, image_id = _number(row, 'id'), _number(row, 'image_id')
  if caption_id is None or image_id is None:
    detail = f'id {caption_id}, image_id {image_id}.'
    return drop(f'caption row {number}', 'caption_malformed', detail)
  if caption_id in seen:
    detail = f'Caption {caption_id} came before.'
    return drop(f'caption row {number}', 'caption_duplicate', detail)
  seen.add(caption_id)
  name = f'caption {caption_id}'
  if image_id not in known:
    detail = f'Image {image_id} is not among the images of the file.'
    return drop(name, 'caption_without_image', detail)
  text = files.clean_text(row.get('caption'))
  if not text:
    return drop(name, 'caption_empty', 'It has no words.')
  return Caption(text)


def _number(row: Any, key: str) -> int | None:
  """A whole number of a row; None where it has none."""
  value = row.get(key) if isinstance(row, dict) else None
  # JSON's true would pass for 1.
  whole = isinstance(value, int) and not isinstance(value, bool)
  return value if whole else None
