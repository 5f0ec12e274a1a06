"""VCR: candidates, tags and outlines, against the released code's rules."""

import numpy as np
import pytest
import tensorflow as tf

from tests.checkpoints import golden
from tests.checkpoints.test_parity import check_gradient
from vlbert_tf import checkpoints
from vlbert_tf.checkpoints import folder, sources

HIDDEN = 64


def _weights(rng):
  """VQA's weights with VCR's names and classifier of one layer."""
  weights = {
    name.replace('vlbert.', 'vlbert._module.', 1): value
    for name, value in golden.state_dict('vqa_tiny').items()
    if not name.startswith('final_mlp')
  }
  return {
    **weights,
    'final_mlp.1.weight': rng.normal(size=[1, HIDDEN]).astype(np.float32),
    'final_mlp.1.bias': np.zeros([1], np.float32),
    'cnn_loss_reg.0.dense.weight': np.zeros([HIDDEN, HIDDEN], np.float32),
  }


def _arrays(rng):
  boxes = golden.arrays('vqa_tiny', 'inputs')
  return {
    'boxes': boxes['boxes'],
    'image_size': boxes['image_size'],
    'roi_features': boxes['roi_features'],
    'question_ids': rng.integers(200, 2000, [3, 6]),
    'question_len': np.array([6, 4, 5]),
    'question_tags': np.zeros([3, 6], np.int64),
    'answer_ids': rng.integers(200, 2000, [3, 4, 5]),
    'answer_len': np.array([[5, 3, 4, 1]] * 3),
    'answer_tags': np.zeros([3, 4, 5], np.int64),
  }


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  folder = tmp_path_factory.mktemp('vcr')
  path = golden.write_model(
    folder / 'released.model', _weights(np.random.default_rng(1)), 'module.'
  )
  sources.convert(
    'official_vlbert', path, str(folder / 'ours'), sources.Options(num_heads=4)
  )
  return checkpoints.load(str(folder / 'ours'), task='vcr')


def test_each_candidate_is_scored_by_itself(model):
  arrays = _arrays(np.random.default_rng(2))
  order = [2, 0, 3, 1]
  turned = dict(arrays)
  for name in ('answer_ids', 'answer_len', 'answer_tags'):
    turned[name] = arrays[name][:, order]
  changed = {**arrays, 'answer_ids': arrays['answer_ids'].copy()}
  # Beyond the length of the last candidate.
  changed['answer_ids'][:, 3, 1:] = 7

  logits = model(arrays)['answer_logits']

  assert logits.shape == (3, 4)
  np.testing.assert_allclose(
    model(turned)['answer_logits'], logits[:, order], atol=1e-5
  )
  np.testing.assert_array_equal(model(changed)['answer_logits'], logits)


def test_a_tag_lends_a_word_the_look_of_its_roi(model):
  arrays = _arrays(np.random.default_rng(3))
  tagged = {**arrays, 'answer_tags': arrays['answer_tags'].copy()}
  tagged['answer_tags'][0, 1, 0] = 2
  negative = {**arrays, 'question_tags': np.full([3, 6], -1)}

  logits = model(arrays)['answer_logits']
  after = model(tagged)['answer_logits']

  changed = np.abs(after - logits) > 1e-6
  assert changed.tolist() == [[False, True, False, False], *[[False] * 4] * 2]
  # No RoI is named by -1: the whole image is seen, as with 0.
  np.testing.assert_array_equal(model(negative)['answer_logits'], logits)


def test_another_task_or_a_missing_array_is_named(model, tmp_path):
  arrays = _arrays(np.random.default_rng(2))
  del arrays['answer_ids']

  with pytest.raises(ValueError, match='reads the array answer_ids'):
    model(arrays)
  with pytest.raises(ValueError, match='a folder with architecture.json'):
    checkpoints.load(str(tmp_path), task='vcr')


def test_ours_to_official_to_ours_is_the_same_bit_by_bit(tmp_path):
  weights = _weights(np.random.default_rng(1))
  path = golden.write_model(tmp_path / 'released.model', weights)
  options = sources.Options(num_heads=4)
  ours, again = str(tmp_path / 'ours'), str(tmp_path / 'again')
  sources.convert('official_vlbert', path, ours, options)

  left_out = sources.export(
    'official_vlbert', ours, str(tmp_path / 'again.model')
  )
  sources.convert(
    'official_vlbert', str(tmp_path / 'again.model'), again, options
  )

  assert not left_out
  before = folder.read(ours)[0].get_weight_paths()
  after = folder.read(again)[0].get_weight_paths()
  assert before.keys() == after.keys()
  for name, variable in before.items():
    np.testing.assert_array_equal(after[name], variable, err_msg=name)


@pytest.mark.parametrize(
  'path', ['candidate.pooler.kernel', 'candidate.logits.kernel']
)
def test_gradients_of_the_candidate_head(model, path):
  arrays = _arrays(np.random.default_rng(2))

  def scalar():
    logits = model.outputs(arrays)['answer_logits']
    return tf.reduce_sum(tf.cast(logits, tf.float64) ** 2)

  check_gradient(scalar, model.model.get_weight_paths()[path])
