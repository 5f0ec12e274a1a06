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


LOGITS = {
  'pretrain': (
    'relationship_logits', 'mlm_logits_at_masked', 'mvrc_logits_at_masked',
  ),
  'vqa': ('answer_logits',),
  'refcoco': ('roi_logits',),
}  # fmt: skip


@pytest.mark.parametrize('task', ['pretrain', 'vqa', 'refcoco'])
def test_arrays_may_be_of_any_type_of_number_and_lengths_left_out(loaded, task):
  arrays = golden.arrays(f'{task}_tiny', 'inputs')
  arrays = {
    name: value.astype(np.float64)
    for name, value in arrays.items()
    if not name.endswith('_len')
  }

  outputs = loaded(task)(arrays)

  for key, expected in golden.arrays(f'{task}_tiny', 'expected').items():
    np.testing.assert_allclose(outputs[key], expected, atol=1e-4, err_msg=key)
    assert outputs[key].dtype == np.float32


@pytest.mark.parametrize('task', ['pretrain', 'vqa', 'refcoco'])
def test_an_example_alone_gives_the_numbers_of_its_row(loaded, task):
  arrays = golden.arrays(f'{task}_tiny', 'inputs')
  arrays = {name: value[:1] for name, value in arrays.items()}

  outputs = loaded(task)({**arrays, 'boxes': arrays['boxes'].astype(int)})
  exact = loaded(task)(arrays)

  expected = golden.arrays(f'{task}_tiny', 'expected')
  for key in LOGITS[task]:
    rows = expected[key][: len(exact[key])]
    np.testing.assert_allclose(exact[key], rows, atol=1e-4, err_msg=key)
    # Whole pixels are other boxes, if only a little.
    assert outputs[key].shape == exact[key].shape
  if task == 'refcoco':
    assert outputs['predicted_boxes'].dtype == np.float32


@pytest.mark.parametrize(
  ('task', 'path'),
  [
    ('pretrain', 'backbone.visual_embedding.projection.kernel'),
    ('pretrain', 'backbone.visual_embedding.roi_norm.gamma'),
    ('pretrain', 'backbone.element_embedding.positions'),
    ('pretrain', 'backbone.element_embedding.hidden_image_token'),
    (
      'pretrain',
      'backbone.encoder.encoder_layers.0.attention.query_key_value.kernel',
    ),
    (
      'pretrain',
      'backbone.encoder.encoder_layers.1.attention.output_dense.kernel',
    ),
    ('pretrain', 'backbone.encoder.encoder_layers.1.inner.bias'),
    ('pretrain', 'backbone.encoder.encoder_layers.0.outer.kernel'),
    ('pretrain', 'relationship.pooler.kernel'),
    ('pretrain', 'relationship.logit.bias'),
    ('pretrain', 'masked_word.masked_words.dense.kernel'),
    ('pretrain', 'masked_word.masked_words.layer_norm.beta'),
    ('pretrain', 'roi_category.transform.kernel'),
    ('pretrain', 'roi_category.logits.bias'),
    ('vqa', 'answer.transform.kernel'),
    ('vqa', 'answer.logits.bias'),
    ('refcoco', 'roi_score.transform.kernel'),
    ('refcoco', 'roi_score.logit.kernel'),
  ],
)
def test_gradients_agree_with_finite_differences(loaded, task, path):
  model = loaded(task)
  arrays = golden.arrays(f'{task}_tiny', 'inputs')

  def scalar():
    """A smooth function of everything that the heads say."""
    outputs = model.outputs(arrays)
    return sum(
      tf.reduce_sum(tf.cast(outputs[key], tf.float64) ** 2)
      for key in LOGITS[task]
    )

  check_gradient(scalar, model.model.get_weight_paths()[path])


def check_gradient(scalar, variable):
  """Compares a gradient with the change along it."""
  with tf.GradientTape() as tape:
    value = scalar()
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
    sides.append(float(scalar()))
  variable.assign(before)

  slope = (sides[0] - sides[1]) / (2 * length)
  # float32, and the third derivative times the step squared.
  assert slope == pytest.approx(norm, rel=0.02)
