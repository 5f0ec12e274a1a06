"""Bad weights are refused by name, good ones come back bit by bit."""

import json
import os

import numpy as np
import pytest

from tests.checkpoints import golden
from vlbert_tf.checkpoints import folder, sources, torch_files
from vlbert_tf.checkpoints.native import restore_backbone, restore_model
from vlbert_tf.tasks.vqa import VqaModel

HEADS = sources.Options(num_heads=4)


def _convert(tmp_path, weights, options=HEADS):
  path = golden.write_model(tmp_path / 'released.model', weights)
  output = str(tmp_path / 'ours')
  return sources.convert('official_vlbert', path, output, options), output


QUERY = 'vlbert.encoder.layer.0.attention.self.query'


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (
      {'vlbert.pooler.dense.weight': np.zeros([7, 5], np.float32)},
      r'vlbert.pooler.dense.weight \[7, 5\], for relationship.pooler.kernel '
      r'\[64, 64\]',
    ),
    (
      {f'{QUERY}.weight': np.zeros([9, 9], np.float32)},
      r'query.weight \[9, 9\].*query_key_value.kernel \[64, 192\]',
    ),
    (
      {f'{QUERY}.bias': np.full([64], np.nan, np.float32)},
      'query.bias with 64',
    ),
    ({f'{QUERY}.weight': None}, 'key.weight without .*query.weight'),
    ({'vlbert.embedding_LayerNorm.bias': None}, 'no tensor for .*norm.beta'),
    ({'vlbert.word_embeddings.weight': None}, 'no vlbert.word_embeddings'),
    ({'vlbert.other.weight': np.zeros([2], np.float32)}, 'vlbert.other.weight'),
  ],
)
def test_weights_that_do_not_fit_are_named_and_leave_nothing(
  tmp_path, change, message
):
  weights = {**golden.state_dict('pretrain_tiny'), **change}
  weights = {k: v for k, v in weights.items() if v is not None}

  with pytest.raises(ValueError, match=message):
    _convert(tmp_path, weights)

  assert os.listdir(tmp_path) == ['released.model']


def test_a_folder_is_written_once(tmp_path):
  (tmp_path / 'ours').mkdir()

  with pytest.raises(ValueError, match='which exists'):
    _convert(tmp_path, golden.state_dict('vqa_tiny'))


def test_every_name_is_accounted_for(tmp_path):
  weights = golden.state_dict('vqa_tiny')

  report, output = _convert(tmp_path, weights)

  used = {name for names in report.used.values() for name in names}
  assert used | set(report.ignored) == set(weights)
  assert not used & set(report.ignored)
  model, again = folder.read(output)
  assert set(report.used) | set(report.new) == set(model.get_weight_paths())
  assert again == report
  assert 'backbone.element_embedding.hidden_image_token' in report.new


@pytest.mark.parametrize(
  'name',
  [
    'pretrain_tiny',
    'vqa_tiny',
    'refcoco_tiny',
    pytest.param('pretrain_e2e', marks=pytest.mark.slow),
  ],
)
def test_ours_to_official_to_ours_is_the_same_bit_by_bit(tmp_path, name):
  _, output = _convert(tmp_path, golden.state_dict(name))
  released = str(tmp_path / 'again.model')

  left_out = sources.export('official_vlbert', output, released)
  again = str(tmp_path / 'again')
  sources.convert('official_vlbert', released, again, HEADS)

  before = folder.read(output)[0].get_weight_paths()
  after = folder.read(again)[0].get_weight_paths()
  assert before.keys() == after.keys()
  assert all(path.startswith('visible_roi.') for path in left_out)
  for path in set(before) - set(left_out):
    np.testing.assert_array_equal(after[path], before[path], err_msg=path)
  # All names that the authors' code looks for, but counters and what the
  # heads of this task do not use.
  names = {
    n
    for n in golden.state_dict(name)
    if 'num_batches' not in n
    and (name.startswith('pretrain') or 'pooler' not in n)
  }
  assert names <= set(torch_files.read(released))


def test_safetensors_hold_every_variable(tmp_path):
  _, output = _convert(tmp_path, golden.state_dict('vqa_tiny'))
  path = str(tmp_path / 'ours.safetensors')

  sources.export('safetensors', output, path)

  with open(path, 'rb') as file:
    header = json.loads(file.read(int.from_bytes(file.read(8), 'little')))
    place = header['answer.logits.bias']['data_offsets']
    raw = file.read()[slice(*place)]
  variables = folder.read(output)[0].get_weight_paths()
  assert header.keys() == variables.keys()
  np.testing.assert_array_equal(
    np.frombuffer(raw, '<f4'), variables['answer.logits.bias']
  )


def test_half_precision_is_converted(tmp_path):
  weights = golden.state_dict('vqa_tiny')
  name = 'vlbert.end_embedding.weight'
  halves = weights[name].astype(np.float16)
  half = tmp_path / 'half.model'
  torch_files.write(str(half), {**weights, name: halves})

  sources.convert('official_vlbert', str(half), str(tmp_path / 'ours'), HEADS)

  variables = folder.read(str(tmp_path / 'ours'))[0].get_weight_paths()
  np.testing.assert_array_equal(
    variables['backbone.element_embedding.end_token'], halves
  )


def test_converted_weights_load_into_the_model_of_the_task(tmp_path):
  _, output = _convert(tmp_path, golden.state_dict('vqa_tiny'))
  converted, _ = folder.read(output)
  model = VqaModel(converted.architecture, 40)
  model.backbone(_inputs(converted.architecture.appearance_size))
  model.answer(np.zeros([1, 3, 64], np.float32), np.zeros([1], np.int32))

  restore_model(model, f'{output}/converted-1')
  restored = [variable.numpy() for variable in model.backbone.weights]
  restore_backbone(model, output)

  for ours, theirs, again in zip(
    restored, converted.backbone.weights, model.backbone.weights, strict=True
  ):
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(again, theirs)


def _inputs(appearance_size):
  return {
    'word_ids': np.zeros([1, 4], np.int32),
    'word_mask': np.ones([1, 4], bool),
    'segment_ids': np.zeros([1, 4], np.int32),
    'image_size': np.array([[64.0, 64.0]], np.float32),
    'boxes': np.array([[[0.0, 0.0, 32.0, 32.0]]], np.float32),
    'roi_mask': np.ones([1, 1], bool),
    'appearance': np.zeros([1, 1, appearance_size], np.float32),
  }
