"""Training runs: learning, summaries, resuming, replicas, other checkpoints."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests.data import record_folder
from vlbert_tf.checkpoints import native
from vlbert_tf.tasks import inference, saved
from vlbert_tf.training import experiments, progress, runner

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'is', 'it', '?']
WORDS += ['a', 'b', *(str(k) for k in range(10))]


@pytest.fixture(scope='module')
def files(tmp_path_factory):
  """Records of both kinds, vocabulary and answers."""
  folder = tmp_path_factory.mktemp('files')
  record_folder.write_captions(folder / 'captions', images=6)
  record_folder.write_questions(folder / 'questions', images=6)
  (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  (folder / 'answers.txt').write_text('yes\nno\nmaybe\n')
  return folder


def _settings(files, experiment='vlbert/pretraining', **changes):
  kind = 'questions' if experiment == 'vlbert/vqa' else 'captions'
  data = {'path': str(files / kind / 'test'), 'global_batch_size': 4}
  task = {
    'vocab_file': str(files / 'vocab.txt'),
    'model': {
      'size': 'tiny',
      'max_text_length': 8,
      'max_rois': 3,
      'image_short_side': 24,
      'image_long_side': 32,
      'dropout_rate': 0.1,
      # Compiling takes longer than the few steps of a test.
      'xla': 'none',
    },
    'train_data': data,
    'validation_data': {**data, 'split': 'train'},
  }
  if experiment == 'vlbert/vqa':
    task['answers_file'] = str(files / 'answers.txt')
  trainer = {
    'train_steps': 4,
    'learning_rate': 1e-3,
    'warmup_steps': 0,
    'steps_per_loop': 1,
    'summary_interval': 1,
    'checkpoint_interval': 2,
    'validation_interval': 4,
  }
  task.update(changes.pop('task', {}))
  trainer.update(changes)
  override = {'task': task, 'trainer': trainer}
  return experiments.load_experiment(experiment, [], str(override))


def _weights(model_dir: pathlib.Path) -> dict[str, np.ndarray]:
  """Model variables of the newest checkpoint, by name."""
  path = native.find_checkpoint(str(model_dir))
  return {
    name: tf.train.load_variable(path, name)
    for name, _ in tf.train.list_variables(path)
    if name.startswith('model/') and '.OPTIMIZER_SLOT' not in name
  }


def _one_device():
  return tf.distribute.OneDeviceStrategy('CPU:0')


def test_a_run_stopped_at_any_step_ends_with_the_weights_of_a_whole_run(
  files, tmp_path, monkeypatch
):
  model = {**_settings(files).task.model.as_dict(), 'xla': 'attention'}
  params = _settings(files, task={'model': model})
  runner.train(params, 'train', str(tmp_path / 'whole'), _one_device())
  report = progress.ProgressLog.__call__

  def stop(self, output):
    report(self, output)
    if int(self._global_step.numpy()) == 3:
      raise InterruptedError

  with monkeypatch.context() as patch:
    patch.setattr(progress.ProgressLog, '__call__', stop)
    with pytest.raises(InterruptedError):
      runner.train(params, 'train', str(tmp_path / 'parts'), _one_device())
  stopped = native.find_checkpoint(str(tmp_path / 'parts'))
  assert 0 < native.global_step(stopped) < 4

  runner.train(params, 'train', str(tmp_path / 'parts'), _one_device())

  whole, parts = _weights(tmp_path / 'whole'), _weights(tmp_path / 'parts')
  assert whole.keys() == parts.keys()
  for name, value in whole.items():
    np.testing.assert_array_equal(parts[name], value, err_msg=name)


def test_two_replicas_take_the_same_steps_as_one(files, tmp_path):
  # Without dropout, whose masks belong to a replica. With 4 captions a batch,
  # of which half are swapped, label counts differ between the replicas.
  model = {**_settings(files).task.model.as_dict(), 'dropout_rate': 0.0}
  params = _settings(files, task={'model': model}, learning_rate=0.1)
  # With so large an epsilon Adam's steps are proportional to the gradient, as
  # those of SGD. Otherwise a gradient that is mere rounding would make a whole
  # step, in a direction of chance.
  adam = {'optimizer': {'adamw': {'epsilon': 1.0}}}
  params = params.replace(trainer={'optimizer_config': adam})
  two = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])

  runner.train(params, 'train', str(tmp_path / 'one'), _one_device())
  runner.train(params, 'train', str(tmp_path / 'two'), two)

  one, two = _weights(tmp_path / 'one'), _weights(tmp_path / 'two')
  for name, value in one.items():
    # float32 rounding over four steps that move weights by up to 0.1; to
    # normalise by replica would change them by several per cent.
    np.testing.assert_allclose(two[name], value, atol=1e-4, err_msg=name)


def test_losses_scores_rate_and_speed_are_written_for_tensorboard(
  files, tmp_path
):
  runner.train(_settings(files), 'train', str(tmp_path), _one_device())

  tags = set()
  for path in (tmp_path / 'train').glob('events*'):
    for event in tf.compat.v1.train.summary_iterator(str(path)):
      tags |= {value.tag for value in event.summary.value}
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
  }


def test_fine_tuning_starts_from_a_pretrained_encoder_and_learns(
  files, tmp_path
):
  runner.train(_settings(files), 'train', str(tmp_path / 'pre'), _one_device())
  params = _settings(
    files,
    'vlbert/vqa',
    task={'init_checkpoint': str(tmp_path / 'pre')},
    learning_rate=0.0,
    train_steps=1,
  )

  runner.train(params, 'train', str(tmp_path / 'same'), _one_device())

  before, after = _weights(tmp_path / 'pre'), _weights(tmp_path / 'same')
  backbone = [name for name in after if name.startswith('model/backbone')]
  assert len(backbone) > 50
  for name in backbone:
    np.testing.assert_array_equal(after[name], before[name], err_msg=name)


def test_questions_with_a_visible_rule_are_learned(files, tmp_path):
  # Question n of an image has the answer yes or no by its parity, which
  # nothing shows: the best there is are the shares of yes and no. The first
  # question of each image alone is always yes.
  params = _settings(
    files, 'vlbert/vqa', train_steps=25, steps_per_loop=25, summary_interval=25,
    checkpoint_interval=25, validation_interval=25,
  )  # fmt: skip
  metrics = runner.train(params, 'train_and_eval', str(tmp_path), _one_device())

  # 12 questions: 8 of them yes, 4 no; ln 3 is the loss of ignorance.
  assert metrics['answer_loss'] < 0.8
  assert metrics['unknown_answers'] == 0.0
  assert metrics['vqa_accuracy'] == pytest.approx(8 / 12, abs=0.01)


def test_a_trained_model_is_found_again_from_its_folder(files, tmp_path):
  params = _settings(files, 'vlbert/vqa')
  metrics = runner.train(params, 'train_and_eval', str(tmp_path), _one_device())

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
  judged = list(inference.judge_answers(task, model, data))
  assert {one.question_id: one.answer for one in judged} == answers
  assert np.mean([one.accuracy for one in judged]) == pytest.approx(
    again['vqa_accuracy'], abs=1e-5
  )
  assert all(1 / 3 <= one.confidence <= 1 for one in judged)
  shown = inference.illustrate_places(task, model, data, {1, 11})
  assert {k: v.answer for k, v in shown.items()} == {
    one.place: one.answer for one in judged if one.place in (1, 11)
  }


def test_a_checkpoint_of_another_shape_is_refused(files, tmp_path):
  runner.train(_settings(files), 'train', str(tmp_path / 'pre'), _one_device())
  more_words = tmp_path / 'vocab.txt'
  more_words.write_text('\n'.join([*WORDS, 'more']) + '\n')
  params = _settings(
    files,
    'vlbert/vqa',
    task={
      'init_checkpoint': str(tmp_path / 'pre'),
      'vocab_file': str(more_words),
    },
  )

  with pytest.raises(ValueError, match='in the same shapes. Received: .*pre'):
    runner.train(params, 'train', str(tmp_path / 'vqa'), _one_device())


def test_a_missing_checkpoint_is_refused(files, tmp_path):
  params = _settings(
    files, 'vlbert/vqa', task={'init_checkpoint': str(tmp_path / 'none')}
  )

  with pytest.raises(ValueError, match='where there is none'):
    runner.train(params, 'train', str(tmp_path / 'vqa'), _one_device())


def test_frozen_stages_without_weights_are_refused(files, tmp_path):
  params = _settings(files)
  params.task.model.frozen_stages = 2

  with pytest.raises(ValueError, match='need weights from task.init_detector'):
    runner.train(params, 'train', str(tmp_path), _one_device())


def test_records_of_another_kind_are_refused(files, tmp_path):
  params = _settings(
    files,
    'vlbert/vqa',
    task={'train_data': {'path': str(files / 'captions' / 'test')}},
  )

  with pytest.raises(ValueError, match='reads records of questions'):
    runner.train(params, 'train', str(tmp_path), _one_device())


def test_a_folder_without_settings_is_no_model_folder(tmp_path):
  with pytest.raises(ValueError, match='A model folder holds params.yaml'):
    saved.load_task(str(tmp_path))
