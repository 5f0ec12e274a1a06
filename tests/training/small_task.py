"""A small pre-training task, hand-made batches, and a few updates on them."""

import pathlib
import sys

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg
from official.modeling import optimization

from tests.data import record_folder
from vlbert_tf import elements
from vlbert_tf.tasks import base
from vlbert_tf.tasks.pretraining import PretrainingConfig, PretrainingTask

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'is', 'it', '?']
WORDS += ['a', 'b', *(str(k) for k in range(10))]

# Masked words of pairs of rows, which sixteen replicas would get one each. The
# second half, which the second of two replicas gets, has none. A mean by
# replica would differ from the mean of all by as much as these numbers do.
COUNTS = (2, 12, 10, 5, 6, 0, 9, 16, 0, 0, 0, 0, 0, 0, 0, 0)
_MOST = 8  # masked words of a row


def task(folder: pathlib.Path, micro_batches=1, **model) -> PretrainingTask:
  """The tiny model on 24x32 pixels, without dropout."""
  records = folder / 'captions'
  if not records.exists():
    record_folder.write_captions(records, images=2)
    (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  config = PretrainingConfig(name='vlbert/pretraining')
  config.override(
    {
      'vocab_file': str(folder / 'vocab.txt'),
      'micro_batches': micro_batches,
      'model': {
        'size': 'tiny',
        'max_text_length': 12,
        'max_rois': 3,
        'image_short_side': 24,
        'image_long_side': 32,
        'dropout_rate': 0.0,
        'xla': 'none',
        **model,
      },
      'train_data': {'path': str(records / 'test'), 'seed': 3},
      'visible_roi_weight': 1.0,
    }
  )
  return PretrainingTask(config)


def batch(counts=COUNTS, rows_each=2) -> dict[str, np.ndarray]:
  """Rows of random content; each `rows_each` have so many masked words."""
  rng = np.random.default_rng(5)
  rows = rows_each * len(counts)
  weights = np.zeros([len(counts), rows_each * _MOST], np.float32)
  for place, count in enumerate(counts):
    weights[place, :count] = 1.0
  corner = rng.uniform(0, 8, [rows, 3, 2])
  boxes = np.concatenate(
    [corner, corner + rng.uniform(6, 12, [rows, 3, 2])], -1
  )
  batch = {
    elements.EXAMPLE_ID: np.array([f'row {k}' for k in range(rows)]),
    elements.EXAMPLE_WEIGHT: np.ones([rows], np.float32),
    elements.WORD_IDS: rng.integers(2, len(WORDS), [rows, 12], np.int32),
    elements.WORD_MASK: np.ones([rows, 12], bool),
    elements.SEGMENT_IDS: np.zeros([rows, 12], np.int32),
    base.TEXT_CUT: np.zeros([rows], bool),
    elements.IMAGE: rng.uniform(0, 255, [rows, 24, 32, 3]).astype(np.float32),
    elements.IMAGE_SIZE: np.tile(np.float32([[24, 32]]), [rows, 1]),
    elements.BOXES: boxes.astype(np.float32),
    elements.ROI_MASK: np.ones([rows, 3], bool),
    elements.ROI_MASKED: rng.uniform(size=[rows, 3]) < 0.2,
    elements.ROI_CATEGORIES: rng.integers(1, 4, [rows, 3], np.int32),
    elements.RELATED: (np.arange(rows) % 5 > 0).astype(np.float32),
    elements.MASKED_POSITIONS: np.tile(
      np.arange(1, _MOST + 1, dtype=np.int32), [rows, 1]
    ),
    elements.MASKED_WORD_IDS: rng.integers(
      5, len(WORDS), [rows, _MOST], np.int32
    ),
    elements.MASKED_WORD_WEIGHTS: weights.reshape(rows, _MOST),
  }
  return {**batch, elements.ROI_NAMED: batch[elements.ROI_MASKED]}


def train(
  trained: PretrainingTask,
  strategy: tf.distribute.Strategy,
  content: dict[str, np.ndarray],
  steps: int = 5,
  dtype: str = 'float32',
  learning_rate: float = 0.02,
) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
  """Updates a new model on one global batch, by SGD with momentum.

  Returns:
    Weights by name, and the metrics after each step.
  """
  settings = optimization.OptimizationConfig(
    {
      'optimizer': {'type': 'sgd', 'sgd': {'momentum': 0.9}},
      'learning_rate': {
        'type': 'constant', 'constant': {'learning_rate': learning_rate},
      },
    }
  )  # fmt: skip
  with strategy.scope():
    model = trained.build_model()
    optimizer = trained.create_optimizer(
      settings, cfg.RuntimeConfig(mixed_precision_dtype=dtype)
    )
    metrics = trained.build_metrics(training=True)

  def rows_of_a_host(context):
    size = context.get_per_replica_batch_size(
      len(content[elements.EXAMPLE_WEIGHT])
    )
    rows = tf.data.Dataset.from_tensor_slices(content)
    rows = rows.batch(size, drop_remainder=True)
    return rows.shard(
      context.num_input_pipelines, context.input_pipeline_id
    ).repeat()

  batches = iter(strategy.distribute_datasets_from_function(rows_of_a_host))

  @tf.function
  def step(inputs):
    strategy.run(
      lambda part: trained.train_step(part, model, optimizer, metrics),
      (inputs,),
    )

  reported = []
  for _ in range(steps):
    step(next(batches))
    reported.append({m.name: float(m.result()) for m in metrics})
    for metric in metrics:
      metric.reset_states()
  # Keras numbers the models of a process.
  weights = {v.name.partition('/')[2]: v.numpy() for v in model.variables}
  return weights, reported


def main(replicas: str, folder: str, output: str) -> None:
  """Five steps on so many logical devices, in a process of their own."""
  names = [f'CPU:{number}' for number in range(int(replicas))]
  tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices('CPU')[0],
    [tf.config.LogicalDeviceConfiguration()] * len(names),
  )
  strategy = tf.distribute.MirroredStrategy(names)
  weights, _ = train(task(pathlib.Path(folder)), strategy, batch())
  np.savez(output, **weights)


if __name__ == '__main__':
  main(*sys.argv[1:])
