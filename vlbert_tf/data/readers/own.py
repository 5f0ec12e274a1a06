"""One's own questions: one JSON object a line.

    {"image": "shop/1.jpg", "question": "Is it open?", "answers": ["yes"],
     "id": 17, "boxes": [{"box": [x1, y1, x2, y2], "label": "door"}]}

`answers` (of one to ten people), `id` (by default the number of the line) and
`boxes` may be left out; boxes of an image are those of its first line that has
some, in pixels, with an optional `score`.
"""

import itertools
import json
import math
import operator
import os
import pickle
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from vlbert_tf.data.annotations import (
  Drop,
  ImageAnnotations,
  Question,
  Region,
)
from vlbert_tf.data.readers import files, on_disk, vqa

# Where nobody says what is in a box.
CATEGORIES = ('object',)
# What the parts of a line raise that is not as it has to be.
_FLAWS = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


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
    What was set aside, and images, named by their path under `images` and
    sorted by it; their questions are in the order of the file.

  Raises:
    ValueError: the file is missing.
  """
  name = os.path.basename(questions)
  with on_disk.database() as tables:
    tables.execute('CREATE TABLE seen (id INTEGER PRIMARY KEY)')
    tables.execute('CREATE TABLE asked (line INTEGER PRIMARY KEY, image, row)')
    tables.execute('CREATE TABLE boxed (image PRIMARY KEY, row) WITHOUT ROWID')
    for number, line in enumerate(files.lines(questions), 1):
      if not line.strip():
        continue
      try:
        row = json.loads(line)
        image, question = _image(row), _question(number, row, tables)
        boxes = row.get('boxes') or [] if categories is not None else []
        if boxes and not _boxed(tables, image):
          regions = tuple(_region(each, categories) for each in boxes)
          on_disk.insert(tables, 'boxed', image, pickle.dumps(regions))
      except _FLAWS as error:
        detail = f'{type(error).__name__}: {error}'
        item = f'line {number} of {name}'
        yield Drop(item, 'line_malformed', detail, annotations=1)
        continue
      on_disk.insert(tables, 'asked', number, image, pickle.dumps(question))
    rows = tables.execute('SELECT image, row FROM asked ORDER BY image, line')
    for image, texts in itertools.groupby(rows, operator.itemgetter(0)):
      yield ImageAnnotations(
        image,
        os.path.join(images, image),
        _boxed(tables, image),
        questions=tuple(pickle.loads(text) for _, text in texts),
      )


def _boxed(tables: sqlite3.Connection, image: str) -> tuple[Region, ...]:
  """Regions of the first line of an image that has some."""
  rows = tables.execute('SELECT row FROM boxed WHERE image = ?', (image,))
  found = rows.fetchone()
  return pickle.loads(found[0]) if found else ()


def _image(row: dict[str, Any]) -> str:
  """A path that stays under the folder that it is relative to."""
  path = files.clean_text(row['image'])
  if not path or os.path.isabs(path) or '..' in path.split('/'):
    raise ValueError(f'image must be a path in the folder, and is {path!r}')
  return path


def _question(
  number: int, row: dict[str, Any], tables: sqlite3.Connection
) -> Question:
  question_id = int(row.get('id', number))
  if not on_disk.insert(tables, 'seen', question_id):
    raise ValueError(f'id {question_id} came before')
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
