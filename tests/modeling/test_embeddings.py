"""The sum of four embeddings (VL-BERT §3.2)."""

import numpy as np
import tensorflow as tf

from tests.modeling import tiny_model
from vlbert_tf.modeling.embeddings import ElementEmbedding, VisualEmbedding

# [CLS] a b [SEP], one word of padding; two RoIs, the second is padding.
WORD_IDS = tf.constant([[2, 7, 9, 3, 0]])
WORD_MASK = tf.constant([[True, True, True, True, False]])
SEGMENT_IDS = tf.constant([[0, 0, 1, 1, 0]])
ROI_MASK = tf.constant([[True, False]])


def _layer_and_visual():
  arch = tiny_model.architecture()
  layer = ElementEmbedding(arch)
  visual = tf.random.stateless_normal([1, 3, arch.hidden_size], [5, 6])
  layer(WORD_IDS, WORD_MASK, SEGMENT_IDS, visual, ROI_MASK)
  rng = np.random.default_rng(4)
  for variable in layer.weights:
    variable.assign(rng.normal(size=variable.shape))
  return layer, visual


def _normalized(layer, row):
  gamma, beta = layer.norm.get_weights()
  return (row - row.mean()) / row.std() * gamma + beta


def test_elements_are_the_sum_that_the_paper_lists():
  layer, visual = _layer_and_visual()

  sequence, mask = layer(WORD_IDS, WORD_MASK, SEGMENT_IDS, visual, ROI_MASK)

  words, segments = layer.words.numpy(), layer.segments.numpy()
  positions, visual = layer.positions.numpy(), visual.numpy()[0]
  image, end = layer.image_token.numpy()[0], layer.end_token.numpy()[0]
  # Four real text elements: RoIs have position 4, [END] has 5.
  expected = {
    0: words[2] + visual[0] + segments[0] + positions[0],
    2: words[9] + visual[0] + segments[1] + positions[2],
    5: image + visual[1] + segments[2] + positions[4],
    7: end + visual[0] + segments[2] + positions[5],
  }
  for place, row in expected.items():
    np.testing.assert_allclose(
      sequence[0, place], _normalized(layer, row), atol=1e-4
    )
  assert mask.numpy().tolist() == [[True] * 4 + [False, True, False, True]]


def test_boxes_keep_float32_precision_in_mixed_precision():
  arch = tiny_model.architecture()
  layer = VisualEmbedding(arch, dtype='mixed_bfloat16')
  boxes = tf.constant([[[100.0, 3.0, 300.0, 21.0], [101.0, 3.0, 301.0, 21.0]]])
  size = tf.constant([[600.0, 1000.0]])
  appearance = tf.zeros([1, 2, arch.resnet.appearance_size], tf.bfloat16)

  # In bfloat16 301 and 300 are one number.
  first, second = layer(
    appearance, boxes, size, tf.zeros([1, 2], tf.bool)
  ).numpy()[0]

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
  )

  np.testing.assert_array_equal(embedded[0, 1], layer.hidden_roi)
  assert np.any(embedded[0, 0].numpy() != layer.hidden_roi.numpy())
