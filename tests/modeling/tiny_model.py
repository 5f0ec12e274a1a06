"""A model with distinct prime sizes, and inputs for it."""

import dataclasses

import numpy as np
import tensorflow as tf

from vlbert_tf import elements
from vlbert_tf.modeling import config

RESNET = config.ResNetArchitecture(
  stem_width=5,
  stem_kernel_size=3,
  stem_pool=True,
  depths=(1, 1, 1, 1),
  widths=(2, 3, 5, 7),
  strides=(1, 2, 1, 1),
  expansion=2,
  standardized=True,
  roi_size=2,
  pixel_scale=1 / 58,
)

ARCHITECTURE = config.Architecture(
  hidden_size=22,
  num_layers=2,
  num_heads=2,
  feed_forward_size=13,
  max_positions=19,
  geometry_size=24,
  initial_deviation=0.08,
  embedding_deviation=0.3,
  resnet=RESNET,
  vocab_size=17,
  num_categories=3,
  dropout_rate=0.0,
  compile_attention=False,
)


def architecture(**changes) -> config.Architecture:
  return dataclasses.replace(ARCHITECTURE, **changes)


def inputs(batch=2, words=5, rois=3, height=40, width=56, seed=0):
  """Random inputs; the last word and RoI of the first example are padding."""
  rng = np.random.default_rng(seed)
  word_mask = np.ones([batch, words], bool)
  word_mask[0, -1] = False
  roi_mask = np.ones([batch, rois], bool)
  roi_mask[0, -1] = False
  corner = rng.uniform(0, 20, [batch, rois, 2])
  extent = rng.uniform(8, 20, [batch, rois, 2])
  boxes = np.concatenate([corner, corner + extent], -1) * roi_mask[..., None]
  values = {
    elements.WORD_IDS: rng.integers(0, 17, [batch, words], np.int32),
    elements.WORD_MASK: word_mask,
    elements.SEGMENT_IDS: rng.integers(0, 2, [batch, words], np.int32),
    elements.IMAGE: rng.uniform(0, 255, [batch, height, width, 3]),
    elements.IMAGE_SIZE: np.tile([[height, width]], [batch, 1]),
    elements.BOXES: boxes,
    elements.ROI_MASK: roi_mask,
  }
  return {
    name: tf.constant(value, tf.float32 if value.dtype.kind == 'f' else None)
    if name != elements.IMAGE_SIZE
    else tf.constant(value, tf.float32)
    for name, value in values.items()
  }
