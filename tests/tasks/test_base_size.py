"""The paper's size: it builds, and takes a step."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data import record_folder
from vlbert_tf.tasks import pretraining
from vlbert_tf.training import experiments, runner

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b', '0', '1']


@pytest.mark.slow
def test_the_base_model_takes_a_training_step(tmp_path):
  records = record_folder.write_captions(tmp_path, images=2)
  (tmp_path / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  data = {'path': str(records), 'global_batch_size': 2}
  model = {
    'size': 'base',
    'max_text_length': 8,
    'max_rois': 3,
    'image_short_side': 64,
    'image_long_side': 96,
  }
  params = experiments.load_experiment(
    'vlbert/pretraining',
    [],
    str(
      {
        'task': {
          'vocab_file': str(tmp_path / 'vocab.txt'),
          'model': model,
          'train_data': data,
        },
        'trainer': {
          'train_steps': 1,
          'warmup_steps': 0,
          'steps_per_loop': 1,
          'summary_interval': 1,
        },
      }
    ),
  )
  before = pretraining.PretrainingTask(params.task).build_model()

  runner.train(
    params,
    'train',
    str(tmp_path / 'run'),
    tf.distribute.OneDeviceStrategy('CPU:0'),
  )

  after = pretraining.PretrainingTask(params.task).build_model()
  tf.train.Checkpoint(model=after).read(
    tf.train.latest_checkpoint(str(tmp_path / 'run'))
  ).expect_partial()
  # BERT-base's encoder, 85 M, and ResNet-101 without its classifier, 42.5 M.
  encoder = sum(np.prod(v.shape) for v in after.backbone.encoder.weights)
  visual = sum(np.prod(v.shape) for v in after.backbone.roi_features.weights)
  assert round(encoder / 1e6) == 85
  assert round(visual / 1e6, 1) == 42.5
  moved = [
    np.any(a.numpy() != b.numpy())
    for a, b in zip(after.weights, before.weights, strict=True)
  ]
  assert np.mean(moved) > 0.5
