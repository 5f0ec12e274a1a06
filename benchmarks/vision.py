"""Speed of the visual network, against PyTorch, and of RoIAlign.

  make bench-vision

Prints, of runs in turn: images a second of appearance
extraction, ours and that of torchvision's ResNet-101 with the same weights, and
their ratio; then time and memory of RoIAlign forward and backward, ours and
one of tf.image.crop_and_resize and its own gradient.
"""

import importlib.util
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import app, flags

from vlbert_tf.checkpoints import conversion, torchvision_resnet, visual_models
from vlbert_tf.checkpoints.stored import in_memory
from vlbert_tf.modeling.resnets import dilate_res5
from vlbert_tf.vision.resnet import RoiFeatures
from vlbert_tf.vision.roi_align import roi_align

_ROIS = flags.DEFINE_integer('rois', 36, 'RoIs of an image.')
_HEIGHT = flags.DEFINE_integer('height', 600, 'Of an image, pixels.')
_WIDTH = flags.DEFINE_integer('width', 1000, 'Of an image, pixels.')
_RUNS = flags.DEFINE_integer('runs', 5, 'Of each, after one to warm up.')
_ONLY = flags.DEFINE_enum(
  'only', '', ['', 'ours', 'crop_and_resize'], 'RoIAlign, for its memory.'
)

_STRIDE, _BINS = 16, 14
_CHANNELS = 1024


def main(argv: list[str]) -> None:
  """Runs both comparisons."""
  del argv
  rng = np.random.default_rng(1)
  if _ONLY.value:
    print(_peak_megabytes(_ROI_ALIGNS[_ONLY.value], rng))
    return
  _compare_extraction(rng)
  _compare_roi_align(rng)


def _compare_extraction(rng: np.random.Generator) -> None:
  if not importlib.util.find_spec('torchvision'):
    print('Extraction: PyTorch is not here. pip install -e ".[bench]"')
    return
  theirs = _Torch()
  ours = _our_network(theirs.call('state'))
  image = rng.normal(0, 50, [_HEIGHT.value, _WIDTH.value, 3]).astype('f4')
  boxes = _boxes(rng)
  expected = theirs.appearance(image, boxes)
  difference = np.abs(ours(image, boxes) - expected).max() / expected.max()
  times = _in_turn(
    {'ours': lambda: ours(image, boxes),
     'PyTorch': lambda: theirs.appearance(image, boxes)}
  )  # fmt: skip
  print(
    f'Extraction, ResNet-101 C4, float32, {_HEIGHT.value}x{_WIDTH.value} '
    f'pixels, {len(boxes)} RoIs, median of {_RUNS.value} runs in turn:'
  )
  for name, seconds in times.items():
    print(f'  {name:8} {1 / seconds:.3f} images/s')
  print(f'  ratio    {times["PyTorch"] / times["ours"]:.2f}')
  print(f'  largest difference, over the largest feature: {difference:.1e}')


def _our_network(state: dict[str, np.ndarray]) -> Callable:
  """Our network with torchvision's weights, as a compiled function."""
  tensors = in_memory(state)
  architecture = dilate_res5(torchvision_resnet.architecture(tensors))
  model = visual_models.VisualNetwork(architecture)
  conversion.fill(model, tensors, torchvision_resnet.table(tensors))
  network: RoiFeatures = model.roi_features
  size = tf.constant([[_HEIGHT.value, _WIDTH.value]], tf.float32)
  compiled = tf.function(lambda image, boxes: network(image, size, boxes))

  def run(image, boxes):
    return compiled(image[None], boxes[None])[0].numpy()

  return run


class _Torch:
  """`torch_resnet.Network` in its process."""

  def __init__(self):
    self._process = subprocess.Popen(
      [sys.executable, '-m', 'benchmarks.torch_resnet'],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
    )

  def call(self, name: str, *arguments):
    """What a method of the network returns."""
    pickle.dump((name, arguments), self._process.stdin)
    self._process.stdin.flush()
    return pickle.load(self._process.stdout)

  def appearance(self, image, boxes):
    return self.call('appearance', image.transpose(2, 0, 1).copy(), boxes)


def _boxes(rng: np.random.Generator, count: int | None = None) -> np.ndarray:
  count = count or _ROIS.value
  corners = rng.uniform(0, 0.6, [count, 2])
  ends = corners + rng.uniform(0.1, 0.4, [count, 2])
  scale = [_WIDTH.value, _HEIGHT.value] * 2
  return (np.concatenate([corners, ends], 1) * scale).astype(np.float32)


def _in_turn(runs: dict[str, Callable]) -> dict[str, float]:
  """Median seconds of each, one after the other in every round."""
  times = {name: [] for name in runs}
  for round_number in range(_RUNS.value + 1):
    for name, run in runs.items():
      start = time.perf_counter()
      run()
      if round_number:
        times[name].append(time.perf_counter() - start)
  return {name: statistics.median(values) for name, values in times.items()}


def _crop_and_resize(features, boxes):
  """RoIAlign of one sample a bin, with the operation's own gradient."""
  height, width = features.shape[1] - 1, features.shape[2] - 1
  x1, y1, x2, y2 = tf.unstack(boxes[0] / _STRIDE, axis=-1)
  dx, dy = (x2 - x1) / _BINS / 2, (y2 - y1) / _BINS / 2
  grid = [(y1 + dy) / height, (x1 + dx) / width]
  grid += [(y2 - dy) / height, (x2 - dx) / width]
  return tf.image.crop_and_resize(
    features, tf.stack(grid, -1), tf.zeros([boxes.shape[1]], tf.int32),
    [_BINS, _BINS],
  )  # fmt: skip


def _ours(features, boxes):
  return roi_align(features, boxes, output_size=_BINS, stride=_STRIDE)[0]


_ROI_ALIGNS = {'ours': _ours, 'crop_and_resize': _crop_and_resize}


def _with_gradient(
  align: Callable, rng: np.random.Generator, count: int | None = None
) -> Callable:
  shape = [1, _HEIGHT.value // _STRIDE, _WIDTH.value // _STRIDE, _CHANNELS]
  features = tf.constant(rng.normal(size=shape), tf.float32)
  boxes = tf.constant(_boxes(rng, count)[None])

  @tf.function
  def step(features, boxes):
    with tf.GradientTape() as tape:
      tape.watch(features)
      total = tf.reduce_sum(align(features, boxes) ** 2)
    return tape.gradient(total, features)

  return lambda: step(features, boxes).numpy()


def _compare_roi_align(rng: np.random.Generator) -> None:
  times = _in_turn(
    {name: _with_gradient(align, rng) for name, align in _ROI_ALIGNS.items()}
  )
  print(f'RoIAlign forward and backward, {_ROIS.value} RoIs, {_CHANNELS} '
        'channels, float32:')  # fmt: skip
  for name, seconds in times.items():
    print(f'  {name:16} {1000 * seconds:.0f} ms, {_memory(name)} MB')
  print(f'  ratio            {times["crop_and_resize"] / times["ours"]:.2f}')


def _memory(name: str) -> str:
  """Peak megabytes of one, measured in a process of its own."""
  flags_given = [
    f'--{flag.name}={flag.value}' for flag in (_ROIS, _HEIGHT, _WIDTH)
  ]
  done = subprocess.run(
    [sys.executable, '-m', 'benchmarks.vision', f'--only={name}',
     *flags_given],
    capture_output=True, text=True, check=True,
  )  # fmt: skip
  return done.stdout.split()[-1]


def _peak_megabytes(align: Callable, rng: np.random.Generator) -> int:
  """Of a step above what was there before it."""
  # Loads what is loaded once. With a single RoI: what a step frees stays with
  # the process, and another one of its size would need nothing more.
  _with_gradient(align, rng, 1)()
  step = _with_gradient(align, rng)
  # What importing took would hide it: the kernel starts to count anew.
  with open('/proc/self/clear_refs', 'w') as file:
    file.write('5')
  before = _peak_kilobytes()
  step()
  return (_peak_kilobytes() - before) // 1024


def _peak_kilobytes() -> int:
  """The most memory that this process has had, since it was last reset."""
  with open('/proc/self/status') as file:
    lines = dict(line.split(':', 1) for line in file)
  return int(lines['VmHWM'].split()[0])


if __name__ == '__main__':
  app.run(main)
