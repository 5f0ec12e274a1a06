"""What a detector finds in a split: judged, and drawn, for a report."""

import dataclasses
import io
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from vlbert_tf import boxes, elements, visualization
from vlbert_tf.data import pipeline
from vlbert_tf.evaluation.detection import ImageResult, matches
from vlbert_tf.evaluation.report import Judged, Section
from vlbert_tf.tasks import inference
from vlbert_tf.tasks.detection import (
  DetectionTask,
  image_result,
  results_of,
)
from vlbert_tf.tasks.judging import SHARES, range_of

_MIN_IOU = 0.5


def judge(
  task: DetectionTask, model: tf_keras.Model, data: pipeline.DataConfig
) -> list[Section]:
  """Judges what is found surely enough for a RoI, and what was to be found.

  A detection is right if it finds an object of its category, by COCO's rule at
  IoU 0.5. Of an object that no detection finds, the surest detection tells
  that overlaps it by half: what it was taken for.

  Args:
    task: of the model.
    model: with its trained weights.
    data: the split; `is_training` must be off.

  Returns:
    A section of detections and one of annotated objects.
  """
  found, objects = [], []
  for image in _images(task, model, data):
    found += image.judged_detections()
    objects += image.judged_objects()
  return [
    Section(
      heading=f'Detections with a score above {_threshold(task):g}',
      noun='detections',
      judged=found,
    ),
    Section(heading='Annotated objects', noun='objects', judged=objects),
  ]


def draw_places(
  task: DetectionTask,
  model: tf_keras.Model,
  data: pipeline.DataConfig,
  places: Collection[int],
) -> dict[int, bytes]:
  """Draws the detections that `judge` speaks of on chosen images of a split.

  Args:
    task: of the model.
    model: with its trained weights.
    data: the split; `is_training` must be off.
    places: of the images in the split, from 0.

  Returns:
    PNG by place.
  """
  return {
    image.place: image.png()
    for image in _images(task, model, data)
    if image.place in places
  }


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Image:
  """One image of a split, and what was found on it.

  Attributes:
    place: in the split, from 0.
    item: how the data set calls it.
    pixels: uint8 `[H, W, 3]`, as the model looks at it.
    names: of the categories.
    result: truth and detections.
  """

  place: int
  item: str
  pixels: np.ndarray
  names: Sequence[str]
  result: ImageResult

  def judged_detections(self) -> Iterator[Judged]:
    result = self.result
    overlap = boxes.iou(result.found_boxes, result.boxes)
    for k, match in enumerate(matches(result, _MIN_IOU)):
      near = np.flatnonzero(overlap[k] >= _MIN_IOU)
      best = max(near, key=overlap[k].__getitem__, default=None)
      told = match if match >= 0 else best
      name = self.names[result.found_categories[k]]
      yield self._judged(
        result.found_boxes[k],
        category=name,
        answer=name,
        confidence=float(result.scores[k]),
        accuracy=float(match >= 0),
        truth=self._name(result.categories, told, 'no object there'),
      )

  def judged_objects(self) -> Iterator[Judged]:
    result = self.result
    match = matches(result, _MIN_IOU)
    near = boxes.iou(result.boxes, result.found_boxes) >= _MIN_IOU
    for k, category in enumerate(result.categories):
      those = np.flatnonzero(match == k if k in match else near[k])
      told = max(those, key=result.scores.__getitem__, default=None)
      name = self.names[category]
      yield self._judged(
        result.boxes[k],
        category=name,
        answer=self._name(result.found_categories, told, 'not found'),
        confidence=0.0 if told is None else float(result.scores[told]),
        accuracy=float(k in match),
        truth=name,
      )

  def png(self) -> bytes:
    result, file = self.result, io.BytesIO()
    labels = [
      f'{self.names[category]}, {100 * score:.0f} %'
      for category, score in zip(
        result.found_categories, result.scores, strict=True
      )
    ]
    visualization.draw_boxes(
      self.pixels, result.found_boxes, file, labels, result.scores
    )
    return file.getvalue()

  def _name(
    self, categories: np.ndarray, row: int | None, otherwise: str
  ) -> str:
    return otherwise if row is None else self.names[categories[row]]

  def _judged(self, box: np.ndarray, category: str, **said) -> Judged:
    height, width = self.pixels.shape[:2]
    share = 100 * float(boxes.area(box)) / (height * width)
    return Judged(
      place=self.place,
      item=self.item,
      text='{:.0f}, {:.0f} to {:.0f}, {:.0f}'.format(*box),
      types={
        'category': category,
        'size, % of the image': range_of(share, SHARES),
      },
      **said,
    )


def _images(
  task: DetectionTask, model: tf_keras.Model, data: pipeline.DataConfig
) -> Iterator[_Image]:
  """Every image of a split, with the detections above the threshold."""
  names, place = ('background', *task.categories()), 0
  detect = tf.function(model.detect, autograph=False)
  for batch in inference.with_progress(task, data):
    found = detect(batch[elements.IMAGE], batch[elements.IMAGE_SIZE])
    sure = found.valid & (found.scores > _threshold(task))
    results = results_of(batch, found._replace(valid=sure))
    for i in np.flatnonzero(batch[elements.EXAMPLE_WEIGHT]):
      height, width = batch[elements.IMAGE_SIZE][i].numpy().astype(int)
      pixels = batch[elements.IMAGE][i, :height, :width].numpy()
      yield _Image(
        place=place,
        item=f'image {batch[elements.EXAMPLE_ID][i].numpy().decode()}',
        pixels=pixels.astype(np.uint8),
        names=names,
        result=image_result({k: v[i].numpy() for k, v in results.items()}),
      )
      place += 1


def _threshold(task: DetectionTask) -> float:
  return task.architecture().score_threshold
