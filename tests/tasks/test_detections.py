"""What the report says of a detector, worked by hand."""

import types

import pytest
import tensorflow as tf

from vlbert_tf import elements
from vlbert_tf.evaluation import report
from vlbert_tf.tasks import detections
from vlbert_tf.tasks.detection import DetectionTask
from vlbert_tf.vision.faster_rcnn import Detections

CAT, BALL = [0, 0, 20, 10], [20, 0, 40, 10]
DATA = types.SimpleNamespace(global_batch_size=2)


class Task(DetectionTask):
  """A split of one batch: an image of 40 by 10 pixels, and padding."""

  task_config = types.SimpleNamespace(name='vlbert/detection')

  def __init__(self):
    pass

  def open_split(self, config):
    return None

  def examples_in(self, split):
    return 1

  def categories(self):
    return ('cat', 'ball')

  def architecture(self):
    return types.SimpleNamespace(score_threshold=0.5)

  def build_inputs(self, config):
    return [
      {
        elements.EXAMPLE_ID: tf.constant([b'7', b'']),
        elements.EXAMPLE_WEIGHT: tf.constant([1.0, 0.0]),
        elements.IMAGE: tf.fill([2, 12, 40, 3], 200.0),
        elements.IMAGE_SIZE: tf.constant([[10.0, 40.0], [10.0, 40.0]]),
        elements.BOXES: tf.constant([[CAT, BALL, [0] * 4]] * 2, tf.float32),
        elements.ROI_CATEGORIES: tf.constant([[1, 2, 0]] * 2),
        elements.ROI_MASK: tf.constant([[True, True, False]] * 2),
      }
    ]


class Model:
  """Finds the cat, calls the ball a cat, and sees one where nothing is."""

  def detect(self, image, image_size):
    rows = [CAT, BALL, [0, 0, 10, 4], BALL, [0] * 4]
    return Detections(
      boxes=tf.constant([rows] * 2, tf.float32),
      categories=tf.constant([[1, 1, 1, 2, 0]] * 2),
      scores=tf.constant([[0.9, 0.8, 0.7, 0.4, 0.0]] * 2),
      valid=tf.constant([[True] * 4 + [False]] * 2),
    )


def _told(judged):
  return [(one.answer, one.truth, one.accuracy) for one in judged]


def test_detections_and_objects_are_judged_apart():
  found, objects = detections.judge(Task(), Model(), DATA)

  assert found.heading == 'Detections with a score above 0.5'
  # The fourth is not sure enough, and the second image is padding.
  assert _told(found.judged) == [
    ('cat', 'cat', 1.0),
    ('cat', 'ball', 0.0),
    ('cat', 'no object there', 0.0),
  ]
  assert [one.confidence for one in found.judged] == pytest.approx(
    [0.9, 0.8, 0.7]
  )
  assert _told(objects.judged) == [('cat', 'cat', 1.0), ('cat', 'ball', 0.0)]
  assert objects.judged[1].confidence == pytest.approx(0.8)
  assert {one.item for one in found.judged} == {'image 7'}


def test_types_are_category_and_size():
  found, objects = detections.judge(Task(), Model(), DATA)

  # 200, 200 and 40 of 400 pixels.
  assert [one.types['size, % of the image'] for one in found.judged] == [
    'more than 20', 'more than 20', '6 to 20',
  ]  # fmt: skip
  assert [one.types['category'] for one in objects.judged] == ['cat', 'ball']
  assert found.judged[2].text == '0, 0 to 10, 4'


def test_an_object_that_nothing_overlaps_was_not_found():
  class Blind(Model):
    def detect(self, image, image_size):
      found = super().detect(image, image_size)
      return found._replace(valid=tf.zeros_like(found.valid))

  found, objects = detections.judge(Task(), Blind(), DATA)

  assert found.judged == []
  assert _told(objects.judged) == [
    ('not found', 'cat', 0.0),
    ('not found', 'ball', 0.0),
  ]


def test_the_page_shows_the_image_with_what_was_found(tmp_path):
  task, model = Task(), Model()
  sections = detections.judge(task, model, DATA)

  drawn = detections.draw_places(task, model, DATA, {0})
  path = report.write(str(tmp_path), 'a detector', sections, 4, drawn)

  assert tf.io.decode_png(drawn[0]).shape[-1] in (3, 4)
  with open(path, encoding='utf-8') as file:
    text = file.read()
  assert '3 detections. Accuracy <b>33.3 %' in text
  assert '2 objects. Accuracy <b>50.0 %' in text
  assert text.count('data:image/png') == 2 + 3 + 1 + 2
  assert detections.draw_places(task, model, DATA, {1}) == {}
