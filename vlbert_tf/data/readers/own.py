"""One's own questions: one JSON object a line.

    {"image": "shop/1.jpg", "question": "Is it open?", "answers": ["yes"],
     "id": 17, "boxes": [{"box": [x1, y1, x2, y2], "label": "door"}]}

`answers` (of one to ten people), `id` (by default the number of the line) and
`boxes` may be left out; boxes of an image are those of its first line that has
some, in pixels, with an optional `score`.
"""

import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from vlbert_tf.data.annotations import (
  Drop,
  ImageAnnotations,
  Question,
  Region,
)
from vlbert_tf.data.readers import files, vqa

# Where nobody says what is in a box.
CATEGORIES = ('object',)


def read_images(
  questions: str, images: str, categories: Sequence[str] | None
) -> Iterator[ImageAnnotations | Drop]:
  """Reads a split.

  Args:
    questions: path of the JSON lines.
    images: folder that `image` starts from.
    categories: known labels of boxes; a box without a label is of the first.
      None where a detector finds the boxes: those of the file are not read.

  Yields:
    Images, named by their path under `images`, in the order of their first
    line, and what was set aside.

  Raises:
    ValueError: the file is missing.
  """
  asked: dict[str, list[Question]] = {}
  regions: dict[str, tuple[Region, ...]] = {}
  seen: set[int] = set()
  name = os.path.basename(questions)
  for number, line in enumerate(files.read_text(questions).split('\n'), 1):
    if not line.strip():
      continue
    item = f'line {number} of {name}'
    try:
      row = json.loads(line)
      image, question = _image(row), _question(number, row, seen)
      boxes = row.get('boxes') or [] if categories is not None else []
      if boxes and not regions.get(image):
        regions[image] = tuple(_region(each, categories) for each in boxes)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
      detail = f'{type(error).__name__}: {error}'
      yield Drop(item, 'line_malformed', detail, annotations=1)
      continue
    asked.setdefault(image, []).append(question)
  for image, texts in asked.items():
    yield ImageAnnotations(
      image,
      os.path.join(images, image),
      regions.get(image, ()),
      questions=tuple(texts),
    )


def _image(row: dict[str, Any]) -> str:
  """A path that stays under the folder that it is relative to."""
  path = files.clean_text(row['image'])
  if not path or os.path.isabs(path) or '..' in path.split('/'):
    raise ValueError(f'image must be a path in the folder, and is {path!r}')
  return path


def _question(number: int, row: dict[str, Any], seen: set[int]) -> Question:
  question_id = int(row.get('id', number))
  if question_id in seen:
    raise ValueError(f'id {question_id} came before')
  seen.add(question_id)
  text = files.clean_text(row['question'])
  answers = row.get('answers', [])
  if not text:
    raise ValueError('question has no words')
  if not isinstance(answers, list) or len(answers) > vqa.MAX_ANSWERS:
    raise ValueError(f'answers must be at most {vqa.MAX_ANSWERS} texts')
  counted = vqa.counted_answers([{'answer': answer} for answer in answers])
  if answers and not counted:
    raise ValueError('answers hold no text')
  return Question(question_id, text, answers=counted)


def _region(row: dict[str, Any], categories: Sequence[str]) -> Region:
  box = tuple(float(value) for value in row['box'])
  label, score = row.get('label', categories[0]), float(row.get('score', 1.0))
  if len(box) != 4 or not all(map(math.isfinite, (*box, score))):
    raise ValueError(f'a box has four numbers, and is {row["box"]}')
  if label not in categories:
    raise ValueError(f'label {label!r} is not among the categories')
  return Region(box, categories.index(label) + 1, score)
