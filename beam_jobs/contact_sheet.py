"""Pictures of records side by side, with boxes and texts."""

import io
from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageDraw
import tensorflow as tf

from vlbert_tf.data import example_schema, record_contents
from vlbert_tf.vision import image as images

_CELL = 320  # pixels, width and height of a picture
_TEXT_LINES = 4
_LINE = 12
_COLUMNS = 4
_MOST_BOXES = 12
_CHARACTERS = 52
_COLORS = ('#e6194b', '#3cb44b', '#4363d8', '#f58231', '#911eb4', '#008080')
_GRAY = (225, 225, 225)


def draw(
  records: Sequence[dict[str, np.ndarray]], split: example_schema.SplitInfo
) -> bytes:
  """Draws records.

  Args:
    records: of `parse_example`, as arrays.
    split: they belong to; gives the kind and the names of categories.

  Returns:
    A PNG, four records a row. Where a record has no image, its boxes stand
    on gray.
  """
  columns = min(_COLUMNS, max(1, len(records)))
  rows = max(1, -(-len(records) // columns))
  height = _CELL + _TEXT_LINES * _LINE
  sheet = PIL.Image.new('RGB', (columns * _CELL, rows * height), 'white')
  for place, record in enumerate(records):
    corner = (place % columns) * _CELL, (place // columns) * height
    sheet.paste(_picture(record, split), corner)
    pen = PIL.ImageDraw.Draw(sheet)
    for number, line in enumerate(_texts(record, split)[:_TEXT_LINES]):
      # Pillow's own font has no letters beyond Latin-1.
      shown = line[:_CHARACTERS].encode('latin-1', 'replace').decode('latin-1')
      pen.text(
        (corner[0] + 2, corner[1] + _CELL + number * _LINE), shown, 'black'
      )
  buffer = io.BytesIO()
  sheet.save(buffer, 'PNG')
  return buffer.getvalue()


def _picture(record, split) -> PIL.Image.Image:
  height, width = int(record['image/height']), int(record['image/width'])
  if record_contents.ENCODED in record:
    pixels = images.decode(tf.constant(record[record_contents.ENCODED]))
    picture = PIL.Image.fromarray(pixels.numpy())
  else:
    picture = PIL.Image.new('RGB', (width, height), _GRAY)
  scale = (_CELL - 2) / max(height, width)
  size = max(1, round(width * scale)), max(1, round(height * scale))
  picture = picture.resize(size)
  pen = PIL.ImageDraw.Draw(picture)
  best = np.argsort(-record['roi/score'], kind='stable')[:_MOST_BOXES]
  texts = labels(record, split)
  for number, k in enumerate(best):
    color = _COLORS[number % len(_COLORS)]
    x1, y1, x2, y2 = (float(c) * scale for c in record['roi/box'][k])
    pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=color)
    pen.text((x1 + 2, y1 + 1), texts[k], color)
  return picture


def labels(record: dict[str, np.ndarray], split) -> list[str]:
  """What is written on each RoI: attributes, category, score."""
  lines = []
  described = attributes(record, split)
  rows = zip(record['roi/category'], record['roi/score'], strict=True)
  for k, (category, score) in enumerate(rows):
    name = split.categories[category - 1] if category else 'background'
    lines.append(' '.join([*described[k], name, f'{float(score):.2f}']))
  return lines


def attributes(record: dict[str, np.ndarray], split) -> list[list[str]]:
  """Names of the attributes of each RoI, detected or annotated.

  Args:
    record: of `parse_example`, as arrays.
    split: it belongs to.

  Returns:
    A list for each RoI, empty where it has none. Numbers beyond the names
    are left out.
  """
  if record_contents.ATTRIBUTE in record:
    numbers = [[number] for number in record[record_contents.ATTRIBUTE]]
  else:
    numbers = record.get('roi/attribute', [[]] * len(record['roi/box']))
  known = len(split.attributes)
  return [
    [split.attributes[n - 1] for n in row if 0 < n <= known] for row in numbers
  ]


def _texts(record, split) -> list[str]:
  def decoded(name):
    return [value.decode('utf-8') for value in np.ravel(record[name])]

  named = f'{record["image/id"].decode("utf-8")}: {len(record["roi/box"])} RoIs'
  if split.kind == example_schema.CAPTIONS:
    return [named, *decoded('caption/text')]
  if split.kind == example_schema.QUESTIONS:
    answers = (
      row[0].decode('utf-8') if row else '?' for row in record['answer/text']
    )
    pairs = zip(decoded('question/text'), answers, strict=True)
    return [named, *(f'{question} {answer}' for question, answer in pairs)]
  if split.kind == example_schema.EXPRESSIONS:
    return [named, *decoded('expression/text')]
  if split.kind == example_schema.CHOICES:
    return [named, *decoded('choice/question')]
  return [named]
