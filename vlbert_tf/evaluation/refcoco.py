"""RefCOCO+: result files and their accuracy (VL-BERT §4.2.3)."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from vlbert_tf import boxes
from vlbert_tf.evaluation import json_files

# A box that overlaps the right one by more is taken for it (VL-BERT §4.2.3).
MIN_IOU = 0.5


@dataclasses.dataclass(frozen=True)
class GroundingAccuracy:
  """Accuracy in per cent.

  Attributes:
    accuracy: expressions whose box overlaps the right one by more than
      half (IoU > 0.5).
    chance: accuracy of a random one of the annotated boxes of each image.
    expressions: how many there are.
  """

  accuracy: float
  chance: float
  expressions: int

  def as_dict(self) -> dict:
    """All fields, for JSON."""
    return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Target:
  """What an expression means.

  Attributes:
    box: (x1, y1, x2, y2) of the object, pixels.
    candidates: the annotated boxes of the image.
  """

  box: Sequence[float]
  candidates: Sequence[Sequence[float]]


def evaluate_results(
  results: str, targets: Mapping[int, Target]
) -> GroundingAccuracy:
  """Judges a result file.

  Args:
    results: JSON, `[{"sent_id", "box": [x, y, width, height]}]`.
    targets: by the ids of all expressions of the split.

  Returns:
    The accuracy.

  Raises:
    ValueError: the file is missing or of another form, or its expressions are
      not those of the targets.
  """
  predictions = read_results(results)
  json_files.check_same_ids(results, predictions.keys(), targets.keys())
  right, chance = [], []
  for expression_id, target in targets.items():
    right.append(_overlaps([predictions[expression_id]], target.box)[0])
    chance.append(_overlaps(target.candidates, target.box).mean())
  return GroundingAccuracy(
    accuracy=_percent(right), chance=_percent(chance), expressions=len(right)
  )


def write_results(
  path: str, regions: Iterable[tuple[int, Sequence[float]]]
) -> int:
  """Writes a result file.

  Args:
    path: of the JSON file.
    regions: ids of expressions with boxes, (x1, y1, x2, y2) in pixels.

  Returns:
    How many were written.
  """
  rows = [
    {
      'sent_id': number,
      'box': [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)],
    }
    for number, (x1, y1, x2, y2) in regions
  ]
  return json_files.write(path, rows)


def read_results(path: str) -> dict[int, np.ndarray]:
  """Reads a result file.

  Args:
    path: of the JSON file.

  Returns:
    Boxes, float `[4]`, `(x1, y1, x2, y2)`, by id of the expression.

  Raises:
    ValueError: it is missing, of another form, or answers one twice.
  """
  rows = json_files.read(path)
  for row in rows if isinstance(rows, list) else [rows]:
    box = row.get('box') if isinstance(row, dict) else None
    if (
      not isinstance(box, list)
      or len(box) != 4
      or not all(isinstance(x, int | float) and math.isfinite(x) for x in box)
      or not isinstance(row.get('sent_id'), int)
    ):
      raise ValueError(
        'A result file is a list of {"sent_id": number, "box": [x, y, width, '
        f'height]}}. Received: {path}, with {str(row)[:80]}.'
      )
  found = {
    row['sent_id']: boxes.from_xywh(np.array(row['box'], float)) for row in rows
  }
  json_files.check_unique(path, len(rows), len(found))
  return found


def _overlaps(candidates, box) -> np.ndarray:
  """bool `[N]`, which candidates are taken for the box."""
  rows = np.array(candidates, float).reshape(-1, 4)
  return boxes.iou(rows, np.array([box], float))[:, 0] > MIN_IOU


def _percent(values: list[float]) -> float:
  return round(100 * float(np.mean(values)), 2) if values else 0.0
