"""Networks of other libraries in plain NumPy, float64, one image at a time.

Written from what the libraries document, on their own arrays and names, so
that converted weights are compared with something that shares no code.
"""

import numpy as np


def convolution(x, kernel, stride=1, pad=0, dilation=1):
  """`[c, h, w]` by `[out, c, k, k]`."""
  x = np.pad(x, [(0, 0), (pad, pad), (pad, pad)])
  side = dilation * (kernel.shape[2] - 1) + 1
  windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), (1, 2))
  windows = windows[:, ::stride, ::stride, ::dilation, ::dilation]
  return np.einsum('chwij,ocij->ohw', windows, kernel, optimize=True)


def batch_norm(x, weights, name):
  w, b, mean, variance = (
    weights[f'{name}.{part}'].astype(np.float64)[:, None, None]
    for part in ('weight', 'bias', 'running_mean', 'running_var')
  )
  return (x - mean) / np.sqrt(variance + 1e-5) * w + b


def max_pool(x, before):
  """3x3 with stride 2; `before` zeros first, whole windows and cut ones."""
  x = np.pad(x, [(0, 0), (before, 2), (before, 2)])
  windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
  return windows.max(axis=(3, 4))[:, ::2, ::2]


class ResNet:
  """A network of bottlenecks in PyTorch's or Detectron2's names."""

  def __init__(self, weights, stem, stages, *, detectron=False,
               stride_in_3x3=False, dilated=True):  # fmt: skip
    self.weights = weights
    self.stem = stem
    self.stages = stages
    self.detectron = detectron
    self.stride_in_3x3 = stride_in_3x3
    self.dilated = dilated

  def _norm(self, conv):
    if self.detectron:
      return f'{conv}.norm'
    shortcut = conv.endswith('downsample.0')
    return f'{conv[:-1]}1' if shortcut else conv.replace('conv', 'bn')

  def _conv(self, x, name, stride=1, pad=0, dilation=1):
    kernel = self.weights[f'{name}.weight'].astype(np.float64)
    x = convolution(x, kernel, stride, pad, dilation)
    return batch_norm(x, self.weights, self._norm(name))

  def c4(self, image):
    """`[3, H, W]` to `[c, h, w]`."""
    x = np.maximum(self._conv(image, self.stem, 2, 3), 0)
    height, width = x.shape[1:]
    if self.detectron:
      # Caffe: no cell before the map, and a last window that is cut.
      x = max_pool(x, 0)[:, : height // 2, : width // 2]
    else:
      x = max_pool(x, 1)[:, : (height + 1) // 2, : (width + 1) // 2]
    for number in range(3):
      x = self._stage(x, self.stages[number], 1 if number == 0 else 2)
    return x

  def res5(self, x):
    if self.dilated:
      return self._stage(x, self.stages[3], 1, 2)
    return self._stage(x, self.stages[3], 2)

  def _stage(self, x, prefix, stride, dilation=1):
    block = 0
    while f'{prefix}{block}.conv1.weight' in self.weights:
      name = f'{prefix}{block}.'
      step = stride if block == 0 else 1
      first, second = (1, step) if self.stride_in_3x3 else (step, 1)
      y = np.maximum(self._conv(x, f'{name}conv1', first), 0)
      y = self._conv(y, f'{name}conv2', second, dilation, dilation)
      y = self._conv(np.maximum(y, 0), f'{name}conv3')
      if block == 0:
        shortcut = 'shortcut' if self.detectron else 'downsample.0'
        x = self._conv(x, f'{name}{shortcut}', step)
      x = np.maximum(x + y, 0)
      block += 1
    return x

  def appearance(self, features, boxes, masks=None):
    """Vectors of boxes `[N, 4]`; `masks` `[N, s, s]` on the cells of res5."""
    rows = []
    for number, box in enumerate(boxes):
      x = self.res5(roi_align(features, box))
      if masks is not None:
        x = x * masks[number]
      rows.append(x.mean(axis=(1, 2)))
    return np.array(rows)


def roi_align(features, box, bins=14, stride=16):
  """One sample in the middle of each bin, cells at whole coordinates."""
  x1, y1, x2, y2 = np.asarray(box, np.float64) / stride
  places = (np.arange(bins) + 0.5) / bins
  ys = y1 + places * max(y2 - y1, 1.0)
  xs = x1 + places * max(x2 - x1, 1.0)
  aligned = np.zeros([features.shape[0], bins, bins])
  for i, y in enumerate(ys):
    for j, x in enumerate(xs):
      aligned[:, i, j] = _bilinear(features, y, x)
  return aligned


def _bilinear(features, y, x):
  height, width = features.shape[1:]
  if not (-1 <= y <= height and -1 <= x <= width):
    return 0.0
  y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
  top, left = int(y), int(x)
  bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
  dy, dx = y - top, x - left
  return (
    features[:, top, left] * (1 - dy) * (1 - dx)
    + features[:, top, right] * (1 - dy) * dx
    + features[:, bottom, left] * dy * (1 - dx)
    + features[:, bottom, right] * dy * dx
  )


def random_resnet(rng, stem, stages, widths, depths, detectron=False):
  """Weights of a narrow network, by the library's names."""
  net = ResNet({}, stem, stages, detectron=detectron)
  weights = net.weights

  def conv(name, out, into, side):
    scale = np.sqrt(2 / (into * side * side))
    kernel = rng.normal(0, scale, [out, into, side, side])
    weights[f'{name}.weight'] = kernel.astype(np.float32)
    norm = net._norm(name)
    for part, low, high in (
      ('weight', 0.7, 1.3), ('bias', -0.2, 0.2), ('running_mean', -0.1, 0.1),
      ('running_var', 0.6, 1.5),
    ):  # fmt: skip
      values = rng.uniform(low, high, [out]).astype(np.float32)
      weights[f'{norm}.{part}'] = values

  conv(stem, 5, 3, 7)
  into = 5
  for stage, prefix in stages.items():
    for block in range(depths[stage]):
      name, width = f'{prefix}{block}.', widths[stage]
      conv(f'{name}conv1', width, into, 1)
      conv(f'{name}conv2', width, width, 3)
      conv(f'{name}conv3', 2 * width, width, 1)
      if block == 0:
        shortcut = 'shortcut' if detectron else 'downsample.0'
        conv(f'{name}{shortcut}', 2 * width, into, 1)
      into = 2 * width
  return weights
