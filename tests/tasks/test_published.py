"""Published model folders: complete without the files of their training."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.data import record_folder
from vlbert_tf.checkpoints import native
from vlbert_tf.tasks import saved
from vlbert_tf.tasks.published import publish
from vlbert_tf.training import experiments, runner

WORDS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'is', 'it', '?')


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A VQA run of one step; its inputs lie in `inputs`, its model in `run`."""
  folder = tmp_path_factory.mktemp('vqa')
  inputs = folder / 'inputs'
  record_folder.write_questions(inputs)
  (inputs / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  (inputs / 'answers.txt').write_text('yes\nno\nmaybe\n')
  data = {'path': str(inputs / 'test'), 'global_batch_size': 2}
  settings = {
    'task': {
      'vocab_file': str(inputs / 'vocab.txt'),
      'answers_file': str(inputs / 'answers.txt'),
      'model': {
        'size': 'tiny',
        'max_text_length': 8,
        'max_rois': 3,
        'image_short_side': 24,
        'image_long_side': 32,
        'xla': 'none',
      },
      'train_data': data,
    },
    'trainer': {
      'train_steps': 1,
      'warmup_steps': 0,
      'steps_per_loop': 1,
      'summary_interval': 1,
      'checkpoint_interval': 1,
    },
  }
  params = experiments.load_experiment('vlbert/vqa', [], str(settings))
  device = tf.distribute.OneDeviceStrategy('CPU:0')
  runner.train(params, 'train', str(folder / 'run'), device)
  return folder


def test_a_published_model_needs_no_file_of_its_training(run):
  task = saved.load_task(str(run / 'run'))
  trained = saved.restore_trained(task, str(run / 'run'))

  publish(str(run / 'run'), str(run / 'published'))
  shutil.move(run / 'inputs', run / 'gone')
  # Passed on: another machine has it at another place.
  shutil.move(run / 'published', run / 'elsewhere')

  again = saved.load_task(str(run / 'elsewhere'))
  model = saved.restore_trained(again, str(run / 'elsewhere'))
  shutil.move(run / 'gone', run / 'inputs')
  for old, new in zip(trained.weights, model.weights, strict=True):
    np.testing.assert_array_equal(old, new)
  assert again.answers == ['yes', 'no', 'maybe']
  assert again.categories() == record_folder.CATEGORIES
  assert (run / 'elsewhere' / 'vocab.txt').read_text().split() == list(WORDS)
  assert str(run) not in (run / 'elsewhere' / 'params.yaml').read_text()


def test_records_are_by_default_those_of_the_training(run):
  learned_from = str(run / 'inputs' / 'test')

  default = saved.load_task_on(str(run / 'run'), 'val')
  given = saved.load_task_on(str(run / 'run'), 'val', 'records/others')

  assert default.task_config.validation_data.path == learned_from
  assert default.task_config.validation_data.split == 'val'
  assert given.task_config.validation_data.path == 'records/others'


def test_it_holds_nothing_but_weights_and_starts_other_runs(run):
  publish(str(run / 'run'), str(run / 'weights'))

  path = native.find_checkpoint(str(run / 'weights'))
  names = [name for name, _ in tf.train.list_variables(path)]
  assert not [name for name in names if 'optimizer' in name.lower()]
  model = saved.restore_trained(
    saved.load_task(str(run / 'run')), str(run / 'run')
  )
  features = model.backbone.roi_features
  kernel = features.stem.kernel
  expected = kernel.numpy()
  kernel.assign(tf.zeros_like(kernel))
  native.restore_visual_network(features, str(run / 'weights'))
  np.testing.assert_array_equal(kernel, expected)


def test_nothing_is_overwritten(run):
  with pytest.raises(ValueError, match=r'new folder.*Name another one'):
    publish(str(run / 'run'), str(run / 'inputs'))
