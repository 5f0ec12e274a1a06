"""Our encoder against those that people would pick instead, on a CPU.

Forward pass, and forward, backward and SGD, of 12 layers of 768 on a batch of
8 sequences of 164 elements, in float32 and bfloat16; and the attention core of
a layer, plain and compiled by XLA. Contenders run in turn; the ratio of
medians is what counts. Needs `pip install 'vlbert-tf[bench]'`; a contender
that is not installed is left out and named. Prints Markdown.

  python -m benchmarks.encoder
  python -m benchmarks.encoder --modes=forward --layers=2 --rounds=1
"""

import argparse
import contextlib
import os
import statistics

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

# PyTorch's compiler crashes the process where TensorFlow was imported first.
with contextlib.suppress(ImportError):
  import torch._dynamo  # noqa: F401

import tensorflow as tf

from benchmarks import contenders, timing

# How many times as fast as others our encoder should be, by data type.
GOALS = (
  ('float32', (contenders.REFERENCE,), 2.0),
  ('bfloat16', (contenders.REFERENCE, 'PyTorch compiled'), 1.0),
  ('float32', ('Model Garden',), 1.2),
  ('bfloat16', ('Model Garden',), 1.2),
  ('float32', ('KerasHub',), 1.05),
  ('bfloat16', ('KerasHub',), 1.05),
)
_REFERENCE = f'{contenders.REFERENCE}, float32'


def encoders(mode: str, args) -> str:
  """One table of all encoders in all data types."""
  found, missing = {}, {}
  for dtype in args.dtypes:
    made, failed = contenders.encoders(mode, dtype, args.layers, args.threads)
    found |= {f'{name}, {dtype}': work for name, work in made.items()}
    missing |= {f'{name}, {dtype}': why for name, why in failed.items()}
  seconds = timing.interleaved(found, args.rounds, args.clock, args.seconds)
  reference = _REFERENCE if _REFERENCE in seconds else next(iter(seconds))
  return '\n'.join(
    [
      f'{mode}, {args.layers} layers, {len(seconds[reference])} rounds, '
      f'{args.threads} threads, {args.clock} seconds',
      '',
      timing.table(seconds, reference),
      '',
      *goals(seconds),
      *(f'- not measured: {name} ({why})' for name, why in missing.items()),
      '',
    ]
  )


def goals(seconds: dict[str, list[float]]) -> list[str]:
  """Lines that hold our faster form against the fastest of others."""
  medians = {name: statistics.median(each) for name, each in seconds.items()}
  lines = []
  for dtype, others, goal in GOALS:
    theirs = [medians.get(f'{name}, {dtype}') for name in others]
    theirs = [each for each in theirs if each]
    ours = [
      each
      for name, each in medians.items()
      if name.startswith('ours') and name.endswith(dtype)
    ]
    if ours and theirs:
      line = (
        f'- {dtype}, against {" or ".join(others)}: '
        f'{min(theirs) / min(ours):.2f} times as fast (goal {goal})'
      )
      floor = medians.get(f'{contenders.FLOOR}, {dtype}')
      if floor:
        line += f'; dense products alone: {min(theirs) / floor:.2f} times'
      lines.append(line)
  return lines


def attention(mode: str, args) -> str:
  """One table of the attention core."""
  seconds = timing.interleaved(
    {
      f'{name}, {dtype}': work
      for dtype in args.dtypes
      for name, work in contenders.attention_cores(mode, dtype).items()
    },
    10 * args.rounds,
    args.clock,
    args.seconds,
  )
  rounds = len(next(iter(seconds.values())))
  return '\n'.join(
    [
      f'attention core of one layer, {mode}, {rounds} rounds, '
      f'{args.threads} threads, {args.clock} seconds',
      '',
      timing.table(seconds, next(iter(seconds)), digits=5),
      '',
    ]
  )


def main() -> None:
  """Prints the tables."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  for name in ('modes', 'dtypes'):
    every = getattr(contenders, name.upper())
    parser.add_argument(f'--{name}', nargs='+', choices=every, default=every)
  parser.add_argument(
    '--layers', type=int, default=12,
    help='of the encoders; 0 measures the attention core alone',
  )  # fmt: skip
  parser.add_argument('--rounds', type=int, default=7)
  parser.add_argument(
    '--seconds', type=float, default=45.0,
    help='after which a table begins no further round, three at least',
  )  # fmt: skip
  parser.add_argument('--threads', type=int, default=os.cpu_count())
  parser.add_argument('--clock', choices=[*timing.CLOCKS], default='wall')
  args = parser.parse_args()
  tf.config.threading.set_intra_op_parallelism_threads(args.threads)
  print(timing.heading('benchmarks.encoder'), flush=True)
  for mode in args.modes if args.layers else ():
    print(encoders(mode, args), flush=True)
  for mode in args.modes:
    print(attention(mode, args), flush=True)


if __name__ == '__main__':
  main()
