"""The model on appearance that was computed beforehand."""

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling import tiny_model
from vlbert_tf import elements
from vlbert_tf.modeling import arithmetic, config
from vlbert_tf.modeling.vl_bert import VlBert


def _inputs():
  """Two examples; the last RoI of the first is padding."""
  inputs = tiny_model.inputs()
  del inputs[elements.IMAGE]
  rng = np.random.default_rng(3)
  rois = rng.normal(size=[2, 3, 14]).astype(np.float32)
  inputs[elements.APPEARANCE] = tf.constant(rois)
  inputs[elements.IMAGE_APPEARANCE] = tf.constant(rois.mean(1) + 1)
  return inputs


def _model(preset):
  model = VlBert(
    tiny_model.architecture(
      arithmetic=preset, resnet=None, precomputed_appearance_size=14
    )
  )
  model(_inputs())
  rng = np.random.default_rng(7)
  for variable in model.weights:
    # Norms that scale everything down would hide every difference.
    mean = 1.0 if 'gamma' in variable.name else 0.0
    variable.assign(mean + rng.normal(size=variable.shape) * 0.3)
  return model


@pytest.mark.parametrize('preset', [arithmetic.PAPER, arithmetic.OFFICIAL])
def test_what_a_hidden_roi_looks_like_changes_no_output(preset):
  model, inputs = _model(preset), _inputs()
  hidden = tf.constant([[False, False, False], [True, False, False]])
  changed = inputs[elements.APPEARANCE].numpy()
  changed[1, 0, :7] += 5.0
  other = {**inputs, elements.APPEARANCE: tf.constant(changed)}

  states = model({**inputs, elements.ROI_MASKED: hidden})
  after = model({**other, elements.ROI_MASKED: hidden})

  np.testing.assert_array_equal(after.text, states.text)
  np.testing.assert_array_equal(after.rois, states.rois)
  # The same change is seen when the RoI is not hidden.
  assert np.abs(model(other).rois - model(inputs).rois).max() > 1e-3


def test_the_whole_image_looks_as_given_in_the_paper():
  model, inputs = _model(arithmetic.PAPER), _inputs()
  changed = inputs[elements.IMAGE_APPEARANCE] ** 2

  states = model(inputs)
  after = model({**inputs, elements.IMAGE_APPEARANCE: changed})

  assert np.abs(after.text - states.text).max() > 1e-3


def test_the_whole_image_looks_like_the_mean_of_its_rois_as_released():
  model, inputs = _model(arithmetic.OFFICIAL), _inputs()
  del inputs[elements.IMAGE_APPEARANCE]
  rois = inputs[elements.APPEARANCE].numpy()
  boxes = inputs[elements.BOXES].numpy()
  height, width = 40, 56
  # The third RoI of the first example is padding.
  means = [rois[0, :2].mean(0), rois[1].mean(0)]
  with_image = np.concatenate([np.stack(means)[:, None], rois], axis=1)
  whole = np.tile([[[0, 0, width - 1, height - 1]]], [2, 1, 1])
  with_box = np.concatenate([whole, boxes], 1).astype(np.float32)
  nothing = tf.zeros([2, 3], tf.bool)

  states = model(inputs)
  expected = model.encode(
    {**inputs, elements.ROI_MASKED: nothing},
    tf.constant(with_image),
    tf.constant(with_box),
  )

  np.testing.assert_allclose(states.text, expected.text, atol=1e-5)
  np.testing.assert_allclose(
    states.whole_image, expected.whole_image, atol=1e-5
  )


def test_attention_is_over_text_rois_and_end_alone():
  model, inputs = _model(arithmetic.OFFICIAL), _inputs()

  states = model(inputs, return_attention=True)

  # 5 words, 3 RoIs, [END].
  assert [of.shape for of in states.attention] == [[2, 2, 9, 9]] * 2
  assert states.rois.shape == [2, 3, 22]


def test_the_official_preset_resolves_to_released_networks():
  settings = config.ModelConfig(preset='official')

  from_pixels = config.resolve(settings, vocab_size=30522, num_categories=1600)
  settings.visual_features = 'precomputed'
  settings.size = 'large'
  precomputed = config.resolve(settings, vocab_size=30522, num_categories=1600)

  assert from_pixels.resnet.strides == (1, 2, 2, 1)
  assert from_pixels.resnet.dilation == 2
  assert from_pixels.appearance_size == precomputed.appearance_size == 2048
  assert precomputed.resnet is None
  assert (precomputed.hidden_size, precomputed.num_layers) == (1024, 24)
