"""Settings of a detector that is small enough for tests."""

from vlbert_tf.tasks.detector_config import DetectorConfig

SETTINGS = {
  'size': 'tiny',
  'image_short_side': 24,
  'image_long_side': 32,
  'max_objects': 3,
  'anchor_sizes': [8, 16],
  'anchor_ratios': [1.0],
  'rpn_width': 8,
  'proposals_before_nms': 12,
  'proposals': 7,
  'sampled_anchors': 8,
  'sampled_rois': 5,
  'candidates': 20,
  'max_rois': 6,
  'min_rois': 2,
}


def config(**changes) -> DetectorConfig:
  """The settings, with some of them changed."""
  return DetectorConfig(**{**SETTINGS, **changes})
