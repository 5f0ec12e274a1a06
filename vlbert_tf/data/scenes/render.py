"""Scenes → pixels: backdrop, shadows, lit and patterned objects, noise."""

import io

import numpy as np
from PIL import Image

from vlbert_tf.data.scenes import backdrop, shapes
from vlbert_tf.data.scenes.world import Scene

JPEG_QUALITY = 90
PALETTE = {
  'red': (205, 28, 32),
  'orange': (245, 128, 18),
  'yellow': (246, 216, 40),
  'green': (36, 146, 60),
  'blue': (34, 84, 206),
  'purple': (128, 48, 168),
  'white': (236, 236, 232),
  'black': (36, 36, 40),
}
_DARK_MARKED = {'white', 'yellow', 'orange'}  # others have light marks


def render(scene: Scene, rng: np.random.Generator) -> np.ndarray:
  """Paints a scene.

  Args:
    scene: what to paint.
    rng: light, backdrop, texture and noise come from it.

  Returns:
    uint8 `[height, width, 3]`, RGB.
  """
  light = _sample_light(rng)
  canvas = backdrop.paint(scene, rng)
  for each in scene.objects:
    _cast_shadow(canvas, each, light)
    _paint_object(canvas, each, light, rng)
  return _develop(canvas, rng)


def encode_jpeg(pixels: np.ndarray) -> bytes:
  """Encodes uint8 RGB pixels as a JPEG file."""
  target = io.BytesIO()
  Image.fromarray(pixels).save(target, 'JPEG', quality=JPEG_QUALITY)
  return target.getvalue()


def _sample_light(rng):
  """A unit vector towards the lamp: above, in front, to one side."""
  side = rng.uniform(0.25, 0.6) * (1 if rng.random() < 0.5 else -1)
  light = np.array([side, -rng.uniform(0.45, 0.75), rng.uniform(0.6, 0.8)])
  return (light / np.linalg.norm(light)).astype(np.float32)


def _cast_shadow(canvas, each, light):
  """Darkens a soft ellipse at the foot, drawn out away from the lamp."""
  side = each.pose.side
  x1, _, x2, y2 = each.box
  center_x = (x1 + x2) / 2 - light[0] * side * 0.3
  center_y = y2 - side * 0.07
  radius_x, radius_y = side * 0.6, side * 0.2
  top, bottom = _span(center_y, 2 * radius_y, canvas.shape[0])
  left, right = _span(center_x, 2 * radius_x, canvas.shape[1])
  across = ((np.arange(left, right) - center_x) / radius_x) ** 2
  down = ((np.arange(top, bottom) - center_y) / radius_y) ** 2
  shade = 1 - 0.5 * np.exp(-1.2 * (across[None, :] + down[:, None]))
  canvas[top:bottom, left:right] *= shade[..., None].astype(np.float32)


def _span(center, reach, limit):
  low = int(max(center - reach, 0))
  return low, max(int(min(center + reach + 1, limit)), low)


def _paint_object(canvas, each, light, rng):
  form = shapes.form_of(each.pose)
  shade, shine = _lit(form.normals, each.material, light)
  marks = _marks(each, rng)
  weight = form.inside.astype(np.float32)
  layers = shapes.shrink(np.stack([shade, shine, marks]) * weight)
  shade, shine, marks = layers / np.maximum(form.coverage, 1e-3)
  color = np.array(PALETTE[each.color], np.float32) + rng.uniform(-9, 9, 3)
  color = np.clip(color, 12, 242).astype(np.float32)
  toward = np.float32(20 if each.color in _DARK_MARKED else 250)
  # Black with white stripes must not look like white with black ones.
  strength = np.float32(0.5 if each.color in ('black', 'white') else 0.72)
  marked = color + (toward - color) * strength
  skin = color + marks[..., None] * (marked - color)
  skin = skin * shade[..., None] + shine[..., None]
  _blend(canvas, skin, form.coverage, each)


def _blend(canvas, skin, coverage, each):
  height, width = canvas.shape[:2]
  side = each.pose.side
  x1, y1 = max(each.left, 0), max(each.top, 0)
  x2, y2 = min(each.left + side, width), min(each.top + side, height)
  part = (
    slice(y1 - each.top, y2 - each.top),
    slice(x1 - each.left, x2 - each.left),
  )
  alpha = coverage[part][..., None]
  region = canvas[y1:y2, x1:x2]
  region += alpha * (np.minimum(skin[part], 255) - region)


def _lit(normals, material, light):
  """Diffuse factor and highlight of a skin: float32 `[n, n]` each."""
  facing = np.tensordot(light, normals, 1)
  diffuse = np.maximum(facing, 0)
  if material == 'metal':
    # A bright sky over a dark ground, mirrored, with a sharp horizon.
    mirror_y = 2 * facing * normals[1] - light[1]
    sky = 1 / (1 + np.exp(np.clip(9 * (mirror_y - 0.25), -30, 30)))
    shade = 0.3 + 0.42 * diffuse + 0.38 * sky
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    gloss = np.maximum(np.tensordot(half, normals, 1), 0)
    shine = 215 * gloss**28 + 45 * gloss**6 + _glint(normals.shape[1])
    return shade, shine
  shade = 0.42 + 0.62 * diffuse
  return shade, np.zeros_like(shade)


def _glint(count):
  """A window's reflection: without it flat metal would look matte."""
  steps = np.linspace(-1, 1, count, dtype=np.float32)
  slant = steps[None, :] + np.float32(0.55) * steps[:, None]
  near = np.exp(-(((slant + 0.3) / 0.13) ** 2))
  far = np.exp(-(((slant - 0.12) / 0.06) ** 2))
  return 105 * near + 70 * far


def _marks(each, rng):
  """How much of each fine pixel is stripe or dot: float32 `[n, n]`."""
  count = each.pose.side * shapes.SUPERSAMPLE
  if each.material not in ('striped', 'dotted'):
    return np.zeros((count, count), np.float32)
  pixels = np.arange(count, dtype=np.float32) / shapes.SUPERSAMPLE
  small = each.size == 'small'
  if each.material == 'striped':
    period = 6.0 if small else 8.5
    angle = rng.uniform(0.3, 1.2) * (1 if rng.random() < 0.5 else -1)
    across = pixels * np.float32(np.cos(angle))
    along = pixels * np.float32(np.sin(angle))
    phase = (along[:, None] + across[None, :]) / np.float32(period)
    phase = (phase + rng.random()) % 1.0
    return (phase < 0.38).astype(np.float32)
  period = 6.5 if small else 9.5
  shift = rng.random(2)
  cells = (pixels / np.float32(period) + shift[:, None]) % 1.0 - 0.5
  odd = np.floor(pixels / np.float32(period) + shift[1]) % 2 * 0.5
  staggered = (cells[0][None, :] + odd[:, None] + 0.5) % 1.0 - 0.5
  return (staggered**2 + cells[1][:, None] ** 2 < 0.1).astype(np.float32)


def _develop(canvas, rng):
  """Vignette, white balance, exposure and sensor noise."""
  height, width = canvas.shape[:2]
  across = np.linspace(-1, 1, width, dtype=np.float32) ** 2
  down = np.linspace(-1, 1, height, dtype=np.float32) ** 2
  vignette = 1 - np.float32(rng.uniform(0.02, 0.09)) * (
    across[None, :] + down[:, None]
  )
  gain = (rng.uniform(0.93, 1.06) * rng.uniform(0.97, 1.03, 3)).astype(
    np.float32
  )
  canvas *= vignette[..., None] * gain
  grain = rng.standard_normal((height, width), np.float32)
  canvas += (np.float32(rng.uniform(1.5, 4.5)) * grain)[..., None]
  return np.clip(canvas, 0, 255).astype(np.uint8)
