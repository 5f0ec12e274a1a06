"""Small training runs: their files, settings and final weights."""

import pathlib

import numpy as np
import tensorflow as tf

from tests.data import record_folder
from vlbert_tf.checkpoints import native
from vlbert_tf.training import experiments, strategies

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'is', 'it', '?']
WORDS += ['a', 'b', *(str(k) for k in range(10))]


def write_files(folder: pathlib.Path) -> pathlib.Path:
  """Writes records of both kinds, a vocabulary and answers."""
  record_folder.write_captions(folder / 'captions', images=6)
  record_folder.write_questions(folder / 'questions', images=6)
  (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  (folder / 'answers.txt').write_text('yes\nno\nmaybe\n')
  return folder


def override(files, experiment='vlbert/pretraining', **changes) -> dict:
  """Settings of a run of four steps; `changes` are of the trainer, or task."""
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
  return {'task': task, 'trainer': trainer}


def settings(files, experiment='vlbert/pretraining', **changes):
  """As `override`, filled in."""
  text = str(override(files, experiment, **changes))
  return experiments.load_experiment(experiment, [], text)


def weights(model_dir: pathlib.Path) -> dict[str, np.ndarray]:
  """Model variables of the newest checkpoint, by name."""
  path = native.find_checkpoint(str(model_dir))
  return {
    name: tf.train.load_variable(path, name)
    for name, _ in tf.train.list_variables(path)
    if name.startswith('model/') and '.OPTIMIZER_SLOT' not in name
  }


def two_devices():
  """A strategy of the two logical devices of tests."""
  strategy = strategies.make_strategy(timeout_seconds=60.0)
  assert strategy.num_replicas_in_sync == 2
  return strategy


def one_device():
  """A strategy of one device, whatever there is."""
  return tf.distribute.OneDeviceStrategy('CPU:0')
