"""Served answers against what training predicts for the same records."""

import numpy as np
import pytest
import tensorflow as tf

from serving import parity, validation
from serving.saved_model import ServedModel
from tests.data import record_folder
from tests.serving import served
from vlbert_tf.data.record_contents import Contents
from vlbert_tf.tasks import saved

WORDS = [
  '[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'is', 'it', '?', 'left',
  'right', 'a', 'b', *'0123456789',
]  # fmt: skip
CASES = {
  saved.VQA: (record_folder.write_questions, 'answer'),
  saved.REFCOCO: (record_folder.write_expressions, 'ground'),
  saved.VCR: (record_folder.write_choices, 'choose'),
  saved.PRETRAINING: (record_folder.write_captions, 'match'),
}


def _task(name, folder, changes=None, records=None, **model):
  """A task on its records, whose texts fit in nine elements or do not."""
  records = records or CASES[name][0](folder)
  (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  (folder / 'answers.txt').write_text('yes\nno\nmaybe\n')
  data = {'path': str(records), 'split': 'train'}
  values = {
    'vocab_file': str(folder / 'vocab.txt'),
    'model': {
      'size': 'tiny', 'max_text_length': 12, 'max_rois': 2, 'xla': 'none',
      'image_short_side': 24, 'image_long_side': 32, **model,
    },
    'train_data': data,
    'validation_data': data,
    **(changes or {}),
  }  # fmt: skip
  if name == saved.VQA:
    values['answers_file'] = str(folder / 'answers.txt')
  config_class, task_class = saved.TASKS[name]
  config = config_class()
  config.override(values)
  return task_class(config)


@pytest.mark.parametrize(
  ('name', 'outlines'), [*[(name, False) for name in CASES], (saved.VCR, True)]
)
def test_requests_of_records_are_answered_as_training_predicts(
  name, outlines, tmp_path
):
  task = _task(name, tmp_path, changes={'outlines': True} if outlines else None)
  trained = served.trained(
    name,
    served.noisy(task.build_model()),
    ['answer', 'roi_score', 'candidate', 'relationship'],
    vocabulary=tuple(WORDS),
    shape=task.batch_shape(task.task_config.validation_data),
    outlines=outlines,
    records=task,
  )
  module = ServedModel(trained)
  function = CASES[name][1]
  signature = f'{function}_on_outlines' if outlines else function

  (call,) = parity.calls(trained, {function: signature})

  outputs = module.answer_eagerly(
    call.signature, {k: tf.constant(v) for k, v in call.inputs.items()}
  )
  found = {k: v.numpy() for k, v in outputs.items()}
  # Four records come first; some of them have more RoIs than the model takes.
  assert len(call.inputs['image']) == 4
  assert call.inputs['boxes'].shape == (4, 2, 4)
  assert validation.difference(call.expected, found, 1e-5) == ''
  numbers = next(v for v in call.expected.values() if v.dtype.kind == 'f')
  assert np.ptp(numbers) > 1e-3
  if outlines:
    # Boxes alone are other pictures.
    whole = module.answer_eagerly(
      function,
      {k: tf.constant(v) for k, v in call.inputs.items() if k != 'outlines'},
    )
    apart = np.abs(whole['probabilities'] - found['probabilities']).max()
    assert apart > 1e-4


@pytest.mark.parametrize('preset', ['paper', 'official'])
def test_features_of_records_are_answered_as_training_predicts(
  preset, tmp_path
):
  contents = Contents(image=False, appearance_size=6)
  task = _task(
    saved.VQA,
    tmp_path,
    records=record_folder.write_questions(tmp_path, contents=contents),
    preset=preset,
    visual_features='precomputed',
    appearance_size=6,
  )
  trained = served.trained(
    saved.VQA,
    served.noisy(task.build_model()),
    ['answer'],
    vocabulary=tuple(WORDS),
    shape=task.batch_shape(task.task_config.validation_data),
    records=task,
  )
  module = ServedModel(trained)

  (call,) = parity.calls(trained, {'answer': 'answer'})

  def answered(**changes):
    inputs = {k: tf.constant(v) for k, v in (call.inputs | changes).items()}
    outputs = module.answer_eagerly('answer', inputs)
    return {k: v.numpy() for k, v in outputs.items()}

  found = answered()
  first = call.inputs['appearance'][:, 0]
  assert first.shape == (4, 6)
  assert set(first.flat) <= {record_folder.appearance(k, 0) for k in range(5)}
  # The whole image's is that of the records, or the mean, which zeros ask for.
  whole = first - 10 if preset == 'paper' else np.zeros_like(first)
  assert (call.inputs['image_appearance'] == whole).all()
  assert validation.difference(call.expected, found, 1e-5) == ''
  # Other features are other answers.
  other = answered(
    appearance=call.inputs['appearance'] + np.arange(6, dtype=np.float32) ** 2
  )
  assert np.abs(other['scores'] - found['scores']).max() > 1e-4


def test_rationales_are_judged_given_the_right_answer(tmp_path):
  task = _task(saved.VCR, tmp_path, changes={'sub_task': 'rationale'})
  trained = served.trained(
    saved.VCR,
    task.build_model(),
    ['candidate'],
    vocabulary=tuple(WORDS),
    shape=task.batch_shape(task.task_config.validation_data),
    records=task,
  )

  (call,) = parity.calls(trained, {'choose': 'choose'})

  assert call.inputs['question'][0] == b'is a b ? it 0'
  # Record 0 has one object, whose tag is 0: the first box.
  assert call.inputs['question_tags'][0] == '-1 0 -1 -1 -1 -1'
  assert call.inputs['candidates'][0].tolist() == [
    b'a 0', b'a 1', b'a 2', b'a 3'
  ]  # fmt: skip
  assert call.inputs['candidate_tags'][0].tolist() == ['0 -1'] * 4


def test_without_records_there_is_nothing_to_compare(tmp_path):
  task = _task(saved.VQA, tmp_path)
  trained = served.trained(saved.VQA, task.build_model(), ['answer'])
  assert parity.calls(trained, {'answer': 'answer'}) == []

  task.task_config.validation_data.override({'path': f'{tmp_path}/gone'})
  trained = served.trained(saved.VQA, trained.model, ['answer'], records=task)

  assert parity.calls(trained, {'answer': 'answer'}) == []
