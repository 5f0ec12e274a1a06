"""A detector with small sizes, and inputs for it."""

import dataclasses

import numpy as np
import tensorflow as tf
import tf_keras

from tests.modeling import tiny_model
from vlbert_tf import elements
from vlbert_tf.vision.detector_architecture import DetectorArchitecture
from vlbert_tf.vision.faster_rcnn import FasterRcnn

ARCHITECTURE = DetectorArchitecture(
  resnet=tiny_model.RESNET,
  num_categories=3,
  anchor_sizes=(8.0, 16.0),
  anchor_ratios=(0.5, 1.0, 2.0),
  rpn_width=11,
  proposals_before_nms=60,
  proposals=23,
  sampled_anchors=16,
  sampled_rois=13,
  candidates=50,
  max_rois=12,
  min_rois=5,
)


def inputs(height=40, width=56):
  """Two images with two objects and one."""
  rng = np.random.default_rng(3)
  boxes = [
    [[4.0, 5.0, 20.0, 19.0], [30.0, 8.0, 47.0, 30.0]],
    [[11.0, 13.0, 29.0, 30.0], [0.0, 0.0, 0.0, 0.0]],
  ]
  return {
    elements.IMAGE: tf.constant(
      rng.uniform(0, 255, [2, height, width, 3]), tf.float32
    ),
    elements.IMAGE_SIZE: tf.constant([[height, width]] * 2, tf.float32),
    elements.BOXES: tf.constant(boxes),
    elements.ROI_CATEGORIES: tf.constant([[1, 3], [2, 0]]),
    elements.ROI_MASK: tf.constant([[True, True], [True, False]]),
    elements.ROI_ATTRIBUTES: tf.constant([[[1, 4], [0, 0]], [[3, 0], [0, 0]]]),
  }


def network(seed=5, **changes) -> FasterRcnn:
  """A network with weights that make no output constant."""
  tf_keras.utils.set_random_seed(seed)
  model = FasterRcnn(dataclasses.replace(ARCHITECTURE, **changes))
  model(inputs())
  # Left set, it would mix into the order of other tests' records.
  tf.random.set_seed(None)
  rng = np.random.default_rng(7)
  for variable in model.weights:
    if variable.name.endswith(('scale:0', 'offset:0')):
      variable.assign(rng.uniform(0.3, 1.0, variable.shape))
  for layer in (model.proposal_network, model.roi_head):
    for variable in layer.weights:
      variable.assign(rng.normal(0.0, 0.05, variable.shape))
  return model
