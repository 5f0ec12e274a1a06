"""The whole pre-training step of size base, from records to updated weights.

Pairs a second, the share of time that steps wait for their batches, and the
most memory of the process: on precomputed features, on pixels, and with
--memory in parts and with recomputation. With --captions, a TSV file of
Conceptual Captions: what buckets and groups of similar RoI counts save against
padding every batch to the longest, from the time of a step in each bucket and
the lengths of these captions, with RoIs drawn evenly between the bounds of
VL-BERT §4.1, 10 and 100. Each is a process of its own. Prints Markdown.

  python -m benchmarks.step
  python -m benchmarks.step --captions=captions.tsv
  python -m benchmarks.step --memory
  python -m benchmarks.step --layers=2 --seconds=1
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import tensorflow as tf
from official.core import train_utils

from benchmarks import pretraining, records, timing
from vlbert_tf.training import experiments
from vlbert_tf.training.trainer import INPUT_WAIT, TimedTrainer

TEXT_BUCKETS, ROI_BUCKETS = (16, 32, 64), (25, 50, 100)
_SPECIAL_WORDS = 2  # [CLS] and [SEP]
_IMAGES = 32  # of the records
_GROUP = 16  # batches whose examples are sorted together

# What is measured: features, pairs, RoIs, micro-batches, recomputation.
ROWS = (('precomputed', 8, 100, 1, False), ('pixels', 1, 20, 1, False))
MEMORY_ROWS = (
  ('precomputed', 16, 100, 1, False),
  ('precomputed', 16, 100, 4, False),
  ('precomputed', 16, 100, 1, True),
  ('pixels', 2, 20, 1, False),
  ('pixels', 2, 20, 2, False),
  ('pixels', 2, 20, 1, True),
)


def settings(folder: str, row, layers: int):
  """Settings of a run on random records of a row's sizes."""
  features, pairs, rois, micro_batches, remat = row
  vocab = os.path.join(folder, 'vocab.txt')
  records.write_vocabulary(vocab)
  path = records.write_captions(
    folder,
    images=_IMAGES,
    rois=rois,
    words=TEXT_BUCKETS[-1] - _SPECIAL_WORDS,
    pixels=features == 'pixels',
  )
  task = {
    'vocab_file': vocab,
    'micro_batches': micro_batches,
    'model': {'visual_features': features, 'remat': remat, 'max_rois': rois},
    'train_data': {'path': path, 'global_batch_size': pairs},
  }
  params = experiments.load_experiment(
    'vlbert/pretraining', [], json.dumps({'task': task})
  )
  return params, pretraining.Task(params.task, layers)


def measure(
  row, layers: int, seconds: float, clock: str = 'wall'
) -> dict[str, float]:
  """Trains on random records for some seconds, and three steps at least."""
  now = timing.CLOCKS[clock]
  with tempfile.TemporaryDirectory() as folder:
    params, task = settings(folder, row, layers)
    trainer = train_utils.create_trainer(
      params, task, train=True, evaluate=False, trainer_cls=TimedTrainer
    )
    one = tf.constant(1, tf.int32)
    trainer.train(one)
    taken, waited = [], 0.0
    begin = time.perf_counter()
    while len(taken) < 3 or time.perf_counter() - begin < seconds:
      start = now()
      waited += trainer.train(one)[INPUT_WAIT]
      taken.append(now() - start)
    whole = time.perf_counter() - begin
  return {
    'median': statistics.median(taken),
    'least': min(taken),
    'most': max(taken),
    # Always of the time on the wall.
    'wait': waited / whole,
    # Linux counts in KiB.
    'peak': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
  }


def table(rows, args) -> Iterator[str]:
  """Markdown, a line for each measurement, as they come."""
  yield f'{args.layers} layers, {TEXT_BUCKETS[-1]} words, {args.clock} seconds:'
  yield ''
  yield (
    '| features | pairs a step | RoIs | micro-batches | remat | s a step '
    '| pairs/s | waiting for input | peak GiB of the process |'
  )
  yield '|---|---|---|---|---|---|---|---|---|'
  for row in rows:
    features, pairs, rois, micro_batches, remat = row
    got = timing.in_a_process('benchmarks.step', json.dumps(row), args)
    yield (
      f'| {features} | {pairs} | {rois} | {micro_batches} '
      f'| {"yes" if remat else "no"} '
      f'| {got["median"]:.2f} ({got["least"]:.2f}-{got["most"]:.2f}) '
      f'| {pairs / got["median"]:.2f} | {100 * got["wait"]:.1f} % '
      f'| {got["peak"]:.1f} |'
    )
  yield ''


def buckets(
  captions: str, layers: int, seconds: float, clock: str, pairs: int = 8
) -> str:
  """How much faster buckets are than padding to the longest."""
  step = pretraining.synthetic_step(layers)
  contents = {
    (words, rois): pretraining.batch(pairs, words, rois)
    for words in TEXT_BUCKETS
    for rois in ROI_BUCKETS
  }
  took = timing.interleaved(
    {
      shape: lambda content=content: step(content)
      for shape, content in contents.items()
    },
    rounds=9,
    clock=clock,
    budget=seconds,
  )
  cost = {shape: statistics.median(each) for shape, each in took.items()}
  words, rois = lengths(captions, 16 * _GROUP * pairs)
  order = np.argsort(rois.reshape(-1, _GROUP * pairs), axis=1)
  grouped = np.take_along_axis(rois.reshape(order.shape), order, 1).ravel()
  padded = cost[TEXT_BUCKETS[-1], ROI_BUCKETS[-1]]
  lines = [
    f'{layers} layers, {pairs} pairs a step, words of captions, RoIs evenly '
    f'between 10 and 100, groups of {_GROUP} batches, {clock} seconds:',
    '',
    '| batches | mean s a step | speed |',
    '|---|---|---|',
    f'| padded to the longest | {padded:.3f} | 1.00 |',
  ]
  for name, counts in (('buckets', rois), ('buckets and groups', grouped)):
    mean = np.mean(
      [
        cost[_bucket(w, TEXT_BUCKETS), _bucket(r, ROI_BUCKETS)]
        for w, r in zip(
          words.reshape(-1, pairs), counts.reshape(-1, pairs), strict=True
        )
      ]
    )
    lines.append(f'| {name} | {mean:.3f} | {padded / mean:.2f} |')
  return '\n'.join([*lines, ''])


def lengths(captions: str, count: int) -> tuple[np.ndarray, np.ndarray]:
  """Draws words of captions, special ones included, and RoIs of images."""
  rng = np.random.default_rng(2)
  with open(captions, encoding='utf-8') as file:
    words = [len(line.split('\t')[0].split()) for line in file]
  drawn = rng.choice(words, count) + _SPECIAL_WORDS
  return np.minimum(drawn, TEXT_BUCKETS[-1]), rng.integers(10, 101, count)


def _bucket(members, sizes) -> int:
  return next(each for each in sizes if each >= members.max())


def main() -> None:
  """Prints the tables."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--layers', type=int, default=12)
  parser.add_argument(
    '--bucket_layers', type=int, default=6,
    help='the same for the nine programs of the buckets',
  )  # fmt: skip
  parser.add_argument(
    '--seconds', type=float, default=20.0, help='of each measurement, about'
  )
  parser.add_argument('--memory', action='store_true')
  parser.add_argument('--captions', default='')
  parser.add_argument(
    '--clock', choices=[*timing.CLOCKS], default='wall',
    help='cpu where other programs run beside this one, of all its threads',
  )  # fmt: skip
  parser.add_argument(
    '--buckets_alone', action='store_true', help='no steps from records'
  )
  parser.add_argument('--child', help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.child:
    row = json.loads(args.child)
    result = measure(row, args.layers, args.seconds, args.clock)
    print(json.dumps(result))
    return
  print(timing.heading('benchmarks.step'), flush=True)
  if not args.buckets_alone:
    for line in table(MEMORY_ROWS if args.memory else ROWS, args):
      print(line, flush=True)
  if args.captions:
    # Each bucket is traced, which is meant and needs no warning.
    tf.get_logger().setLevel('ERROR')
    print(
      buckets(args.captions, args.bucket_layers, args.seconds, args.clock),
      flush=True,
    )


if __name__ == '__main__':
  main()
