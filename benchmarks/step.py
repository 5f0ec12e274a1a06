"""The whole pre-training step of size base, pairs a second.

  python -m benchmarks.step --features=precomputed --batch=8
  python -m benchmarks.step --features=pixels --batch=1 --rois=20
  python -m benchmarks.step --buckets --layers=4 --captions=captions.tsv

With --buckets: what buckets and groups of similar RoI counts save against
padding every batch to the longest, from the time of a step in each bucket and
the lengths of captions (a TSV file of Conceptual Captions), with RoIs drawn
evenly between the bounds of VL-BERT §4.1, 10 and 100.
"""

import argparse
import dataclasses
import os
import pathlib
import resource
import statistics
import tempfile
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg

from benchmarks import timing
from vlbert_tf import elements
from vlbert_tf.modeling import config as configs
from vlbert_tf.tasks import base
from vlbert_tf.tasks.pretraining import (
  PretrainingConfig,
  PretrainingModel,
  PretrainingTask,
)
from vlbert_tf.training import experiments

VOCAB_SIZE, CATEGORIES, MASKED = 30_522, 1_600, 19
TEXT_BUCKETS, ROI_BUCKETS = (16, 32, 64), (25, 50, 100)
_SPECIAL_WORDS = 2  # [CLS] and [SEP]


class SyntheticTask(PretrainingTask):
  """Pre-training on batches that need no records."""

  def __init__(self, config: PretrainingConfig, layers: int):
    super().__init__(config)
    self._layers = layers

  def architecture(self):
    resolved = configs.resolve(
      self.task_config.model, self.tokenizer.vocab_size, CATEGORIES
    )
    return dataclasses.replace(resolved, num_layers=self._layers)

  def build_model(self):
    model = PretrainingModel(self.architecture())
    pixels = self.task_config.model.visual_features == 'pixels'
    model(batch(1, 4, 1, pixels, (64, 64)))
    return model


def batch(pairs, words, rois, pixels, size=(600, 1000)):
  """Random content in full shapes."""
  rng = np.random.default_rng(1)
  height, width = size
  corner = rng.uniform(0, 0.4, [pairs, rois, 2]) * [width, height]
  extent = rng.uniform(0.1, 0.5, [pairs, rois, 2]) * [width, height]
  content = {
    elements.EXAMPLE_WEIGHT: np.ones([pairs]),
    elements.WORD_IDS: rng.integers(5, VOCAB_SIZE, [pairs, words]),
    elements.WORD_MASK: np.ones([pairs, words], bool),
    elements.SEGMENT_IDS: np.zeros([pairs, words], np.int64),
    base.TEXT_CUT: np.zeros([pairs], bool),
    elements.IMAGE_SIZE: np.tile(np.float64([size]), [pairs, 1]),
    elements.BOXES: np.concatenate([corner, corner + extent], -1),
    elements.ROI_MASK: np.ones([pairs, rois], bool),
    elements.ROI_MASKED: rng.uniform(size=[pairs, rois]) < 0.15,
    elements.ROI_CATEGORIES: rng.integers(1, CATEGORIES, [pairs, rois]),
    elements.RELATED: np.ones([pairs]),
    elements.MASKED_POSITIONS: rng.integers(1, words - 1, [pairs, MASKED]),
    elements.MASKED_WORD_IDS: rng.integers(5, VOCAB_SIZE, [pairs, MASKED]),
    elements.MASKED_WORD_WEIGHTS: np.ones([pairs, MASKED]),
  }
  content[elements.ROI_NAMED] = content[elements.ROI_MASKED]
  if pixels:
    content[elements.IMAGE] = rng.uniform(0, 255, [pairs, height, width, 3])
  else:
    content[elements.APPEARANCE] = rng.normal(size=[pairs, rois, 2048])
    content[elements.IMAGE_APPEARANCE] = rng.normal(size=[pairs, 2048])
  kinds = {'f': tf.float32, 'i': tf.int32, 'b': tf.bool}
  return {k: tf.constant(v, kinds[v.dtype.kind]) for k, v in content.items()}


def make_step(args):
  """A function that trains on a batch and waits until it is done."""
  with tempfile.TemporaryDirectory() as folder:
    vocab = pathlib.Path(folder) / 'vocab.txt'
    special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
    words = special + [f'w{k}' for k in range(VOCAB_SIZE - len(special))]
    vocab.write_text('\n'.join(words) + '\n')
    config = PretrainingConfig(vocab_file=str(vocab))
    config.override(
      {
        'micro_batches': args.micro_batches,
        'model': {
          'visual_features': args.features,
          'xla': args.xla,
          'remat': args.remat,
        },
      }
    )
    task = SyntheticTask(config, args.layers)
  params = experiments.load_experiment('vlbert/pretraining', [])
  model = task.build_model()
  optimizer = task.create_optimizer(
    params.trainer.optimizer_config, cfg.RuntimeConfig()
  )
  step = tf.function(
    lambda content: task.train_step(content, model, optimizer)['loss'],
    reduce_retracing=False,
  )
  return lambda content: float(step(content))


def measure(args) -> str:
  """Pairs a second of one shape, and the most memory of the process."""
  step = make_step(args)
  content = batch(args.batch, args.words, args.rois, args.features == 'pixels')
  step(content)
  seconds = []
  for _ in range(args.rounds):
    start = time.perf_counter()
    step(content)
    seconds.append(time.perf_counter() - start)
  median = statistics.median(seconds)
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
  return (
    f'{args.features}, batch {args.batch}, {args.words} words, {args.rois} '
    f'RoIs, {args.layers} layers, xla {args.xla}, micro_batches '
    f'{args.micro_batches}, remat {args.remat}: {median:.2f} s a step '
    f'({min(seconds):.2f}-{max(seconds):.2f}), {args.batch / median:.2f} '
    f'pairs/s, peak {peak:.2f} GiB'
  )


def measure_buckets(args) -> str:
  """How much faster buckets are than padding to the longest."""
  step = make_step(args)
  contents = {
    (words, rois): batch(args.batch, words, rois, pixels=False)
    for words in TEXT_BUCKETS
    for rois in ROI_BUCKETS
  }
  seconds = timing.interleaved(
    {
      shape: lambda content=content: step(content)
      for shape, content in contents.items()
    },
    args.rounds,
  )
  cost = {shape: statistics.median(each) for shape, each in seconds.items()}
  words, rois = lengths(args.captions, 256 * args.batch)
  order = np.argsort(rois.reshape(-1, 16 * args.batch), axis=1)
  grouped = np.take_along_axis(rois.reshape(order.shape), order, 1).ravel()
  padded = cost[TEXT_BUCKETS[-1], ROI_BUCKETS[-1]]
  lines = [f'buckets at batch {args.batch}, {args.layers} layers:']
  for name, counts in (('buckets', rois), ('buckets, groups', grouped)):
    mean = np.mean(
      [
        cost[_bucket(w, TEXT_BUCKETS), _bucket(r, ROI_BUCKETS)]
        for w, r in zip(
          words.reshape(-1, args.batch), counts.reshape(-1, args.batch),
          strict=True,
        )
      ]
    )  # fmt: skip
    lines.append(
      f'{name}: {mean:.3f} s a step against {padded:.3f} s padded to the '
      f'longest, {padded / mean:.2f} times as fast'
    )
  return '\n'.join(lines)


def lengths(captions: str, count: int) -> tuple[np.ndarray, np.ndarray]:
  """Draws words of captions, special ones included, and RoIs of images."""
  rng = np.random.default_rng(2)
  with open(captions, encoding='utf-8') as file:
    words = [len(line.split('\t')[0].split()) for line in file]
  drawn = rng.choice(words, count) + _SPECIAL_WORDS
  return drawn, rng.integers(10, 101, count)


def _bucket(members, buckets) -> int:
  return next(each for each in buckets if each >= members.max())


def main() -> None:
  """Prints one measurement."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument(
    '--features', choices=['precomputed', 'pixels'], default='precomputed'
  )
  parser.add_argument('--xla', choices=['none', 'attention', 'step'],
                      default='attention')  # fmt: skip
  for name, default in (
    ('batch', 8), ('words', 64), ('rois', 100), ('layers', 12),
    ('micro_batches', 1), ('rounds', 5),
  ):  # fmt: skip
    parser.add_argument(f'--{name}', type=int, default=default)
  parser.add_argument('--remat', action='store_true')
  parser.add_argument('--buckets', action='store_true')
  parser.add_argument('--captions', default='')
  args = parser.parse_args()
  print(timing.circumstances())
  print(measure_buckets(args) if args.buckets else measure(args))


if __name__ == '__main__':
  main()
