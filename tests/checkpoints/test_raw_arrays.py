"""Arrays as the released code names and packs them, and faulty ones."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from tests.checkpoints import golden
from vlbert_tf.checkpoints import raw_arrays

RELEASED = {
  'text_ids': 'text',
  'related': 'relationship_label',
  'roi_masked': 'mvrc_ops',
  'roi_soft_labels': 'mvrc_labels',
  'question_ids': 'question',
  'query_ids': 'expression',
}


def _as_released(arrays, scale=(1.0, 1.0)):
  """Without lengths, features behind the corners, size and scales in one."""
  count = len(arrays['boxes'])
  rest = {
    RELEASED.get(name, name): value
    for name, value in arrays.items()
    if name not in ('boxes', 'roi_features', 'image_size')
    and not name.endswith('_len')
  }
  parts = [arrays['image_size'], np.tile(scale, [count, 1])]
  return {
    **rest,
    'image': None,
    'boxes': np.concatenate([arrays['boxes'], arrays['roi_features']], -1),
    'im_info': np.concatenate(parts, axis=1),
  }


@pytest.mark.parametrize('task', ['pretrain', 'vqa', 'refcoco'])
def test_the_arrays_of_the_released_code_are_taken_as_they_are(loaded, task):
  arrays = _as_released(golden.arrays(f'{task}_tiny', 'inputs'))

  outputs = loaded(task)(arrays)

  for key, expected in golden.arrays(f'{task}_tiny', 'expected').items():
    np.testing.assert_allclose(outputs[key], expected, atol=1e-4, err_msg=key)


def test_predicted_boxes_are_those_of_the_image_before_it_was_resized(loaded):
  arrays = golden.arrays('refcoco_tiny', 'inputs')
  expected = golden.arrays('refcoco_tiny', 'expected')['predicted_boxes']

  outputs = loaded('refcoco')(_as_released(arrays, scale=(2.0, 0.5)))

  np.testing.assert_allclose(
    outputs['predicted_boxes'], expected / [2.0, 0.5, 2.0, 0.5], atol=1e-3
  )


def test_rows_past_the_last_roi_of_the_batch_are_never_predicted(loaded):
  arrays = golden.arrays('refcoco_tiny', 'inputs')
  expected = golden.arrays('refcoco_tiny', 'expected')
  count = arrays['boxes'].shape[1]
  padded = {
    **arrays,
    'boxes': np.pad(
      arrays['boxes'], [(0, 0), (0, 3), (0, 0)], constant_values=-2
    ),
    'roi_features': np.pad(arrays['roi_features'], [(0, 0), (0, 3), (0, 0)]),
  }
  model = loaded('refcoco')
  outputs = model(padded)
  # A state of zeros scores 0, what is positive less: padding would win.
  weights = model.model.get_weight_paths()
  before = {}
  for name, value in (
    ('transform.bias', 0.0), ('logit.kernel', -1.0), ('logit.bias', 0.0),
  ):  # fmt: skip
    variable = weights[f'roi_score.{name}']
    before[name] = variable.numpy()
    variable.assign(tf.fill(variable.shape, value))
  lowest = model(padded)
  for name, value in before.items():
    weights[f'roi_score.{name}'].assign(value)

  fullest = arrays['num_rois'].argmax()
  assert lowest['roi_logits'][fullest, :count].max() < 0
  assert (lowest['roi_logits'][:, count:] == -10000).all()
  assert lowest['predicted_boxes'][fullest].min() >= 0
  assert outputs['roi_logits'].shape == (3, count + 3)
  np.testing.assert_allclose(
    outputs['roi_logits'][:, :count], expected['roi_logits'], atol=1e-4
  )
  np.testing.assert_allclose(
    outputs['predicted_boxes'], expected['predicted_boxes'], atol=1e-3
  )


def test_ids_and_tags_come_packed_in_one_array():
  question = np.arange(2 * 5 * 3).reshape(2, 5, 3)
  choices = np.arange(2 * 4 * 7 * 3).reshape(2, 4, 7, 3)
  boxes = np.zeros([2, 200, 6])

  arrays = raw_arrays.named(
    {'question': question, 'answer_choices': choices, 'boxes': boxes}
  )

  assert set(arrays) == {
    'boxes', 'question_ids', 'question_tags', 'answer_ids', 'answer_tags',
  }  # fmt: skip
  np.testing.assert_array_equal(arrays['question_tags'], question[..., 1])
  np.testing.assert_array_equal(arrays['answer_ids'], choices[..., 0])


def test_an_array_that_no_model_reads_is_told(caplog):
  with caplog.at_level(logging.WARNING, logger='absl'):
    raw_arrays.named({'num_rois': [3], 'outline': [1], 'boxes': [[[0] * 4]]})

  assert 'Not read: outline. Known are boxes,' in caplog.text


@pytest.mark.parametrize(
  ('name', 'change', 'message'),
  [
    ('boxes', lambda v: v[..., :3], r'boxes has the shape \[B, R, 4\]'),
    ('roi_features', lambda v: v[:, 1:], r'row for each of the 8 boxes'),
    ('image_size', lambda v: v[:2], r'image_size has the shape .* of 3 exa'),
    ('query_ids', lambda v: v + 2000, r'Ids of words are less than 2000'),
    (
      'query_ids',
      lambda v: np.tile(v, [1, 60]),
      r'A text has at most 510 elements',
    ),
    ('query_ids', None, r'reads the array query_ids \(or expression'),
    ('roi_features', None, r'reads the array roi_features \(or box_features'),
  ],
)
def test_a_faulty_array_is_named_with_what_is_expected(
  loaded, name, change, message
):
  arrays = golden.arrays('refcoco_tiny', 'inputs')
  del arrays['query_len']
  value = arrays.pop(name)
  if change is not None:
    arrays[name] = change(value)

  with pytest.raises(ValueError, match=message):
    loaded('refcoco')(arrays)


def test_a_tag_beyond_the_boxes_is_refused():
  arrays = {'boxes': np.zeros([1, 3, 4]), 'question_tags': np.array([[0, 3]])}

  with pytest.raises(ValueError, match='rows of boxes, less than 3'):
    raw_arrays.named(arrays)
