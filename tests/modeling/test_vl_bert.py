"""The whole encoder from pixels: sets, leaks, gradients, precision."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.modeling import tiny_model
from vlbert_tf import elements
from vlbert_tf.modeling import config
from vlbert_tf.modeling.vl_bert import VlBert


@pytest.fixture(scope='module')
def model():
  """A model in which no residual branch is silent."""
  built = VlBert(tiny_model.architecture())
  built(tiny_model.inputs())
  rng = np.random.default_rng(7)
  for variable in built.weights:
    if variable.name.endswith('scale:0'):
      variable.assign(rng.uniform(0.5, 1.0, variable.shape))
  return built


def test_permuting_the_rois_permutes_their_states_and_nothing_else(model):
  inputs = tiny_model.inputs()
  order = [2, 0, 1]
  permuted = dict(inputs)
  for name in (elements.BOXES, elements.ROI_MASK):
    permuted[name] = tf.gather(inputs[name], order, axis=1)

  states, after = model(inputs), model(permuted)

  # Real rows: RoI 2 of the first example is padding.
  np.testing.assert_allclose(
    after.rois[1], tf.gather(states.rois[1], order), atol=1e-4
  )
  np.testing.assert_allclose(after.text[1], states.text[1], atol=1e-4)


def test_padding_changes_no_real_element(model):
  inputs = tiny_model.inputs()
  changed = dict(inputs)
  words = inputs[elements.WORD_IDS].numpy()
  boxes = inputs[elements.BOXES].numpy()
  words[0, -1], boxes[0, -1] = 11, [3, 4, 30, 20]
  changed[elements.WORD_IDS], changed[elements.BOXES] = words, boxes
  changed = {name: tf.constant(value) for name, value in changed.items()}

  states, after = model(inputs), model(changed)

  np.testing.assert_allclose(after.text[0, :4], states.text[0, :4], atol=1e-5)
  np.testing.assert_allclose(after.rois[0, :2], states.rois[0, :2], atol=1e-5)


def test_texts_may_share_an_image(model):
  images = tiny_model.inputs()
  texts = tiny_model.inputs(batch=4, seed=1)
  names = (elements.WORD_IDS, elements.WORD_MASK, elements.SEGMENT_IDS)
  shared = {**images, **{name: texts[name] for name in names}}
  apart = {
    name: value if name in names else tf.repeat(value, 2, axis=0)
    for name, value in shared.items()
  }

  states, expected = model(shared), model(apart)

  np.testing.assert_allclose(states.text, expected.text, atol=1e-5)
  np.testing.assert_allclose(states.rois, expected.rois, atol=1e-5)


def test_pixels_of_a_masked_roi_change_no_output(model):
  inputs = tiny_model.inputs()
  # RoI 0 is masked; RoI 1 overlaps it.
  boxes = inputs[elements.BOXES].numpy()
  boxes[1, 0], boxes[1, 1] = [4.5, 6.5, 20.5, 22.5], [10, 10, 35, 30]
  masked = np.zeros([2, 3], bool)
  masked[1, 0] = True
  image = inputs[elements.IMAGE].numpy()
  image[1, 6:23, 4:21] = 255 - image[1, 6:23, 4:21]
  inputs[elements.BOXES] = tf.constant(boxes)
  inputs[elements.ROI_MASKED] = tf.constant(masked)

  states = model(inputs)
  after = model({**inputs, elements.IMAGE: tf.constant(image)})
  inputs[elements.ROI_MASKED] = tf.zeros([2, 3], tf.bool)
  unmasked = model(inputs)
  seen = model({**inputs, elements.IMAGE: tf.constant(image)})

  np.testing.assert_array_equal(after.text, states.text)
  np.testing.assert_array_equal(after.rois, states.rois)
  # The same change is seen when the RoI is not masked.
  assert np.abs(seen.rois[1, 1] - unmasked.rois[1, 1]).max() > 1e-4


def test_a_loss_on_one_word_reaches_every_part_of_the_network(model):
  with tf.GradientTape() as tape:
    loss = tf.reduce_sum(model(tiny_model.inputs()).text[1, 1] ** 2)
  gradients = tape.gradient(loss, model.trainable_variables)

  silent = [
    variable.name
    for variable, gradient in zip(
      model.trainable_variables, gradients, strict=True
    )
    if gradient is None or not np.any(tf.convert_to_tensor(gradient))
  ]

  # Nothing is masked in this example.
  assert [name for name in silent if 'hidden_roi' not in name] == []


@pytest.mark.parametrize('frozen', [0, 1, 2, 4, 5])
def test_what_is_frozen_gets_no_gradient_and_all_behind_it_does(
  model, frozen, tmp_path
):
  resnet = dataclasses.replace(tiny_model.RESNET, frozen_stages=frozen)
  other = VlBert(tiny_model.architecture(resnet=resnet))
  other(tiny_model.inputs())
  # By object, not by order: frozen weights come last.
  path = str(tmp_path / 'weights')
  tf.train.Checkpoint(model=model).write(path)
  tf.train.Checkpoint(model=other).read(path).assert_consumed()

  with tf.GradientTape() as tape:
    # The tape would watch trainable ones alone; that a gradient stops is to be
    # seen of the others.
    for variable in other.weights:
      tape.watch(variable)
    states = other(tiny_model.inputs())
    loss = tf.reduce_sum(states.text[1, 1] ** 2)
  visual = other.roi_features
  gradients = tape.gradient(loss, visual.weights)

  parts = ['stem', 'res2', 'res3', 'res4', 'res5']
  learning = {
    part: all(
      gradient is not None and np.any(gradient)
      for variable, gradient in zip(visual.weights, gradients, strict=True)
      if f'/{part}' in variable.name
    )
    for part in parts
  }
  assert learning == {part: k >= frozen for k, part in enumerate(parts)}
  names = [variable.name for variable in other.trainable_variables]
  for k, part in enumerate(parts):
    assert any(f'/{part}' in name for name in names) == (k >= frozen)


def test_dropout_is_a_function_of_its_seed():
  model = VlBert(tiny_model.architecture(dropout_rate=0.3))
  inputs = tiny_model.inputs()

  first = model(inputs, tf.constant([4, 0])).text
  again = model(inputs, tf.constant([4, 0])).text
  other = model(inputs, tf.constant([5, 0])).text
  without = model(inputs).text

  np.testing.assert_array_equal(first, again)
  assert np.abs(first - other).max() > 1e-3
  assert np.abs(first - without).max() > 1e-3


def test_mixed_precision_stays_close_to_float32():
  arch = tiny_model.architecture()
  inputs = tiny_model.inputs()
  exact = VlBert(arch)
  states = exact(inputs)
  tf_keras.mixed_precision.set_global_policy('mixed_bfloat16')
  try:
    mixed = VlBert(arch)
    mixed(inputs)
    mixed.set_weights(exact.get_weights())
    half = mixed(inputs)
  finally:
    tf_keras.mixed_precision.set_global_policy('float32')

  assert half.text.dtype == tf.bfloat16
  assert all(variable.dtype == tf.float32 for variable in mixed.weights)
  # bfloat16 keeps 8 bits: 4e-3 relative a step, some twenty steps deep.
  difference = tf.cast(half.text, tf.float32) - states.text
  assert np.abs(difference).mean() < 0.05


@pytest.mark.parametrize(
  ('field', 'value', 'message'),
  [
    ('preset', 'original', 'model.preset must be one of paper'),
    ('size', 'huge', 'model.size must be one of tiny, minilm'),
    ('xla', 'all', 'model.xla must be one of attention, step, none'),
    ('visual_features', 'text', 'model.visual_features must be one of'),
    ('max_text_length', 600, 'between 5 and 510'),
    ('frozen_stages', 6, 'between 0 .none. and 5'),
  ],
)
def test_an_impossible_model_is_refused_by_name(field, value, message):
  settings = config.ModelConfig(**{field: value})

  with pytest.raises(ValueError, match=message):
    config.resolve(settings, vocab_size=100, num_categories=3)
