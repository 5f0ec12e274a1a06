"""Forms of the objects: which pixels a shape covers and where its skin faces.

A form is computed on a grid of twice the object's side in pixels, from
formulas alone. Axes are those of images, x to the right and y down; z points
to the viewer. The silhouette and the lighting are both derived from it.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

SUPERSAMPLE = 2
_ELEVATION = np.float32(np.radians(28.0))  # of the camera over the floor


class Pose(NamedTuple):
  """What decides a form, apart from its place in the image.

  Attributes:
    shape: one of `SHAPES`.
    side: edge of the square that the form is inscribed in, in pixels.
    turn: rotation of solids about the vertical, 0 to 1.
    tilt: rotation of flat shapes in the image plane, in radians.
  """

  shape: str
  side: int
  turn: float = 0.5
  tilt: float = 0.0


class Form(NamedTuple):
  """A shape on its fine grid, n = side * SUPERSAMPLE.

  Attributes:
    inside: bool `[n, n]`.
    normals: float32 `[3, n, n]`, unit vectors, meaningless outside.
    coverage: float32 `[side, side]`, part of each pixel that is covered.
  """

  inside: np.ndarray
  normals: np.ndarray
  coverage: np.ndarray


@functools.lru_cache(maxsize=64)
def form_of(pose: Pose) -> Form:
  """Computes the form of a pose; placing and painting share the result."""
  count = pose.side * SUPERSAMPLE
  steps = (np.arange(count, dtype=np.float32) + 0.5) * (2.0 / count) - 1.0
  x, y = np.broadcast_arrays(steps[None, :], steps[:, None])
  inside, normals = _BUILDERS[pose.shape](x, y, pose)
  return Form(inside, normals, shrink(inside.astype(np.float32)))


def silhouette(pose: Pose) -> np.ndarray:
  """The pixels at least half covered: bool `[side, side]`."""
  return form_of(pose).coverage >= 0.5


def shrink(grid: np.ndarray) -> np.ndarray:
  """Averages blocks of a fine grid: `[..., n, n]` to `[..., side, side]`."""
  rows = grid[..., 0::2, :] + grid[..., 1::2, :]
  return (rows[..., 0::2] + rows[..., 1::2]) * np.float32(0.25)


def _ball(x, y, pose):
  del pose
  height = 1.0 - x * x - y * y
  return height > 0, np.stack([x, y, np.sqrt(np.maximum(height, 0))])


def _cube(x, y, pose):
  yaw = np.radians(25.0 + 40.0 * pose.turn)
  edges = np.array(
    [
      [np.cos(yaw), 0.0, np.sin(yaw)],
      [-np.sin(yaw), 0.0, np.cos(yaw)],
      [0.0, 1.0, 0.0],
    ]
  )
  sine, cosine = np.sin(_ELEVATION), np.cos(_ELEVATION)
  camera = np.array([[1, 0, 0], [0, -cosine, sine], [0, sine, cosine]])
  axes = (edges @ camera.T).astype(np.float32)
  extent = np.abs(axes[:, :2]).sum(0).max() + 0.02
  axes_2d = axes[:, :2] / extent
  inside = np.zeros(x.shape, bool)
  normals = np.zeros((3, *x.shape), np.float32)
  for face in range(3):
    center = axes_2d[face]
    first, second = np.delete(axes_2d, face, 0)
    area = first[0] * second[1] - first[1] * second[0]
    dx, dy = x - center[0], y - center[1]
    across = (dx * second[1] - dy * second[0]) / area
    along = (dy * first[0] - dx * first[1]) / area
    here = (np.abs(across) <= 1) & (np.abs(along) <= 1)
    normals[:, here] = axes[face][:, None]
    inside |= here
  return inside, normals


def _cylinder(x, y, pose):
  radius = np.float32(0.62 + 0.16 * pose.turn)
  flat = np.float32(0.42) * radius
  bend = np.sqrt(np.maximum(1.0 - (x / radius) ** 2, 0))
  top = np.float32(-0.95) + flat
  bottom = np.float32(0.95) - flat
  lid = np.abs(y - top) <= flat * bend
  inside = (y <= bottom + flat * bend) & (y >= top - flat * bend)
  inside &= np.abs(x) < radius
  normals = np.stack(
    [
      np.where(lid, 0.0, x / radius),
      np.where(lid, -0.9, 0.0),
      np.where(lid, 0.44, bend),
    ]
  )
  return inside, normals.astype(np.float32)


def _cone(x, y, pose):
  radius = np.float32(0.72 + 0.18 * pose.turn)
  flat = np.float32(0.3) * radius
  apex, base = np.float32(-0.97), np.float32(0.95) - flat
  width = radius * (y - apex) / (base - apex)
  side = (np.abs(x) <= width) & (y <= base)
  foot = (x / radius) ** 2 + ((y - base) / flat) ** 2 <= 1
  share = np.clip(x / np.maximum(np.minimum(width, radius), 1e-3), -1, 1)
  lean = np.full_like(x, -0.36)
  front = np.sqrt(np.maximum(1.0 - share * share, 0))
  normals = np.stack([share * 0.93, lean, front * 0.93])
  return side | foot, normals.astype(np.float32)


def _ring(x, y, pose):
  squeeze = np.float32(0.68 + 0.3 * pose.turn)
  y = y / squeeze
  tube, middle = np.float32(0.29), np.float32(0.68)
  distance = np.maximum(np.sqrt(x * x + y * y), 1e-3)
  offset = (distance - middle) / tube
  height = 1.0 - offset * offset
  normals = np.stack(
    [
      offset * x / distance,
      offset * y / distance,
      np.sqrt(np.maximum(height, 0)),
    ]
  )
  return height > 0, normals


def _star(x, y, pose):
  """Five points, each with a ridge from the tip to the center."""
  x, y = _rotated(x, y + 0.05, pose.tilt)
  distance = np.sqrt(x * x + y * y)
  sector = np.float32(2 * np.pi / 5)
  angle = np.arctan2(x, -y)
  point = np.round(angle / sector) * sector
  folded = angle - point
  tip, notch = 1.0, 0.47
  half = sector / 2
  # The edge from the tip, on the ridge, to the notch, half a sector away.
  edge = np.array([notch * np.cos(half) - tip, notch * np.sin(half)])
  outward = np.array([edge[1], -edge[0]]) / np.hypot(*edge)
  along = distance * np.cos(folded)
  across = np.abs(distance * np.sin(folded))
  inside = (along - tip) * outward[0] + across * outward[1] <= 0
  facing = point + np.where(folded < 0, -1, 1) * np.float32(0.9) + pose.tilt
  normals = np.stack(
    [
      np.sin(facing) * 0.62,
      -np.cos(facing) * 0.62,
      np.full_like(facing, 0.78),
    ]
  )
  return inside, normals.astype(np.float32)


def _cross(x, y, pose):
  x, y = _rotated(x, y, pose.tilt)
  x, y = np.abs(x), np.abs(y)
  arm, reach = 0.31, 0.9
  upright = np.minimum(arm - x, reach - y)
  level = np.minimum(reach - x, arm - y)
  return _cushion(np.maximum(upright, level), 0.2)


def _heart(x, y, pose):
  x, y = _rotated(x, y, pose.tilt)
  lift = (0.12 - y) * 1.25 + 0.05 - 0.62 * np.sqrt(np.abs(x) + 0.002)
  return _cushion(0.93 - np.sqrt(x * x * 1.05 + lift * lift), 0.4)


def _moon(x, y, pose):
  x, y = _rotated(x, y, pose.tilt + (0.4 if pose.turn < 0.5 else np.pi - 0.4))
  outer = 0.97 - np.sqrt((x - 0.05) ** 2 + y * y)
  inner = np.sqrt((x - 0.55) ** 2 + y * y) - 0.7
  return _cushion(np.minimum(outer, inner), 0.28)


def _cushion(depth, bevel):
  """Rounds the rim of a flat shape: `depth` is the distance from its edge."""
  slope_y, slope_x = np.gradient(depth)
  steepness = np.maximum(np.hypot(slope_x, slope_y), 1e-6)
  lean = np.clip(1.0 - depth / bevel, 0.0, 0.97) * 0.9
  normals = np.stack(
    [
      -slope_x / steepness * lean,
      -slope_y / steepness * lean,
      np.sqrt(1.0 - lean * lean),
    ]
  )
  return depth > 0, normals.astype(np.float32)


def _rotated(x, y, angle):
  cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
  return x * cosine + y * sine, y * cosine - x * sine


_BUILDERS: dict[str, Callable] = {
  'cube': _cube,
  'ball': _ball,
  'cylinder': _cylinder,
  'cone': _cone,
  'ring': _ring,
  'star': _star,
  'cross': _cross,
  'heart': _heart,
  'moon': _moon,
}
SHAPES = tuple(_BUILDERS)
