"""How cost grows with S, with D and with the number of replicas, on a CPU.

Seconds of a training step and the most memory of its process: of the encoder,
12 layers and a batch of 8, for S from 64 to 512 at D = 768 and for D from 128
to 1024 at S = 164; and of the whole pre-training step of size tiny on one
global batch of 32 that 1 to 16 logical devices share. The latter shows what
replicas cost, not what they gain: all of them share the cores of the machine.
Each point is a process of its own. Prints Markdown, and draws --plot.

  python -m benchmarks.growth --plot=docs/growth.png
  python -m benchmarks.growth --layers=1 --seconds=0 --points=S64,S128,N1,N2
"""

import argparse
import dataclasses
import json
import os
import resource
import statistics
import time
from collections.abc import Iterable, Iterator

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from benchmarks import timing

LENGTHS, WIDTHS = (64, 128, 256, 512), (128, 256, 512, 1024)
REPLICAS = (1, 2, 4, 8, 16)
LENGTH, WIDTH, BATCH, GLOBAL_BATCH = 164, 768, 8, 32
WORDS, ROIS = 32, 32  # of the batch that replicas share
_HEAD = 64  # units of an attention head
_AXES = {
  'S': 'elements S, D = 768',
  'D': 'hidden size D, S = 164',
  'N': 'logical devices, 32 pairs',
}
_FEWEST = 3


def points() -> list[str]:
  """Names of all that is measured: an axis and a size, as in `S64`."""
  return [
    *(f'S{size}' for size in LENGTHS),
    *(f'D{size}' for size in WIDTHS),
    *(f'N{size}' for size in REPLICAS),
  ]


def measure(
  point: str, layers: int, seconds: float, clock: str = 'wall'
) -> dict[str, float]:
  """Times a step for some seconds, three of them at least.

  Args:
    point: of `points`.
    layers: of the encoder.
    seconds: about how long.
    clock: of `timing.CLOCKS`.

  Returns:
    Seconds of a step, their least and most, and GiB of the process.
  """
  now = timing.CLOCKS[clock]
  axis, size = point[0], int(point[1:])
  if axis == 'N':
    step = _replicas_step(size)
  else:
    length, width = (size, WIDTH) if axis == 'S' else (LENGTH, size)
    step = _encoder_step(length, width, layers)
  step()
  taken: list[float] = []
  begin = time.perf_counter()
  while len(taken) < _FEWEST or time.perf_counter() - begin < seconds:
    start = now()
    step()
    taken.append(now() - start)
  return {
    'median': statistics.median(taken),
    'least': min(taken),
    'most': max(taken),
    # Linux counts in KiB.
    'peak': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
  }


def _encoder_step(length: int, width: int, layers: int):
  import numpy as np
  import tensorflow as tf

  from vlbert_tf.modeling import config as configs
  from vlbert_tf.modeling.encoder import Encoder

  arch = configs.resolve(configs.ModelConfig(dropout_rate=0.0), 99, 9)
  arch = dataclasses.replace(
    arch,
    num_layers=layers,
    hidden_size=width,
    num_heads=width // _HEAD,
    feed_forward_size=4 * width,
  )
  encoder = Encoder(arch)
  rng = np.random.default_rng(1)
  x = tf.constant(rng.normal(size=[BATCH, length, width]), tf.float32)
  mask = tf.ones([BATCH, length], tf.bool)
  encoder(x, mask)

  @tf.function
  def step():
    with tf.GradientTape() as tape:
      loss = tf.reduce_mean(encoder(x, mask)[0] ** 2)
    variables = encoder.trainable_variables
    for variable, gradient in zip(
      variables, tape.gradient(loss, variables), strict=True
    ):
      variable.assign_sub(1e-4 * gradient)
    return loss

  return lambda: float(step())


def _replicas_step(count: int):
  import tensorflow as tf

  from benchmarks import pretraining

  tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices('CPU')[0],
    [tf.config.LogicalDeviceConfiguration()] * count,
  )
  strategy = tf.distribute.MirroredStrategy(
    [f'CPU:{number}' for number in range(count)]
  )
  content = pretraining.batch(GLOBAL_BATCH, WORDS, ROIS)
  with strategy.scope():
    task = pretraining.task(layers=2, size='tiny')
    model = task.build_model()
    optimizer = pretraining.make_optimizer(task)
  each = GLOBAL_BATCH // count

  def part_of(context):
    first = each * context.replica_id_in_sync_group
    return {name: x[first : first + each] for name, x in content.items()}

  parts = strategy.experimental_distribute_values_from_function(part_of)

  @tf.function
  def step(parts):
    losses = strategy.run(
      lambda part: task.train_step(part, model, optimizer)['loss'], (parts,)
    )
    return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

  return lambda: float(step(parts))


def rows(
  measured: Iterable[tuple[str, dict[str, float]]],
) -> Iterator[str]:
  """Markdown, a line for each point; growth against the point before.

  Args:
    measured: points and what they took, maybe as they come.

  Yields:
    The lines of a table.
  """
  yield '| | s a step | against the row above | peak GiB of the process |'
  yield '|---|---|---|---|'
  before: tuple[str, float] = ('', 1.0)
  for point, got in measured:
    axis = point[0]
    growth = f'{got["median"] / before[1]:.2f}' if axis == before[0] else ''
    before = (axis, got['median'])
    yield (
      f'| {axis} = {point[1:]} '
      f'| {got["median"]:.3f} ({got["least"]:.3f}-{got["most"]:.3f}) '
      f'| {growth} | {got["peak"]:.2f} |'
    )


def draw(results: dict[str, dict[str, float]], path: str) -> None:
  """Draws seconds and memory over each axis.

  Args:
    results: by point.
    path: of a PNG.
  """
  import matplotlib

  matplotlib.use('Agg')
  from matplotlib import pyplot

  figure, rows = pyplot.subplots(2, len(_AXES), figsize=(10, 5), sharex='col')
  for column, (axis, label) in enumerate(_AXES.items()):
    found = [point for point in results if point[0] == axis]
    sizes = [int(point[1:]) for point in found]
    for row, value, unit in (
      (0, 'median', 'seconds a step'),
      (1, 'peak', 'GiB of the process'),
    ):
      plot = rows[row][column]
      plot.plot(sizes, [results[point][value] for point in found], marker='o')
      plot.set_xscale('log', base=2)
      plot.set_ylim(bottom=0)
      plot.set_xticks(sizes, [str(size) for size in sizes])
      plot.grid(alpha=0.3)
      if column == 0:
        plot.set_ylabel(unit)
    rows[1][column].set_xlabel(label)
  figure.tight_layout()
  figure.savefig(path, dpi=110)
  pyplot.close(figure)


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--layers', type=int, default=12)
  parser.add_argument(
    '--seconds', type=float, default=8.0, help='of each point, about'
  )
  parser.add_argument(
    '--points', default=','.join(points()), help='an axis and a size each'
  )
  parser.add_argument('--plot', default='', help='PNG that is drawn')
  parser.add_argument(
    '--clock', choices=[*timing.CLOCKS], default='wall',
    help='cpu where other programs run beside this one, of all its threads',
  )  # fmt: skip
  parser.add_argument('--child', help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.child:
    result = measure(args.child, args.layers, args.seconds, args.clock)
    print(json.dumps(result))
    return
  print(timing.heading('benchmarks.growth'), flush=True)
  results: dict[str, dict[str, float]] = {}

  def measured():
    for point in args.points.split(','):
      results[point] = timing.in_a_process('benchmarks.growth', point, args)
      yield point, results[point]

  for line in rows(measured()):
    print(line, flush=True)
  if args.plot:
    draw(results, args.plot)


if __name__ == '__main__':
  main()
