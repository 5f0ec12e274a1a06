"""The whole detector: the RoI rule, padding, gradients, shared weights."""

import numpy as np
import pytest
import tensorflow as tf

from tests.vision import tiny_detector
from vlbert_tf import elements
from vlbert_tf.vision import detection_losses, fast_rcnn, faster_rcnn, rpn
from vlbert_tf.vision import image as images

IMAGE, SIZE = tf.zeros([1, 40, 56, 3]), tf.constant([[40.0, 56.0]])


def _detector_that_says(monkeypatch, boxes, probabilities, **changes):
  """A detector with given proposals and probabilities of three categories."""
  count = len(boxes)
  model = tiny_detector.network(proposals=count, **changes)
  found = rpn.Proposals(tf.constant([boxes]), tf.ones([1, count], tf.bool))
  rows = [[1 - sum(row), *row] for row in probabilities]
  outputs = fast_rcnn.RoiOutputs(
    tf.math.log(tf.constant([rows])), tf.zeros([1, count, 3, 4])
  )
  monkeypatch.setattr(faster_rcnn, 'propose', lambda *_: found)
  monkeypatch.setattr(model, 'roi_head', lambda _: outputs)
  return model


def _apart(count):
  """Boxes that do not overlap."""
  return [[4.0 * k, 0.0, 4.0 * k + 3, 9.0] for k in range(count)]


def test_suppression_is_within_a_category_and_a_roi_has_one(monkeypatch):
  first, moved = [0.0, 0.0, 20.0, 20.0], [1.0, 0.0, 21.0, 20.0]
  model = _detector_that_says(
    monkeypatch,
    [first, moved],
    [[0.55, 0.25, 0.01], [0.5, 0.3, 0.02]],
    min_rois=9,
  )

  found = model.detect(IMAGE, SIZE)
  rois = model.detect_rois(IMAGE, SIZE).detections

  # Of each category the better of the two boxes.
  assert found.categories[0, :4].numpy().tolist() == [1, 2, 3, 0]
  np.testing.assert_allclose(
    found.scores[0, :4], [0.55, 0.3, 0.02, 0], atol=1e-6
  )
  np.testing.assert_allclose(found.boxes[0, :3], [first, moved, moved])
  # The second proposal is of category 2 alone.
  assert rois.categories[0, :3].numpy().tolist() == [1, 2, 0]


@pytest.mark.parametrize(
  ('scores', 'kept'),
  [
    ([0.9, 0.8, 0.7, 0.6, 0.55, 0.51, 0.5, 0.4], 6),
    ([0.9, 0.4, 0.3, 0.2, 0.1, 0.05, 0.04, 0.03], 5),
    ([0.9, 0.4, 0.3], 3),
    ([0.9] * 10, 7),
  ],
)
def test_rois_exceed_a_score_but_are_at_least_five_and_at_most_seven(
  monkeypatch, scores, kept
):
  model = _detector_that_says(
    monkeypatch,
    _apart(len(scores)),
    [[score, 0.001, 0.002] for score in scores],
    min_rois=5,
    max_rois=7,
    # 0.5 is not represented exactly by a softmax.
    score_threshold=0.5 + 1e-6,
  )

  rois = model.detect_rois(IMAGE, SIZE).detections

  np.testing.assert_allclose(
    rois.scores[0], (scores[:kept] + [0.0] * 7)[:7], atol=1e-5
  )
  assert rois.valid.numpy().sum() == kept


def test_defaults_are_the_rule_of_the_paper():
  config = faster_rcnn.DetectorArchitecture(resnet=None, num_categories=1600)

  assert (config.score_threshold, config.max_rois) == (0.5, 100)
  assert (config.min_rois, config.nms_iou) == (10, 0.3)


@pytest.mark.parametrize('seed', [1, 5, 9])
@pytest.mark.parametrize('size', [(40, 56), (33, 47), (24, 31), (16, 16)])
def test_padding_and_neighbours_change_no_detection(size, seed):
  model = tiny_detector.network(seed)
  batch = tiny_detector.inputs(*size)
  image, sizes = batch[elements.IMAGE], batch[elements.IMAGE_SIZE]
  rows, columns = 64 - size[0], 71 - size[1]
  padded = tf.pad(image, [[0, 0], [0, rows], [0, columns], [0, 0]])

  together = model.detect_rois(padded, sizes)
  alone = model.detect_rois(image[1:], sizes[1:])

  for ours, others in zip(
    (*together.detections, together.appearance, together.image_appearance),
    (*alone.detections, alone.appearance, alone.image_appearance),
    strict=True,
  ):
    np.testing.assert_allclose(ours[1:], others, rtol=1e-4, atol=1e-4)
  assert alone.detections.valid.numpy().sum() >= 5


def test_appearance_is_what_the_visual_network_makes_of_the_boxes():
  model = tiny_detector.network()
  batch = tiny_detector.inputs()
  size = batch[elements.IMAGE_SIZE]

  rois = model.detect_rois(batch[elements.IMAGE], size)

  pixels = images.subtract_means(batch[elements.IMAGE], size)
  boxes = rois.detections.boxes
  appearance = model.roi_features(pixels, size, boxes)
  np.testing.assert_allclose(rois.appearance, appearance, atol=1e-4)
  whole = tf.constant([[[0.0, 0.0, 56.0, 40.0]]] * 2)
  np.testing.assert_allclose(
    rois.image_appearance,
    model.roi_features(pixels, size, whole)[:, 0],
    atol=1e-4,
  )


def test_boxes_lie_inside_their_images():
  model = tiny_detector.network()
  batch = tiny_detector.inputs()
  size = tf.constant([[33.0, 20.0], [17.0, 56.0]])

  boxes = model.detect(batch[elements.IMAGE], size).boxes.numpy()

  assert (boxes >= 0).all()
  assert (boxes[..., 2] <= size.numpy()[:, 1:]).all()
  assert (boxes[..., 3] <= size.numpy()[:, :1]).all()


def test_all_weights_learn_and_a_sample_is_a_function_of_the_seed():
  model = tiny_detector.network()
  batch = tiny_detector.inputs()

  def losses(seed):
    outputs = model(batch, seed=tf.constant(seed))
    values = (
      *detection_losses.anchor_losses(outputs.anchors, outputs.anchor_targets),
      *detection_losses.roi_losses(outputs.rois, outputs.roi_targets),
    )
    return outputs, tf.add_n([tf.reduce_mean(v.values) for v in values])

  with tf.GradientTape() as tape:
    outputs, total = losses([5, 7])
  gradients = tape.gradient(total, model.trainable_variables)
  again, _ = losses([5, 7])
  other, _ = losses([5, 8])

  silent = [
    variable.name
    for variable, gradient in zip(
      model.trainable_variables, gradients, strict=True
    )
    if not np.any(gradient)
  ]
  assert not silent
  assert np.array_equal(again.roi_targets.boxes, outputs.roi_targets.boxes)
  assert not np.array_equal(other.roi_targets.boxes, outputs.roi_targets.boxes)


def test_attributes_depend_on_the_category():
  model = tiny_detector.network(num_attributes=4)
  appearance = tf.ones(
    [1, 2, tiny_detector.ARCHITECTURE.resnet.appearance_size]
  )

  logits = model.roi_head.attributes(appearance, tf.constant([[1, 2]]))
  rois = model.detect_rois(IMAGE, SIZE)

  assert logits.shape == (1, 2, 5)
  assert not np.allclose(logits[0, 0], logits[0, 1])
  assert rois.attributes.shape == rois.attribute_scores.shape == (1, 12)
