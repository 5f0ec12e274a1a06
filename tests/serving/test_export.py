"""Converted weights as they are exported: against the released code."""

import hashlib
import json

import numpy as np
import pytest
import tensorflow as tf

from serving import calls, candidates, publishing, regions
from serving.saved_model import ServedModel
from tests.checkpoints import golden
from tests.serving import golden_words, served
from vlbert_tf.checkpoints import sources
from vlbert_tf.tasks import saved, trained


def _convert(name, folder) -> str:
  path = golden.write_model(folder / f'{name}.model', golden.state_dict(name))
  output = str(folder / name)
  options = sources.Options(num_heads=4)
  sources.convert('official_vlbert', path, output, options)
  return output


@pytest.fixture(scope='module')
def request_of(tmp_path_factory):
  """What is loaded of the converted weights of a golden folder."""
  folder = tmp_path_factory.mktemp('weights')
  files = golden_words.write(folder)

  def request(name):
    path = str(folder / name)
    if not tf.io.gfile.exists(path):
      _convert(name, folder)
    return trained.Request(
      path=path, **files, text_buckets=(14,), roi_buckets=(4, 8)
    )

  return request


def _tensors(arrays):
  return {name: tf.constant(value) for name, value in arrays.items()}


@pytest.fixture(scope='module')
def exported(request_of, tmp_path_factory):
  """A published folder."""
  base = str(tmp_path_factory.mktemp('export'))
  candidate = candidates.make(request_of('vqa_tiny'), [1, 2])
  return publishing.publish(candidate, base)


def test_a_converted_model_answers_over_its_export_as_released(exported):
  arrays = golden.arrays('vqa_tiny', 'inputs')
  logits = golden.arrays('vqa_tiny', 'expected')['answer_logits']
  questions = golden_words.texts(arrays['question_ids'], arrays['question_len'])
  signature = tf.saved_model.load(exported).signatures['serving_default']

  found = signature(
    question=tf.constant(questions), **_tensors(golden_words.regions(arrays))
  )

  scores = 1.0 / (1.0 + np.exp(-logits))
  best = np.argsort(-scores, axis=1)[:, :5]
  assert found['answers'].numpy().tolist() == [
    [f'a{k}'.encode() for k in row] for row in best
  ]
  np.testing.assert_allclose(
    found['scores'], np.take_along_axis(scores, best, axis=1), atol=1e-4
  )


def test_an_export_holds_its_card_and_warm_up_requests(exported):
  with open(f'{exported}/{publishing.CARD_FILE}', encoding='utf-8') as file:
    card = json.load(file)
  warm = list(calls.read(f'{exported}/{publishing.WARMUP_FILE}'))

  assert card['task'] == saved.VQA
  assert card['answers']['count'] == golden_words.ANSWERS
  text = ''.join(f'{word}\n' for word in golden_words.WORDS)
  assert card['vocabulary'] == {
    'count': golden_words.SIZE,
    'sha256': hashlib.sha256(text.encode()).hexdigest(),
  }
  # Four signatures, two batch sizes, two numbers of RoIs.
  assert len(warm) == 16
  shapes = {call.inputs['boxes'].shape for call in warm}
  assert shapes == {(b, r, 4) for b in (1, 2) for r in (4, 8)}


def test_expressions_are_grounded_as_released(request_of):
  module = ServedModel(trained.load(request_of('refcoco_tiny')))
  arrays = golden.arrays('refcoco_tiny', 'inputs')
  logits = golden.arrays('refcoco_tiny', 'expected')['roi_logits'][:, 1:]
  queries = golden_words.texts(arrays['query_ids'], arrays['query_len'])

  found = module.answer_eagerly(
    'ground',
    _tensors({
      'expression': np.array(queries), **golden_words.regions(arrays)
    }),
  )  # fmt: skip

  real = arrays['boxes'][:, 1:, 0] > -1.5
  expected = np.where(real, 1.0 / (1.0 + np.exp(-logits)), 0.0)
  np.testing.assert_allclose(found['scores'], expected, atol=1e-4)
  assert found['index'].numpy().tolist() == expected.argmax(axis=1).tolist()


@pytest.mark.parametrize(
  ('dtype', 'most'),
  [
    ('bfloat16', 0.05),
    pytest.param('float16', 0.01, marks=pytest.mark.slow),
  ],
)
def test_half_precision_is_close_and_the_card_says_how_close(
  request_of, dtype, most
):
  candidate = candidates.make(request_of('vqa_tiny'), [1], dtype)

  rounding = candidate.card['rounding']['answer.scores']
  assert candidate.card['dtype'] == dtype
  # A few roundings, of 2⁻⁹ or 2⁻¹² each, on probabilities around 1/2.
  assert 1e-5 < rounding['largest_difference'] < most
  assert 0 < rounding['mean_difference'] <= rounding['largest_difference']


def test_what_is_wrong_with_features_is_said(request_of):
  module = ServedModel(trained.load(request_of('vqa_tiny')))
  good = golden_words.regions(golden.arrays('vqa_tiny', 'inputs'))
  rows = {name: np.repeat(value[:1], 4, 0) for name, value in good.items()}
  rows['image_size'][1] = [0, 5]
  rows['appearance'][2, 0, 0] = np.nan
  rows['image_appearance'][3] = 0.0

  found = module.answer_eagerly(
    'answer', _tensors({'question': np.array(['w7'] * 4), **rows})
  )

  statuses = [status.decode() for status in found['status'].numpy()]
  assert statuses == ['', regions.NOT_A_SIZE, regions.NOT_FINITE, '']
  # Zeros stand for the mean of the real RoIs.
  mean = dict(rows)
  mean['image_appearance'] = np.tile(
    good['appearance'][0][good['boxes'][0, :, 0] >= 0].mean(0), [4, 1]
  )
  other = module.answer_eagerly(
    'answer', _tensors({'question': np.array(['w7'] * 4), **mean})
  )
  np.testing.assert_allclose(found['scores'][3], other['scores'][3], atol=1e-5)


def test_a_detector_gives_a_model_of_features_what_it_reads(request_of):
  model = trained.load(request_of('vqa_tiny'))
  module = ServedModel(model, served.halves(2048))
  encoded, _ = served.png(40, 30, 3)

  found = module.answer_eagerly(
    'answer', _tensors({'image': [encoded], 'question': ['w7']})
  )

  appearance = np.stack([np.full(2048, 1.0), np.full(2048, 2.0)])
  given = {
    'question': ['w7'],
    'image_size': [[30.0, 40.0]],
    'boxes': [[[0.0, 0.0, 20.0, 30.0], [20.0, 0.0, 40.0, 30.0]]],
    'appearance': appearance[None].astype(np.float32),
    # The released models read the mean of their RoIs.
    'image_appearance': np.zeros([1, 2048], np.float32),
  }
  expected = module.answer_eagerly('answer_on_features', _tensors(given))
  np.testing.assert_allclose(found['scores'], expected['scores'], atol=1e-5)
  with pytest.raises(ValueError, match=r'2048\. Received: a detector with 3'):
    ServedModel(model, served.halves(3))
