"""Visual networks and detectors, as checkpoints of converted weights hold them.

Their checkpoints start a detector's visual network, or VL-BERT's own
(`init_detector`); that of a detector is one that training writes as well.
"""

import tensorflow as tf
import tf_keras

from vlbert_tf import elements
from vlbert_tf.modeling.resnets import ResNetArchitecture
from vlbert_tf.vision.detector_architecture import DetectorArchitecture
from vlbert_tf.vision.faster_rcnn import FasterRcnn
from vlbert_tf.vision.resnet import RoiFeatures

DETECTOR = 'detector'
VISUAL_NETWORK = 'visual_network'

_SIDE = 64


class VisualNetwork(tf_keras.Model):
  """A visual network by itself."""

  def __init__(self, architecture: ResNetArchitecture, **kwargs):
    """Creates all variables.

    Args:
      architecture: of the network.
      **kwargs: of Keras.
    """
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture
    self.roi_features = RoiFeatures(architecture, name='roi_features')
    self.roi_features(
      tf.zeros([1, _SIDE, _SIDE, 3]),
      tf.constant([[float(_SIDE)] * 2]),
      tf.constant([[[0.0, 0.0, 32.0, 32.0]]]),
    )


def build_detector(architecture: DetectorArchitecture) -> FasterRcnn:
  """A detector with all its variables."""
  model = FasterRcnn(architecture)
  model(
    {
      elements.IMAGE: tf.zeros([1, _SIDE, _SIDE, 3]),
      elements.IMAGE_SIZE: tf.constant([[float(_SIDE)] * 2]),
      elements.BOXES: tf.constant([[[0.0, 0.0, 32.0, 32.0]]]),
      elements.ROI_CATEGORIES: tf.ones([1, 1], tf.int32),
      elements.ROI_MASK: tf.ones([1, 1], tf.bool),
      elements.ROI_ATTRIBUTES: tf.ones([1, 1, 1], tf.int32),
    }
  )
  return model
