"""Micro-batches of batches that the input pipeline made, task by task."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.data import record_folder
from tests.tasks import small_model
from vlbert_tf.data.record_contents import Contents
from vlbert_tf.tasks import passes, pretraining, refcoco, vcr, vqa

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
WORDS += ['is', 'it', '?', 'a', 'b', 'left', 'right']
WORDS += [str(k) for k in range(10)]

SIZE = 14  # A
FEATURES = Contents(image=False, appearance_size=SIZE)

# Configuration, task, records, and settings of its own. RefCOCO+ sees pixels.
TASKS = {
  'pretraining': (
    pretraining.PretrainingConfig,
    pretraining.PretrainingTask,
    lambda folder: record_folder.write_captions(folder, contents=FEATURES),
    {},
  ),
  'vqa': (
    vqa.VqaConfig,
    vqa.VqaTask,
    lambda folder: record_folder.write_questions(folder, contents=FEATURES),
    {'train_data': {'texts_per_image': 2}},
  ),
  'vcr': (
    vcr.VcrConfig,
    vcr.VcrTask,
    lambda folder: record_folder.write_choices(folder, contents=FEATURES),
    {'masked_word_weight': 1.0},
  ),
  'refcoco': (
    refcoco.RefcocoConfig,
    refcoco.RefcocoTask,
    record_folder.write_expressions,
    {
      'train_data': {'texts_per_image': 2},
      'model': {'visual_features': 'pixels'},
    },
  ),
}


@pytest.fixture(params=TASKS)
def make_task(request, tmp_path):
  """A function from settings to one of the four tasks, without dropout."""
  config_class, task_class, write, changes = TASKS[request.param]
  records = write(tmp_path)
  (tmp_path / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  (tmp_path / 'answers.txt').write_text('yes\nno\n')

  def make(**settings):
    config = config_class()
    if hasattr(config, 'answers_file'):
      config.answers_file = str(tmp_path / 'answers.txt')
    config.override(
      {
        'vocab_file': str(tmp_path / 'vocab.txt'),
        'model': {
          **small_model.SETTINGS,
          'visual_features': 'precomputed',
          'appearance_size': SIZE,
        },
        'train_data': {
          'path': str(records),
          'global_batch_size': 8,
          'text_buckets': [8, 16],
          'roi_buckets': [2, 3],
        },
      }
    )
    config.override(changes)
    config.override(settings)
    return task_class(config)

  return make


def _weights_after_two_steps(task):
  tf_keras.utils.set_random_seed(1)
  model = task.build_model()
  optimizer = passes.skipping(tf_keras.optimizers.legacy.SGD(0.02))
  batches = iter(task.build_inputs(task.task_config.train_data))
  step = tf.function(
    lambda: task.train_step(next(batches), model, optimizer), autograph=False
  )
  step()
  step()
  return [variable.numpy() for variable in model.variables]


def test_two_halves_take_the_steps_of_the_whole_batch(make_task):
  whole = _weights_after_two_steps(make_task())

  halves = _weights_after_two_steps(make_task(micro_batches=2))

  for ours, theirs in zip(halves, whole, strict=True):
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_batches_say_how_many_rows_they_have(make_task):
  task = make_task()

  for data in ({}, {'is_training': False}):
    config = task.task_config.train_data.replace(**data)
    dataset = task.build_inputs(config)
    batch = next(iter(dataset))

    for name, spec in dataset.element_spec.items():
      assert spec.shape[0] == len(batch[name]), name
