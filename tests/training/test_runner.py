"""Training runs: learning, summaries, resuming, replicas, other checkpoints."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.training.small_run import (
  one_device,
  settings,
  two_devices,
  weights,
  write_files,
)
from vlbert_tf.checkpoints import native
from vlbert_tf.tasks import inference, judging, pictures, saved
from vlbert_tf.training import progress, runner


def _tags(folder):
  """Names of what was written for TensorBoard."""
  return {
    value.tag
    for path in folder.glob('events*')
    for event in tf.compat.v1.train.summary_iterator(str(path))
    for value in event.summary.value
  }


@pytest.fixture(scope='module')
def files(tmp_path_factory):
  """Records of both kinds, vocabulary and answers."""
  return write_files(tmp_path_factory.mktemp('files'))


@pytest.fixture(scope='module')
def pretrained(files, tmp_path_factory):
  """Model folder of a run of pre-training."""
  folder = tmp_path_factory.mktemp('pretrained')
  params = settings(files, summary_interval=2)
  runner.train(params, 'train', str(folder), one_device(), profile_steps=(1, 2))
  return folder


def test_a_run_stopped_at_any_step_ends_with_the_weights_of_a_whole_run(
  files, tmp_path, monkeypatch
):
  model = {**settings(files).task.model.as_dict(), 'xla': 'attention'}
  params = settings(files, task={'model': model})
  runner.train(params, 'train', str(tmp_path / 'whole'), one_device())
  report = progress.ProgressLog.__call__

  def stop(self, output):
    report(self, output)
    if int(self._global_step.numpy()) == 3:
      raise InterruptedError

  with monkeypatch.context() as patch:
    patch.setattr(progress.ProgressLog, '__call__', stop)
    with pytest.raises(InterruptedError):
      runner.train(params, 'train', str(tmp_path / 'parts'), one_device())
  stopped = native.find_checkpoint(str(tmp_path / 'parts'))
  assert 0 < native.global_step(stopped) < 4

  runner.train(params, 'train', str(tmp_path / 'parts'), one_device())

  whole, parts = (
    weights(tmp_path / 'whole'),
    weights(tmp_path / 'parts'),
  )
  assert whole.keys() == parts.keys()
  for name, value in whole.items():
    np.testing.assert_array_equal(parts[name], value, err_msg=name)


# Single steps of replicas are compared in tests/tasks/test_steps.py.
@pytest.mark.slow
def test_two_replicas_take_the_same_steps_as_one(files, tmp_path):
  # Without dropout, whose masks belong to a replica. With 4 captions a batch,
  # of which half are swapped, label counts differ between the replicas.
  model = {
    **settings(files).task.model.as_dict(),
    'dropout_rate': 0.0,
  }
  params = settings(files, task={'model': model}, learning_rate=0.1)
  # With so large an epsilon Adam's steps are proportional to the gradient, as
  # those of SGD. Otherwise a gradient that is mere rounding would make a whole
  # step, in a direction of chance.
  adam = {'optimizer': {'adamw': {'epsilon': 1.0}}}
  params = params.replace(trainer={'optimizer_config': adam})

  runner.train(params, 'train', str(tmp_path / 'one'), one_device())
  runner.train(params, 'train', str(tmp_path / 'two'), two_devices())

  one, two = (
    weights(tmp_path / 'one'),
    weights(tmp_path / 'two'),
  )
  for name, value in one.items():
    # float32 rounding over four steps that move weights by up to 0.1; to
    # normalise by replica would change them by several per cent.
    np.testing.assert_allclose(two[name], value, atol=1e-4, err_msg=name)


def test_what_a_run_does_is_written_for_tensorboard_and_for_machines(
  pretrained,
):
  tags = _tags(pretrained / 'train')
  assert tags >= {
    'relationship_loss',
    'masked_word_loss',
    'masked_roi_loss',
    'training_loss',
    'relationship_accuracy',
    'masked_word_accuracy',
    'masked_roi_accuracy',
    'learning_rate',
    'examples_per_second',
    'step_seconds',
    'input_wait_share',
    'gradient_norm',
    'loss_scale',
    'skipped_steps',
  }
  lines = (pretrained / 'train' / 'metrics.jsonl').read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  assert [row['step'] for row in rows] == [2, 4]
  for row in rows:
    assert row['loss_scale'] == 1.0
    assert row['skipped_steps'] == 0.0
    assert row['gradient_norm'] > 0.0
    assert 0.0 < row['input_wait_share'] <= 1.0
    assert row['input_wait_seconds'] < row['time']
  assert list((pretrained / 'train').glob('plugins/profile/*/*.xplane.pb'))


def test_fine_tuning_starts_from_a_pretrained_encoder_and_learns(
  files, pretrained, tmp_path
):
  params = settings(
    files,
    'vlbert/vqa',
    task={'init_checkpoint': str(pretrained)},
    learning_rate=0.0,
    train_steps=1,
  )

  runner.train(params, 'train', str(tmp_path / 'same'), one_device())

  before, after = (
    weights(pretrained),
    weights(tmp_path / 'same'),
  )
  backbone = [name for name in after if name.startswith('model/backbone')]
  assert len(backbone) > 50
  for name in backbone:
    np.testing.assert_array_equal(after[name], before[name], err_msg=name)


def test_questions_with_a_visible_rule_are_learned(files, tmp_path):
  # Question n of an image has the answer yes or no by its parity, which
  # nothing shows: the best there is are the shares of yes and no. The first
  # question of each image alone is always yes.
  params = settings(
    files, 'vlbert/vqa', train_steps=25, steps_per_loop=25, summary_interval=25,
    checkpoint_interval=25, validation_interval=25,
    best_checkpoint_eval_metric='vqa_accuracy',
  )  # fmt: skip
  metrics = runner.train(params, 'train_and_eval', str(tmp_path), one_device())

  # 12 questions: 8 of them yes, 4 no; ln 3 is the loss of ignorance.
  assert metrics['answer_loss'] < 0.8
  assert metrics['unknown_answers'] == 0.0
  assert metrics['vqa_accuracy'] == pytest.approx(8 / 12, abs=0.01)
  best = json.loads((tmp_path / 'best' / 'result.json').read_text())
  assert (best['step'], best['vqa_accuracy']) == (25, metrics['vqa_accuracy'])
  assert 'examples' in _tags(tmp_path / 'validation')


def test_a_trained_model_is_found_again_from_its_folder(files, tmp_path):
  params = settings(files, 'vlbert/vqa')
  metrics = runner.train(params, 'train_and_eval', str(tmp_path), one_device())

  task = saved.load_task(str(tmp_path))
  model = saved.restore_trained(task, str(tmp_path))
  data = task.task_config.validation_data
  again = inference.evaluate(task, model, data)
  answers = dict(inference.predict_answers(task, model, data))

  assert again['answer_loss'] == pytest.approx(
    float(metrics['answer_loss']), abs=1e-5
  )
  assert again['examples'] == 12
  assert sorted(answers) == [0, 10, 11, 20, 21, 22, 30, 40, 41, 50, 51, 52]
  assert set(answers.values()) <= {'yes', 'no', 'maybe'}
  # One by one the answers are the same, and as good as the metric says.
  (section,) = judging.judge(task, model, data)
  judged = section.judged
  assert {one.item: one.answer for one in judged} == {
    f'question {number}': answer for number, answer in answers.items()
  }
  assert np.mean([one.accuracy for one in judged]) == pytest.approx(
    again['vqa_accuracy'], abs=1e-5
  )
  assert all(1 / 3 <= one.confidence <= 1 for one in judged)
  shown = pictures.illustrate_places(task, model, data, {1, 11})
  assert {k: v.answer for k, v in shown.items()} == {
    one.place: one.answer for one in judged if one.place in (1, 11)
  }


def test_a_checkpoint_of_another_shape_is_refused(files, pretrained, tmp_path):
  params = settings(
    files,
    'vlbert/vqa',
    task={
      'init_checkpoint': str(pretrained),
      'model': {
        **settings(files).task.model.as_dict(),
        'preset': 'official',
      },
    },
  )

  with pytest.raises(ValueError, match='same shapes. Received: .*pretrained'):
    runner.train(params, 'train', str(tmp_path / 'vqa'), one_device())


def test_a_missing_checkpoint_is_refused(files, tmp_path):
  params = settings(
    files, 'vlbert/vqa', task={'init_checkpoint': str(tmp_path / 'none')}
  )

  with pytest.raises(ValueError, match='where there is none'):
    runner.train(params, 'train', str(tmp_path / 'vqa'), one_device())


def test_frozen_stages_without_weights_are_refused(files, tmp_path):
  params = settings(files)
  params.task.model.frozen_stages = 2

  with pytest.raises(ValueError, match='need weights from task.init_detector'):
    runner.train(params, 'train', str(tmp_path), one_device())


def test_records_of_another_kind_are_refused(files, tmp_path):
  params = settings(
    files,
    'vlbert/vqa',
    task={'train_data': {'path': str(files / 'captions' / 'test')}},
  )

  with pytest.raises(ValueError, match='reads records of questions'):
    runner.train(params, 'train', str(tmp_path), one_device())


def test_a_folder_without_settings_is_no_model_folder(tmp_path):
  with pytest.raises(ValueError, match='A model folder holds params.yaml'):
    saved.load_task(str(tmp_path))
