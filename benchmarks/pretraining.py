"""Pre-training of any depth, and steps on batches that need no records."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg

from benchmarks import records
from vlbert_tf import elements
from vlbert_tf.data.batching import Tensors
from vlbert_tf.modeling import config as configs
from vlbert_tf.tasks import base
from vlbert_tf.tasks.pretraining import PretrainingConfig, PretrainingTask
from vlbert_tf.training import experiments

_MOST_MASKED = 0.3  # of a text, what batches have room for


class Task(PretrainingTask):
  """Pre-training with as many layers as are asked for.

  Categories are counted, not named, so that no records are needed.
  """

  def __init__(self, config: PretrainingConfig, layers: int):
    super().__init__(config)
    self._layers = layers

  def architecture(self):
    resolved = configs.resolve(
      self.task_config.model, self.tokenizer.vocab_size, records.CATEGORIES
    )
    return dataclasses.replace(resolved, num_layers=self._layers)


def task(layers: int, size: str = 'base') -> Task:
  """The task on precomputed features, without dropout or records."""
  with tempfile.TemporaryDirectory() as folder:
    vocab = str(pathlib.Path(folder) / 'vocab.txt')
    records.write_vocabulary(vocab)
    config = PretrainingConfig(vocab_file=vocab)
    config.override(
      {
        'model': {
          'size': size,
          'visual_features': 'precomputed',
          'dropout_rate': 0.0,
        }
      }
    )
    return Task(config, layers)


def synthetic_step(layers: int) -> Callable[[Tensors], float]:
  """A function that trains on a batch and waits until it is done."""
  trained = task(layers)
  model, optimizer = trained.build_model(), make_optimizer(trained)
  step = tf.function(
    lambda content: trained.train_step(content, model, optimizer)['loss']
  )
  return lambda content: float(step(content))


def make_optimizer(trained: Task):
  """The optimizer of the paper's pre-training."""
  params = experiments.load_experiment('vlbert/pretraining', [])
  return trained.create_optimizer(
    params.trainer.optimizer_config, cfg.RuntimeConfig()
  )


def batch(pairs: int, words: int, rois: int) -> Tensors:
  """Random content in full shapes, on precomputed features."""
  rng = np.random.default_rng(1)
  height, width = 600, 1000
  corner = rng.uniform(0, 0.4, [pairs, rois, 2]) * [width, height]
  extent = rng.uniform(0.1, 0.5, [pairs, rois, 2]) * [width, height]
  masked = int(_MOST_MASKED * words)
  content = {
    elements.EXAMPLE_WEIGHT: np.ones([pairs]),
    elements.WORD_IDS: rng.integers(5, records.VOCAB_SIZE, [pairs, words]),
    elements.WORD_MASK: np.ones([pairs, words], bool),
    elements.SEGMENT_IDS: np.zeros([pairs, words], np.int64),
    base.TEXT_CUT: np.zeros([pairs], bool),
    elements.IMAGE_SIZE: np.tile(np.float64([[height, width]]), [pairs, 1]),
    elements.BOXES: np.concatenate([corner, corner + extent], -1),
    elements.ROI_MASK: np.ones([pairs, rois], bool),
    elements.ROI_MASKED: rng.uniform(size=[pairs, rois]) < 0.15,
    elements.ROI_CATEGORIES: rng.integers(1, records.CATEGORIES, [pairs, rois]),
    elements.APPEARANCE: rng.normal(size=[pairs, rois, records.APPEARANCE]),
    elements.IMAGE_APPEARANCE: rng.normal(size=[pairs, records.APPEARANCE]),
    elements.RELATED: np.ones([pairs]),
    elements.MASKED_POSITIONS: rng.integers(1, words - 1, [pairs, masked]),
    elements.MASKED_WORD_IDS: rng.integers(
      5, records.VOCAB_SIZE, [pairs, masked]
    ),
    elements.MASKED_WORD_WEIGHTS: np.ones([pairs, masked]),
  }
  content[elements.ROI_NAMED] = content[elements.ROI_MASKED]
  kinds = {'f': tf.float32, 'i': tf.int32, 'b': tf.bool}
  return {k: tf.constant(v, kinds[v.dtype.kind]) for k, v in content.items()}
