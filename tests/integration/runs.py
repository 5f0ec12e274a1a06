"""From files to a model in a few steps, as users run the programs."""

import pathlib
import subprocess
import sys

import tensorflow as tf

from beam_jobs import job
from vlbert_tf.tasks import saved
from vlbert_tf.training import experiments, runner

STEPS = 2


def build(output_dir, dataset, *splits):
  return job.run(
    job.Request(
      dataset=dataset, name=dataset, output_dir=str(output_dir), splits=splits
    )
  )


def train(folder: pathlib.Path, dataset, experiment, split, name='', **task):
  data = {
    'path': str(folder / dataset), 'split': split, 'global_batch_size': 2
  }  # fmt: skip
  override = {
    'task': {
      'train_data': data,
      'validation_data': {**data, 'global_batch_size': 16},
      **task,
    },
    'trainer': {
      'train_steps': STEPS,
      'warmup_steps': 0,
      'steps_per_loop': 1,
      'checkpoint_interval': STEPS,
      'summary_interval': STEPS,
      'rate_drops': [],
    },
  }
  model_dir = folder / f'model_{name or task.get("sub_task", "")}'
  params = experiments.load_experiment(experiment, [], str(override))
  one_device = tf.distribute.OneDeviceStrategy('CPU:0')
  runner.train(params, 'train', str(model_dir), one_device)
  return str(model_dir)


def reads_text(fixtures, max_rois=36, **task):
  """Settings of a small VL-BERT; no sample of COCO has more boxes."""
  model = {
    'size': 'tiny',
    'max_text_length': 64,
    'max_rois': max_rois,
    'image_short_side': 60,
    'image_long_side': 80,
    'xla': 'none',
  }
  vocabulary = str(fixtures / 'bert' / 'vocab.txt')
  return {'vocab_file': vocabulary, 'model': model, **task}


def program(module: str, *arguments: str, **values) -> str:
  arguments += tuple(f'--{name}={value}' for name, value in values.items())
  done = subprocess.run(
    [sys.executable, '-m', module, *arguments],
    check=True,
    capture_output=True,
    text=True,
  )
  return done.stdout


def opened(model_dir: str, split: str, records: str = ''):
  """Task, model and data, as the programs open them."""
  task = saved.load_task_on(model_dir, split, records)
  model = saved.restore_trained(task, model_dir)
  return task, model, task.task_config.validation_data
