"""The sum of four embeddings (VL-BERT §3.2)."""

import numpy as np
import tensorflow as tf

from tests.modeling import tiny_model
from vlbert_tf import elements
from vlbert_tf.modeling import arithmetic
from vlbert_tf.modeling.embeddings import (
  ElementEmbedding,
  VisualEmbedding,
  VisualParts,
)
from vlbert_tf.modeling.geometry import embed_centers

# [CLS] a b [SEP], one word of padding; two RoIs, the second is padding.
TEXT = {
  elements.WORD_IDS: tf.constant([[2, 7, 9, 3, 0]]),
  elements.WORD_MASK: tf.constant([[True, True, True, True, False]]),
  elements.SEGMENT_IDS: tf.constant([[0, 0, 1, 1, 0]]),
}
ROI_MASK = tf.constant([[True, False]])
NOTHING_HIDDEN = tf.constant([[False, False]])


def _layer_and_visual(**changes):
  arch = tiny_model.architecture(**changes)
  layer = ElementEmbedding(arch)
  shape = [1, 3, arch.hidden_size]
  visual = VisualParts(
    tf.random.stateless_normal(shape, [5, 6]),
    tf.random.stateless_normal(shape, [7, 8]),
  )
  layer(TEXT, visual, ROI_MASK, NOTHING_HIDDEN)
  rng = np.random.default_rng(4)
  for variable in layer.weights:
    variable.assign(rng.normal(size=variable.shape))
  return layer, visual


def _normalized(layer, row):
  gamma, beta = layer.norm.get_weights()
  return (row - row.mean()) / row.std() * gamma + beta


def test_elements_are_the_sum_that_the_paper_lists():
  layer, visual = _layer_and_visual()

  sequence, mask = layer(TEXT, visual, ROI_MASK, NOTHING_HIDDEN)

  words, segments = layer.words.numpy(), layer.segments.numpy()
  positions = layer.positions.numpy()
  of_words, of_rois = visual.words.numpy()[0], visual.rois.numpy()[0]
  image, end = layer.image_token.numpy()[0], layer.end_token.numpy()[0]
  # Four real text elements: RoIs have position 4, [END] has 5.
  expected = {
    0: words[2] + of_words[0] + segments[0] + positions[0],
    2: words[9] + of_words[0] + segments[1] + positions[2],
    5: image + of_rois[1] + segments[2] + positions[4],
    7: end + of_words[0] + segments[2] + positions[5],
  }
  for place, row in expected.items():
    np.testing.assert_allclose(
      sequence[0, place], _normalized(layer, row), atol=1e-4
    )
  assert mask.numpy().tolist() == [[True] * 4 + [False, True, False, True]]


def test_elements_of_the_released_code_are_a_sum_of_their_own():
  layer, visual = _layer_and_visual(arithmetic=arithmetic.OFFICIAL)
  hidden = tf.constant([[True, False]])
  # The second word names the second RoI.
  text = {**TEXT, elements.WORD_ROI_INDEX: tf.constant([[0, 2, 0, 0, 0]])}

  sequence, mask = layer(text, visual, ROI_MASK, hidden)

  words, segments = layer.words.numpy(), layer.segments.numpy()
  positions = layer.positions.numpy()
  of_words, of_rois = visual.words.numpy()[0], visual.rois.numpy()[0]
  hidden_image = layer.hidden_image_token.numpy()[0]
  image, end = layer.image_token.numpy()[0], layer.end_token.numpy()[0]
  expected = {
    0: words[2] + of_words[0] + segments[0] + positions[0],
    1: words[7] + of_words[2] + segments[0] + positions[1],
    5: hidden_image + of_rois[1] + segments[2] + positions[4],
    7: image + of_rois[0] + segments[2] + positions[4],
    8: end + segments[2] + positions[5],
  }
  for place, row in expected.items():
    np.testing.assert_allclose(
      sequence[0, place], _normalized(layer, row), atol=1e-4
    )
  assert mask.numpy().tolist() == [
    [True] * 4 + [False, True, False, True, True]
  ]


def test_boxes_keep_float32_precision_in_mixed_precision():
  arch = tiny_model.architecture()
  layer = VisualEmbedding(arch, dtype='mixed_bfloat16')
  boxes = tf.constant([[[100.0, 3.0, 300.0, 21.0], [101.0, 3.0, 301.0, 21.0]]])
  size = tf.constant([[600.0, 1000.0]])
  appearance = tf.zeros([1, 2, arch.resnet.appearance_size], tf.bfloat16)

  # In bfloat16 301 and 300 are one number.
  first, second = layer(
    appearance, boxes, size, tf.zeros([1, 2], tf.bool)
  ).rois.numpy()[0]

  assert np.any(first != second)


def test_a_hidden_roi_has_the_learned_embedding_whatever_it_shows():
  arch = tiny_model.architecture()
  layer = VisualEmbedding(arch)
  boxes = tf.constant([[[1.0, 2.0, 30.0, 20.0], [4.0, 3.0, 9.0, 21.0]]])
  appearance = tf.random.stateless_normal(
    [1, 2, arch.resnet.appearance_size], [1, 1]
  )

  embedded = layer(
    appearance, boxes, tf.constant([[40.0, 50.0]]), tf.constant([[False, True]])
  ).rois

  np.testing.assert_array_equal(embedded[0, 1], layer.hidden_roi)
  assert np.any(embedded[0, 0].numpy() != layer.hidden_roi.numpy())


def test_the_released_visual_embedding_is_relu_then_a_norm_for_each_kind():
  arch = tiny_model.architecture(
    arithmetic=arithmetic.OFFICIAL, resnet=None, precomputed_appearance_size=14
  )
  layer = VisualEmbedding(arch)
  boxes = tf.constant([[[1.0, 2.0, 30.0, 20.0], [4.0, 3.0, 9.0, 21.0]]])
  size = tf.constant([[40.0, 50.0]])
  appearance = tf.random.stateless_normal([1, 2, 14], [1, 1])
  hidden = tf.constant([[False, True]])
  at_start = layer(appearance, boxes, size, hidden)
  rng = np.random.default_rng(2)
  for variable in layer.weights:
    variable.assign(rng.normal(size=variable.shape))

  embedded = layer(appearance, boxes, size, hidden)

  kernel, bias = layer.projection.get_weights()
  waves = embed_centers(boxes, size, 24)[0, 1].numpy()
  # What is hidden looks like the learned appearance, and keeps its place.
  joined = np.concatenate([waves, layer.hidden_appearance.numpy()])
  row = np.maximum(joined @ kernel + bias, 0)
  row = (row - row.mean()) / row.std()
  for part, norm in (
    (embedded.words, layer.word_norm),
    (embedded.rois, layer.roi_norm),
  ):
    gamma, beta = norm.get_weights()
    np.testing.assert_allclose(part[0, 1], row * gamma + beta, atol=1e-4)
  # The visual path fades in.
  assert not np.any(at_start.words)
  assert not np.any(at_start.rois)
