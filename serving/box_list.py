"""Boxes and outlines as a user writes them: on a command line or in a file."""

import json
import pathlib


def read_boxes(value: str) -> list[list[float]] | None:
  """Reads boxes from text or from the file that it names.

  Args:
    value: `x1,y1,x2,y2` in pixels with `;` between boxes, or the path of a
      JSON file with a list of lists of four numbers; empty for none.

  Returns:
    The boxes, None for an empty value.

  Raises:
    ValueError: it is neither.
    OSError: the file cannot be read.
  """
  if not value:
    return None
  try:
    if value.endswith('.json'):
      text = pathlib.Path(value).read_text(encoding='utf-8')
      rows = json.loads(text)
    else:
      rows = [row.split(',') for row in value.split(';') if row.strip()]
    return [[float(number) for number in row] for row in rows]
  except (TypeError, ValueError) as error:
    raise ValueError(
      'Boxes must be x1,y1,x2,y2;... or a .json file with a list of '
      f'[x1, y1, x2, y2]. Received: {value} ({error}). '
      "For example --boxes='10,20,110,90; 5,5,60,200'."
    ) from error


def read_outlines(path: str) -> list[list[list[list[float]]]] | None:
  """Reads outlines from a file.

  Args:
    path: of a JSON file with a list that has, for each box, a list of polygons
      of [x, y] in pixels; empty for none.

  Returns:
    The outlines, None without a path.

  Raises:
    ValueError: it holds something else.
    OSError: the file cannot be read.
  """
  if not path:
    return None
  try:
    outlines = json.loads(pathlib.Path(path).read_text(encoding='utf-8'))
    return [
      [[[float(c) for c in point] for point in polygon] for polygon in outline]
      for outline in outlines
    ]
  except (TypeError, ValueError) as error:
    raise ValueError(
      'Outlines must be a .json file with a list of polygons of [x, y] for '
      f'each box, or an empty list. Received: {path} ({error}). '
      'For example [[[[10, 20], [110, 20], [60, 90]]], []].'
    ) from error
