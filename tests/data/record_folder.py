"""Small folders of records for tests, written without Beam."""

import dataclasses
import io
import json
import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image

from vlbert_tf.data import example_schema
from vlbert_tf.data.annotations import (
  Caption,
  ChoiceQuestion,
  DetectedRegion,
  Expression,
  ImageAnnotations,
  Question,
  Region,
  TaggedText,
)
from vlbert_tf.data.record_contents import IMAGE_ALONE, Contents

CATEGORIES = ('ball', 'box', 'cone')


def jpeg(number: int, width: int = 40, height: int = 30) -> bytes:
  """A smooth picture of one color that follows from `number`."""
  color = np.array([40 * number % 256, 90 + 11 * number % 150, 120], np.uint8)
  buffer = io.BytesIO()
  pixels = np.broadcast_to(color, [height, width, 3])
  Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, 'JPEG')
  return buffer.getvalue()


def regions(number: int) -> tuple[Region, ...]:
  """One to three boxes."""
  return tuple(
    Region((2.0 + i, 3.0, 20.0 + 2 * i, 25.0), 1 + (number + i) % 3)
    for i in range(1 + number % 3)
  )


def write_captions(
  folder: pathlib.Path,
  images: int = 5,
  split: str = 'train',
  contents: Contents = IMAGE_ALONE,
  shards: int = 2,
) -> pathlib.Path:
  """Records of captions; image k has the captions 'a k' and 'b k'."""
  rows = [
    ImageAnnotations(
      image_id=str(k),
      image_path='',
      regions=regions(k),
      captions=(Caption(f'a {k}'), Caption(f'b {k}')),
    )
    for k in range(images)
  ]
  return _write(folder, example_schema.CAPTIONS, rows, split, contents, shards)


def write_questions(
  folder: pathlib.Path,
  images: int = 5,
  split: str = 'train',
  contents: Contents = IMAGE_ALONE,
  shards: int = 2,
  text: str = 'is it {} ?',
  answers: tuple[str, str] = ('yes', 'no'),
) -> pathlib.Path:
  """Records of questions; image k has k % 3 + 1 of them.

  Question number n of image k is `10 k + n`; its text is that of image k, and
  its answer the first one where n is even, else the second; two people always
  say `maybe`.
  """
  rows = [
    ImageAnnotations(
      image_id=str(k),
      image_path='',
      regions=regions(k),
      questions=tuple(
        Question(
          question_id=10 * k + n,
          text=text.format(k),
          question_type='is it',
          answer_type='yes/no',
          answers=((answers[n % 2], 8), ('maybe', 2)),
        )
        for n in range(k % 3 + 1)
      ),
    )
    for k in range(images)
  ]
  return _write(folder, example_schema.QUESTIONS, rows, split, contents, shards)


def write_expressions(
  folder: pathlib.Path, images: int = 5, split: str = 'train'
) -> pathlib.Path:
  """Records of expressions; image k has one for each of its k % 3 + 1 boxes.

  Expression number n of image k is `10 k + n`, 'left n' or 'right n'.
  """
  rows = [
    ImageAnnotations(
      image_id=str(k),
      image_path='',
      regions=_apart(k),
      expressions=tuple(
        Expression(10 * k + n, f'{("left", "right")[n % 2]} {n}', region.box)
        for n, region in enumerate(_apart(k))
      ),
    )
    for k in range(images)
  ]
  return _write(folder, example_schema.EXPRESSIONS, rows, split)


def write_choices(
  folder: pathlib.Path,
  images: int = 5,
  split: str = 'train',
  labeled: bool = True,
  contents: Contents = IMAGE_ALONE,
) -> pathlib.Path:
  """Records of choices; image k has the questions 'k-0' and 'k-1'.

  The objects have the tags 0, 1, ... in the reverse order of the boxes, and the
  object in the first box fills its left half. Right is answer k % 4 and
  rationale (k + 1) % 4.
  """
  rows = []
  for k in range(images):
    boxes = _apart(k)
    tagged = tuple(
      dataclasses.replace(
        region,
        tag=len(boxes) - 1 - n,
        polygons=_left_half(region.box) if n == 0 else '',
      )
      for n, region in enumerate(boxes)
    )
    asked = tuple(
      ChoiceQuestion(
        f'{k}-{n}',
        TaggedText(('is', 'a', 'b', '?'), (-1, 0, -1, -1)),
        tuple(TaggedText(('it', str(c)), (-1, -1)) for c in range(4)),
        tuple(TaggedText(('a', str(c)), (0, -1)) for c in range(4)),
        k % 4 if labeled else -1,
        (k + 1) % 4 if labeled else -1,
      )
      for n in range(2)
    )
    rows.append(ImageAnnotations(str(k), '', regions=tagged, choices=asked))
  return _write(folder, example_schema.CHOICES, rows, split, contents)


def _left_half(box) -> str:
  x1, y1, x2, y2 = box
  middle = (x1 + x2) / 2
  return json.dumps([[[x1, y1], [middle, y1], [middle, y2], [x1, y2]]])


def _apart(number: int) -> tuple[Region, ...]:
  """One to three boxes that do not touch each other."""
  return tuple(
    Region((2.0 + 12 * i, 3.0, 12.0 + 12 * i, 25.0), 1 + (number + i) % 3)
    for i in range(1 + number % 3)
  )


def appearance(number: int, roi: int) -> float:
  """Every number of the appearance of a RoI; -1 is the whole image."""
  return 1.0 + number + 10 * (roi + 1)


def _described(number: int, regions, contents: Contents):
  """Regions with features that follow from the image and the place.

  The likeliest category is theirs by 0.7; background comes next by 0.2.
  """
  size = contents.appearance_size
  top = contents.top_categories
  return tuple(
    DetectedRegion(
      **dataclasses.asdict(region),
      appearance=np.full(size, appearance(number, k), np.float16).tobytes(),
      top_categories=(region.category, 0, 0)[:top],
      top_probabilities=(0.7, 0.2, 0.0)[:top],
    )
    for k, region in enumerate(regions)
  )


def _write(
  folder, kind, rows, split, contents=IMAGE_ALONE, shards=2
) -> pathlib.Path:
  place = folder / 'test' / example_schema.FOLDER_VERSION
  (place / 'texts').mkdir(parents=True, exist_ok=True)
  parts = [rows[k::shards] for k in range(shards)]
  for number, part in enumerate(parts):
    where = (str(place), 'test', split, number, shards)
    with tf.io.TFRecordWriter(example_schema.record_path(*where)) as writer:
      for row in part:
        number = int(row.image_id)
        row = dataclasses.replace(
          row, regions=_described(number, row.regions, contents)
        )
        whole = np.full(
          contents.appearance_size, appearance(number, -1), np.float16
        )
        writer.write(
          example_schema.encode_example(
            kind,
            row,
            jpeg(number),
            30,
            40,
            contents=contents,
            image_appearance=whole.tobytes(),
          )
        )
    table = ''.join(
      f'{row.image_id}\t{caption.text}\n'
      for row in part
      for caption in row.captions
    )
    pathlib.Path(example_schema.texts_path(*where)).write_text(table)
  manifest = {
    'schema_version': example_schema.SCHEMA_VERSION,
    'kind': kind,
    'name': 'test',
    'command': 'vlbert-build-examples',
    'categories': list(CATEGORIES),
    'contents': dataclasses.asdict(contents),
    'splits': {
      split: {
        'shards': shards,
        'images': len(rows),
        'annotations': sum(row.count for row in rows),
        'dropped': {},
        'shard_lengths': [len(part) for part in parts],
        'shard_annotations': [sum(row.count for row in part) for part in parts],
      }
    },
  }
  (place / example_schema.MANIFEST).write_text(json.dumps(manifest))
  (place / example_schema.DATASET_INFO).write_text('{}')
  return place
