"""Parts of the model that a setting leaves out, each with its one effect."""

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling import tiny_model
from vlbert_tf import elements
from vlbert_tf.modeling import arithmetic, config
from vlbert_tf.modeling.embeddings import (
  ElementEmbedding,
  VisualEmbedding,
  VisualParts,
)
from vlbert_tf.modeling.vl_bert import VlBert

SWITCHES = (
  'geometry', 'words_see_image', 'shared_roi_position', 'zeroed_pixels',
)  # fmt: skip

# Two words; three RoIs, of which the second is padding.
TEXT = {
  elements.WORD_IDS: tf.constant([[2, 7]]),
  elements.WORD_MASK: tf.constant([[True, True]]),
  elements.SEGMENT_IDS: tf.constant([[0, 0]]),
}
ROI_MASK = tf.constant([[True, False, True]])


@pytest.mark.parametrize('preset', ['paper', 'official'])
@pytest.mark.parametrize('switch', SWITCHES)
def test_a_setting_leaves_out_one_part_and_changes_no_other(switch, preset):
  settings = config.ModelConfig(preset=preset, **{switch: False})
  as_published = config.ModelConfig(preset=preset)

  changed = config.resolve(settings, 100, 3).arithmetic
  published = config.resolve(as_published, 100, 3).arithmetic

  assert published == arithmetic.PRESETS[preset]
  assert getattr(published, switch) is True
  names = arithmetic.Arithmetic.__dataclass_fields__
  differing = [n for n in names if getattr(changed, n) != getattr(published, n)]
  assert differing == [switch]


def _without(switch):
  changed = {**vars(tiny_model.ARCHITECTURE.arithmetic), switch: False}
  return tiny_model.architecture(arithmetic=arithmetic.Arithmetic(**changed))


def test_without_geometry_a_moved_box_of_the_same_look_is_embedded_alike():
  boxes = tf.constant([[[1.0, 2.0, 30.0, 20.0], [4.0, 3.0, 9.0, 21.0]]])
  size, hidden = tf.constant([[40.0, 50.0]]), tf.zeros([1, 2], tf.bool)
  with_it, without = (
    VisualEmbedding(arch)
    for arch in (tiny_model.architecture(), _without('geometry'))
  )
  one = tf.random.stateless_normal([1, 1, 14], [1, 1])
  both = tf.repeat(one, 2, axis=1)

  there = with_it(both, boxes, size, hidden).rois[0].numpy()
  gone = without(both, boxes, size, hidden).rois[0].numpy()
  other = without(-both, boxes, size, hidden).rois[0].numpy()

  assert np.abs(there[0] - there[1]).max() > 0.01
  np.testing.assert_array_equal(gone[0], gone[1])
  assert np.abs(gone - other).max() > 0.01


def _sequence(architecture):
  """A layer with plain numbers, and the sum that it normalises."""
  layer = ElementEmbedding(architecture)
  shape = [1, 4, architecture.hidden_size]
  visual = VisualParts(
    tf.random.stateless_normal(shape, [5, 6]),
    tf.random.stateless_normal(shape, [7, 8]),
  )
  # The second word names the third RoI.
  text = {**TEXT, elements.WORD_ROI_INDEX: tf.constant([[0, 3]])}
  hidden = tf.zeros([1, 3], tf.bool)
  layer(text, visual, ROI_MASK, hidden)
  rng = np.random.default_rng(4)
  for variable in layer.weights:
    variable.assign(rng.normal(size=variable.shape))
  sequence, _ = layer(text, visual, ROI_MASK, hidden)
  return layer, visual, sequence.numpy()[0]


def _normalized(layer, row):
  gamma, beta = layer.norm.get_weights()
  return (row - row.mean()) / row.std() * gamma + beta


def test_words_that_see_no_image_keep_the_roi_that_they_name():
  layer, visual, sequence = _sequence(_without('words_see_image'))

  words, segments = layer.words.numpy(), layer.segments.numpy()
  positions, end = layer.positions.numpy(), layer.end_token.numpy()[0]
  of_words, of_rois = visual.words.numpy()[0], visual.rois.numpy()[0]
  expected = {
    0: words[2] + segments[0] + positions[0],
    1: words[7] + of_words[3] + segments[0] + positions[1],
    2: layer.image_token.numpy()[0] + of_rois[1] + segments[2] + positions[2],
    5: end + segments[2] + positions[3],
  }
  for place, row in expected.items():
    np.testing.assert_allclose(
      sequence[place], _normalized(layer, row), atol=1e-4
    )


def test_numbered_rois_take_positions_in_order_and_padding_takes_none():
  layer, visual, sequence = _sequence(_without('shared_roi_position'))

  segments, positions = layer.segments.numpy(), layer.positions.numpy()
  image, of_rois = layer.image_token.numpy()[0], visual.rois.numpy()[0]
  end = layer.end_token.numpy()[0] + visual.words.numpy()[0, 0]
  # Two words: the real RoIs are at 2 and 3, [END] is at 4.
  expected = {
    2: image + of_rois[1] + segments[2] + positions[2],
    4: image + of_rois[3] + segments[2] + positions[3],
    5: end + segments[2] + positions[4],
  }
  for place, row in expected.items():
    np.testing.assert_allclose(
      sequence[place], _normalized(layer, row), atol=1e-4
    )


def test_numbered_rois_need_room_in_the_position_table():
  # 128 positions: 96 words, 31 RoIs and [END] fill it.
  def settings(words):
    return config.ModelConfig(
      size='tiny', shared_roi_position=False, max_text_length=words, max_rois=31
    )

  config.resolve(settings(96), 100, 3)
  with pytest.raises(ValueError, match='between 5 and 96 .* Received: 97'):
    config.resolve(settings(97), 100, 3)


@pytest.mark.parametrize('zeroed', [True, False])
def test_pixels_of_a_masked_roi_leak_where_they_are_not_zeroed(zeroed):
  architecture = (
    tiny_model.architecture() if zeroed else _without('zeroed_pixels')
  )
  model = VlBert(architecture)
  inputs = tiny_model.inputs()
  masked = np.zeros([2, 3], bool)
  masked[1, 0] = True
  inputs[elements.ROI_MASKED] = tf.constant(masked)
  x1, y1, x2, y2 = np.floor(inputs[elements.BOXES].numpy()[1, 0]).astype(int)
  image = inputs[elements.IMAGE].numpy()
  image[1, y1 + 1 : y2, x1 + 1 : x2] = 255 - image[1, y1 + 1 : y2, x1 + 1 : x2]

  states = model(inputs)
  after = model({**inputs, elements.IMAGE: tf.constant(image)})

  difference = np.abs(states.rois[1, 0] - after.rois[1, 0]).max()
  assert bool(difference < 1e-6) == zeroed
