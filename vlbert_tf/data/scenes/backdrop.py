"""What is behind the objects: a wall, a textured surface, light, debris."""

import numpy as np
from PIL import Image

from vlbert_tf.data.scenes.world import Scene

# Tints that a surface may have; weaker colors than any object's.
_TINTS = {
  'wood': ((158, 118, 82), (184, 146, 104), (128, 96, 70)),
  'tile': ((196, 202, 206), (172, 186, 190), (200, 196, 184)),
  'sand': ((214, 194, 152), (206, 184, 146), (222, 206, 172)),
  'cloth': ((132, 142, 164), (166, 136, 140), (136, 154, 138)),
  'stone': ((142, 142, 144), (122, 124, 128), (160, 156, 150)),
}
_WALLS = (
  (206, 204, 198),
  (178, 188, 196),
  (196, 184, 168),
  (170, 182, 170),
  (188, 176, 184),
  (150, 152, 158),
)


def paint(scene: Scene, rng: np.random.Generator) -> np.ndarray:
  """Paints everything but the objects.

  Args:
    scene: its surface, horizon and size are read.
    rng: tints and textures come from it.

  Returns:
    float32 `[height, width, 3]`, RGB from 0 to 255.
  """
  tints = _TINTS[scene.surface]
  floor = np.array(tints[rng.integers(len(tints))]) + rng.uniform(-12, 12, 3)
  wall = np.array(_WALLS[rng.integers(len(_WALLS))]) + rng.uniform(-12, 12, 3)
  rows = np.arange(scene.height)
  standing = (rows >= scene.horizon).astype(np.float32)[:, None]
  texture = _TEXTURES[scene.surface](scene, rng).astype(np.float32)
  texture = 1 + (texture - 1) * standing
  texture *= 0.97 + 0.06 * _clouds(scene, rng, 4)
  texture *= _light_gradient(scene, rng)
  canvas = np.where(standing[..., None] > 0, floor, wall).astype(np.float32)
  canvas = canvas * texture[..., None]
  if scene.horizon:
    foot = np.exp(-np.abs(rows - scene.horizon) / 3.0).astype(np.float32)
    canvas *= 1 - 0.22 * foot[:, None, None]
  _scatter_debris(canvas, scene, rng)
  return canvas


def _clouds(scene, rng, cells):
  """Smooth noise of about `cells` blobs across: float32, 0 mean, 1 wide."""
  small = rng.standard_normal((cells, cells), np.float32)
  image = Image.fromarray(small)
  size = (scene.width, scene.height)
  return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _light_gradient(scene, rng):
  """A lamp off to one side: float32 `[height, width]` around 1."""
  angle = rng.uniform(0, 2 * np.pi)
  strength = rng.uniform(0.04, 0.2)
  x = np.linspace(-1, 1, scene.width, dtype=np.float32) * np.cos(angle)
  y = np.linspace(-1, 1, scene.height, dtype=np.float32) * np.sin(angle)
  return (1 + strength * (x[None, :] + y[:, None])).astype(np.float32)


def _plane(scene, rng):
  """Coordinates on the floor in perspective: x `[h, w]` and depth `[h, 1]`."""
  rows = np.arange(scene.height, dtype=np.float32)
  fall = rng.uniform(0.25, 0.6)
  near = (rows - scene.horizon) / (scene.height - scene.horizon)
  scale = fall + (1 - fall) * np.clip(near, 0, 1)
  depth = np.cumsum(1 / scale)[:, None].astype(np.float32)
  center = scene.width * rng.uniform(0.3, 0.7)
  columns = np.arange(scene.width, dtype=np.float32) - np.float32(center)
  return columns[None, :] / scale[:, None].astype(np.float32), depth


def _wood(scene, rng):
  x, depth = _plane(scene, rng)
  plank = np.float32(rng.uniform(17, 26))
  board = np.floor(x / plank)
  tone = np.sin(board * np.float32(12.9898) + np.float32(rng.uniform(0, 6)))
  gap = (x / plank) % 1.0 < 1.6 / plank
  grain = np.sin(x * 2.1 + 1.7 * np.sin(depth * 0.07 + board * 2.0))
  return 1 + 0.1 * tone + 0.06 * grain - 0.38 * gap


def _tile(scene, rng):
  x, depth = _plane(scene, rng)
  side = np.float32(rng.uniform(20, 30))
  across, along = x / side, depth / side + np.float32(rng.random())
  gap = (across % 1.0 < 2.2 / side) | (along % 1.0 < 2.2 / side)
  checks = (np.floor(across) + np.floor(along)) % 2
  return 1 + 0.12 * (checks - 0.5) - 0.28 * gap


def _sand(scene, rng):
  grain = rng.standard_normal((scene.height, scene.width), np.float32)
  ripples = _plane(scene, rng)[1] * np.float32(0.45)
  ripples = np.sin(ripples + 1.2 * _clouds(scene, rng, 5))
  return 1 + 0.07 * grain + 0.05 * ripples


def _cloth(scene, rng):
  x, depth = _plane(scene, rng)
  weave = np.sign(np.sin(x * 1.6)) * np.sign(np.sin(depth * 1.6))
  angle = rng.uniform(0, np.pi)
  fold = np.sin(
    x * np.float32(0.09 * np.cos(angle))
    + depth * np.float32(0.09 * np.sin(angle))
    + 0.8 * _clouds(scene, rng, 3)
  )
  return 1 + 0.07 * weave + 0.13 * fold


def _stone(scene, rng):
  coarse = _clouds(scene, rng, 7)
  fine = _clouds(scene, rng, 24)
  veins = np.abs(_clouds(scene, rng, 6)) < 0.09
  return 1 + 0.08 * coarse + 0.07 * fine - 0.3 * veins


def _scatter_debris(canvas, scene, rng):
  """Crumbs and scratches that nobody names, 2 to 5 pixels long."""
  for _ in range(int(rng.integers(3, 14))):
    long = int(rng.integers(2, 6))
    wide = int(rng.integers(1, 3))
    if rng.random() < 0.5:
      long, wide = wide, long
    x = int(rng.integers(0, scene.width - long))
    y = int(rng.integers(scene.horizon, scene.height - wide))
    tone = np.float32(rng.uniform(0.55, 1.3))
    canvas[y : y + wide, x : x + long] *= tone


_TEXTURES = {
  'wood': _wood,
  'tile': _tile,
  'sand': _sand,
  'cloth': _cloth,
  'stone': _stone,
}
