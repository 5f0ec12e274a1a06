"""Our numbers against those of the authors' implementation."""

import numpy as np
import pytest
import tensorflow as tf

from tests.checkpoints import golden
from vlbert_tf import checkpoints
from vlbert_tf.checkpoints import sources

HEADS = sources.Options(num_heads=4)


@pytest.mark.parametrize(
  ('name', 'task', 'prefix', 'tolerance'),
  [
    ('pretrain_tiny', 'pretrain', 'module.', 1e-4),
    ('vqa_tiny', 'vqa', '', 1e-4),
    ('refcoco_tiny', 'refcoco', 'module.', 1e-4),
    # A hundred layers of convolutions in float32.
    ('pretrain_e2e', 'pretrain', '', 1e-3),
  ],
)
def test_converted_weights_give_the_numbers_of_the_released_code(
  name, task, prefix, tolerance, tmp_path
):
  path = golden.write_model(
    tmp_path / 'released.model', golden.state_dict(name), prefix
  )
  output = str(tmp_path / 'ours')
  sources.convert('official_vlbert', path, output, HEADS)

  outputs = checkpoints.load(output, task=task)(golden.arrays(name, 'inputs'))

  for key, expected in golden.arrays(name, 'expected').items():
    np.testing.assert_allclose(
      outputs[key], expected, rtol=0, atol=tolerance, err_msg=key
    )


def _scalar(outputs) -> float:
  """A smooth function of everything that the three heads say."""
  return sum(
    tf.reduce_sum(tf.cast(outputs[key], tf.float64) ** 2)
    for key in (
      'relationship_logits',
      'mlm_logits_at_masked',
      'mvrc_logits_at_masked',
    )
  )


@pytest.fixture(scope='module')
def loaded(tmp_path_factory):
  folder = tmp_path_factory.mktemp('pretrain')
  path = golden.write_model(
    folder / 'released.model', golden.state_dict('pretrain_tiny')
  )
  sources.convert('official_vlbert', path, str(folder / 'ours'), HEADS)
  return checkpoints.load(str(folder / 'ours'), task='pretrain')


@pytest.mark.parametrize(
  'path',
  [
    'backbone.visual_embedding.projection.kernel',
    'backbone.visual_embedding.roi_norm.gamma',
    'backbone.element_embedding.positions',
    'backbone.element_embedding.hidden_image_token',
    'backbone.encoder.encoder_layers.0.attention.query_key_value.kernel',
    'backbone.encoder.encoder_layers.1.inner.bias',
    'relationship.pooler.kernel',
    'relationship.logit.bias',
    'masked_word.masked_words.dense.kernel',
    'masked_word.masked_words.layer_norm.beta',
    'roi_category.transform.kernel',
    'roi_category.logits.bias',
  ],
)
def test_gradients_agree_with_finite_differences(loaded, path):
  arrays = golden.arrays('pretrain_tiny', 'inputs')
  variable = loaded.model.get_weight_paths()[path]
  with tf.GradientTape() as tape:
    value = _scalar(loaded.outputs(arrays))
  gradient = tf.convert_to_tensor(tape.gradient(value, variable)).numpy()
  # Along the gradient itself, where the change is largest; as far as changes
  # the value by some 0.5, well above float32's noise.
  norm = np.linalg.norm(gradient)
  length = min(1e-2, 0.5 / norm)
  step = length * gradient / norm
  before = variable.numpy()

  sides = []
  for sign in (1.0, -1.0):
    variable.assign(before + sign * step)
    sides.append(float(_scalar(loaded.outputs(arrays))))
  variable.assign(before)

  slope = (sides[0] - sides[1]) / (2 * length)
  # float32, and the third derivative times the step squared.
  assert slope == pytest.approx(norm, rel=0.02)
