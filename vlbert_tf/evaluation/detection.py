"""Mean average precision of detections, by COCO's own program."""

import contextlib
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vlbert_tf import boxes


class ImageResult(NamedTuple):
  """The truth about an image and what was found on it.

  Attributes:
    boxes: `[R, 4]`, true boxes, pixels.
    categories: int `[R]`, of them.
    found_boxes: `[N, 4]`, pixels.
    found_categories: int `[N]`.
    scores: `[N]`.
  """

  boxes: np.ndarray
  categories: np.ndarray
  found_boxes: np.ndarray
  found_categories: np.ndarray
  scores: np.ndarray


def mean_average_precision(results: Sequence[ImageResult]) -> dict[str, float]:
  """COCO's metrics over all categories that occur.

  Args:
    results: one for each image.

  Returns:
    `mAP`, the mean over IoU thresholds 0.5, 0.55 ... 0.95; `mAP50` and
    `mAP75`; `recall100`, the mean recall with 100 detections an image. In
    0-1; 0 where there is no true box at all.
  """
  truth, found = [], []
  for image_id, result in enumerate(results, start=1):
    for box, category in zip(result.boxes, result.categories, strict=True):
      row = _row(image_id, box, category)
      area = row['bbox'][2] * row['bbox'][3]
      truth.append({**row, 'id': len(truth) + 1, 'iscrowd': 0, 'area': area})
    for box, category, score in zip(
      result.found_boxes, result.found_categories, result.scores, strict=True
    ):
      row = _row(image_id, box, category)
      found.append({**row, 'score': float(score)})
  if not truth or not found:
    return dict.fromkeys(('mAP', 'mAP50', 'mAP75', 'recall100'), 0.0)
  # It tells of its steps on stdout, which belongs to the program's result.
  with contextlib.redirect_stdout(io.StringIO()):
    return _evaluate(truth, found, len(results))


def matches(result: ImageResult, min_iou: float = 0.5) -> np.ndarray:
  """Which true box each detection has found, by COCO's rule.

  The surest detection chooses first, among the true boxes of its category
  that are left, the one that it overlaps most.

  Args:
    result: of an image.
    min_iou: overlap that it takes.

  Returns:
    int `[N]`, rows of the true boxes, -1 for a detection that found none.
  """
  found = np.full(len(result.scores), -1)
  if not len(result.boxes):
    return found
  same = result.found_categories[:, None] == result.categories
  overlap = np.where(same, boxes.iou(result.found_boxes, result.boxes), 0.0)
  for row in np.argsort(-result.scores, kind='stable'):
    best = overlap[row].argmax()
    if overlap[row, best] >= min_iou:
      found[row] = best
      overlap[:, best] = 0.0
  return found


def _evaluate(truth: list, found: list, images: int) -> dict[str, float]:
  annotated = COCO()
  annotated.dataset = {
    'images': [{'id': k} for k in range(1, images + 1)],
    'annotations': truth,
    'categories': [
      {'id': k} for k in sorted({row['category_id'] for row in truth})
    ],
  }
  annotated.createIndex()
  evaluation = COCOeval(annotated, annotated.loadRes(found), 'bbox')
  evaluation.evaluate()
  evaluation.accumulate()
  # Thresholds, recalls, categories; objects of all areas, 100 detections.
  precision = evaluation.eval['precision'][..., 0, -1]
  thresholds = evaluation.params.iouThrs.round(2).tolist()
  return {
    'mAP': _mean(precision),
    'mAP50': _mean(precision[thresholds.index(0.5)]),
    'mAP75': _mean(precision[thresholds.index(0.75)]),
    'recall100': _mean(evaluation.eval['recall'][..., 0, -1]),
  }


def _row(image_id: int, box: np.ndarray, category: int) -> dict:
  x1, y1, x2, y2 = (float(value) for value in box)
  return {
    'image_id': image_id,
    'category_id': int(category),
    'bbox': [x1, y1, x2 - x1, y2 - y1],
  }


def _mean(values: np.ndarray) -> float:
  # -1 stands for a category without true boxes.
  return float(values[values > -1].mean())
