"""The scene graph: what stands where, before it is painted or talked about.

`sample_scene` draws a scene of a few objects. Each keeps its attributes, its
box in pixels and how much of it is visible, so that writers of other
annotations can read everything from a `Scene` without looking at pixels.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from vlbert_tf.data.scenes import shapes

SHAPES = shapes.SHAPES
COLORS = (
  'red',
  'orange',
  'yellow',
  'green',
  'blue',
  'purple',
  'white',
  'black',
)
MATERIALS = ('matte', 'metal', 'striped', 'dotted')
SIZES = ('small', 'large')
SURFACES = ('wood', 'tile', 'sand', 'cloth', 'stone')

# Sides of the square around an object, both ends included, in pixels of an
# image whose short side is REFERENCE_SIDE.
REFERENCE_SIDE = 120
SIDES = {'small': (22, 28), 'large': (42, 54)}
MIN_VISIBLE = 0.6  # part of an object's full silhouette
MIN_OBJECTS, MAX_OBJECTS = 3, 10
_COUNT_WEIGHTS = (0.40, 0.25, 0.14, 0.09, 0.05, 0.03, 0.02, 0.02)
_PLACING_ATTEMPTS = 30
_MAX_BOX_OVERLAP = 0.3  # of the smaller box; keeps refused placings cheap


# What a detector would tell apart: like the detector of Visual Genome, whose
# categories come with attributes, more than the bare shape.
CATEGORIES = tuple(f'{color} {shape}' for color in COLORS for shape in SHAPES)


@dataclasses.dataclass(frozen=True)
class SceneObject:
  """One object.

  Attributes:
    shape, color, material, size: of `SHAPES`, `COLORS`, `MATERIALS`, `SIZES`.
    pose: decides its silhouette.
    left, top: pixel of the image where the pose's square starts; may be
      negative.
    box: (x1, y1, x2, y2) in pixels, of the whole silhouette clipped to the
      image, covered parts included.
    area: pixels of the silhouette within the image.
    visible: part of the silhouette that is within the image and not covered.
  """

  shape: str
  color: str
  material: str
  size: str
  pose: shapes.Pose
  left: int
  top: int
  box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
  area: int = 0
  visible: float = 1.0

  @property
  def center(self) -> tuple[float, float]:
    """(x, y) of the box's middle, in pixels."""
    x1, y1, x2, y2 = self.box
    return (x1 + x2) / 2, (y1 + y2) / 2


@dataclasses.dataclass(frozen=True)
class Scene:
  """Objects on a surface.

  Attributes:
    width, height: of the image, in pixels.
    surface: of `SURFACES`, what the objects stand on.
    horizon: row where the wall meets the surface; 0 when seen from above.
    objects: in painting order, the far ones first.
    held_out: of `CATEGORIES`, those that no object may belong to and no text
      about the scene may name.
  """

  width: int
  height: int
  surface: str
  horizon: int
  objects: tuple[SceneObject, ...]
  held_out: frozenset[str] = frozenset()


def category(thing: SceneObject) -> str:
  """The one of `CATEGORIES` that an object belongs to."""
  return f'{thing.color} {thing.shape}'


def held_out_combinations(seed: int, count: int) -> tuple[str, ...]:
  """Chooses categories of which color and shape are seen apart alone.

  Args:
    seed: of the data set.
    count: how many; no color and no shape is in two of them.

  Returns:
    Some of `CATEGORIES`.

  Raises:
    ValueError: there are not so many colors.
  """
  if not 0 <= count <= len(COLORS):
    raise ValueError(
      'No color is held out twice, so that there are from 0 to '
      f'{len(COLORS)} held-out combinations. Received: {count}.'
    )
  rng = np.random.default_rng(np.random.SeedSequence((seed, len(CATEGORIES))))
  colors, forms = rng.permutation(COLORS), rng.permutation(SHAPES)
  return tuple(
    f'{color} {form}'
    for color, form in zip(colors[:count], forms[:count], strict=True)
  )


def sample_scene(
  rng: np.random.Generator,
  width: int = 160,
  height: int = 120,
  held_out: frozenset[str] = frozenset(),
) -> Scene:
  """Draws a scene of `MIN_OBJECTS` to `MAX_OBJECTS` objects.

  Args:
    rng: all that is random comes from it.
    width: of the image, in pixels.
    height: of the image, in pixels.
    held_out: see `Scene`.
  """
  horizon = 0 if rng.random() < 0.25 else int(height * rng.uniform(0.12, 0.3))
  surface = str(rng.choice(SURFACES))
  scale = min(width, height) / REFERENCE_SIDE
  while True:
    wanted = MIN_OBJECTS + int(
      rng.choice(len(_COUNT_WEIGHTS), p=_COUNT_WEIGHTS)
    )
    objects: list[SceneObject] = []
    for _ in range(wanted):
      candidate = None
      while candidate is None or category(candidate) in held_out:
        candidate = _sample_attributes(
          rng, objects, crowded=wanted > 5, scale=scale
        )
      objects = _place(rng, candidate, objects, width, height, horizon)
    if len(objects) >= MIN_OBJECTS:
      return Scene(width, height, surface, horizon, tuple(objects), held_out)


def measure(
  objects: Sequence[SceneObject], width: int, height: int
) -> list[SceneObject]:
  """Fills box, area and visible part of objects given in painting order.

  Args:
    objects: placed objects.
    width: of the image, in pixels.
    height: of the image, in pixels.

  Returns:
    The same objects with `box`, `area` and `visible` set from their masks.
  """
  owner = np.full((height, width), -1, np.int16)
  clipped = []
  for index, each in enumerate(objects):
    mask, (x, y) = _mask_in_image(each, width, height)
    rows, columns = mask.shape
    owner[y : y + rows, x : x + columns][mask] = index
    clipped.append((mask, x, y))
  shown = np.bincount(owner.ravel() + 1, minlength=len(objects) + 1)[1:]
  measured = []
  for each, (mask, x, y), pixels in zip(objects, clipped, shown, strict=True):
    full = int(shapes.silhouette(each.pose).sum())
    measured.append(
      dataclasses.replace(
        each,
        box=_bounding_box(mask, x, y),
        area=int(mask.sum()),
        visible=float(pixels) / full,
      )
    )
  return measured


def outline(each: SceneObject, width: int, height: int) -> list[list[float]]:
  """A polygon around the silhouette of an object, [x, y] in pixels.

  It goes down along the left end of each row and up along the right ends:
  holes are filled.

  Args:
    each: placed in the image.
    width: of the image, in pixels.
    height: of the image, in pixels.
  """
  mask, (x, y) = _mask_in_image(each, width, height)
  rows = np.flatnonzero(mask.any(1))
  columns = [np.flatnonzero(mask[row]) for row in rows]
  middle = [float(y + row) + 0.5 for row in rows]
  left = [[float(x + c[0]), m] for c, m in zip(columns, middle, strict=True)]
  right = [
    [float(x + c[-1] + 1), m] for c, m in zip(columns, middle, strict=True)
  ]
  return [*left, *reversed(right)]


def _sample_attributes(rng, others, crowded, scale):
  large = rng.random() < (0.35 if crowded else 0.5)
  size = 'large' if large else 'small'
  shape = str(rng.choice(SHAPES))
  color = str(rng.choice(COLORS))
  material = str(rng.choice(MATERIALS))
  # Objects alike in one way make questions that need the other words.
  if others and rng.random() < 0.45:
    twin = others[int(rng.integers(len(others)))]
    if rng.random() < 0.5:
      shape = twin.shape
    else:
      color = twin.color
  low, high = SIDES[size]
  pose = shapes.Pose(
    shape=shape,
    side=round(int(rng.integers(low, high + 1)) * scale),
    turn=round(float(rng.random()), 3),
    tilt=round(float(rng.uniform(-0.3, 0.3)), 3),
  )
  return SceneObject(shape, color, material, size, pose, left=0, top=0)


def _place(rng, candidate, others, width, height, horizon):
  """Adds the candidate where all stay visible, or returns `others` as is."""
  side = candidate.pose.side
  margin = side // 10
  # The foot of a standing object is on the surface, not on the wall.
  top_low = max(-margin, horizon + 8 - side)
  for _ in range(_PLACING_ATTEMPTS):
    moved = dataclasses.replace(
      candidate,
      left=int(rng.integers(-margin, width - side + margin + 1)),
      top=int(rng.integers(top_low, height - side + margin + 1)),
    )
    if any(_square_overlap(moved, each) > _MAX_BOX_OVERLAP for each in others):
      continue
    ordered = sorted([*others, moved], key=lambda o: o.top + o.pose.side)
    measured = measure(ordered, width, height)
    if all(each.visible >= MIN_VISIBLE for each in measured):
      return measured
  return others


def _square_overlap(one, two):
  """Intersection of two squares, as part of the smaller one."""
  wide = min(one.left + one.pose.side, two.left + two.pose.side)
  high = min(one.top + one.pose.side, two.top + two.pose.side)
  wide -= max(one.left, two.left)
  high -= max(one.top, two.top)
  if wide <= 0 or high <= 0:
    return 0.0
  return wide * high / math.pow(min(one.pose.side, two.pose.side), 2)


def _mask_in_image(each, width, height):
  """The silhouette cut to the image, and the pixel where it starts."""
  side = each.pose.side
  x1, y1 = max(each.left, 0), max(each.top, 0)
  x2, y2 = min(each.left + side, width), min(each.top + side, height)
  mask = shapes.silhouette(each.pose)
  cut = mask[y1 - each.top : y2 - each.top, x1 - each.left : x2 - each.left]
  return cut, (x1, y1)


def _bounding_box(mask, x, y):
  columns = np.flatnonzero(mask.any(0))
  rows = np.flatnonzero(mask.any(1))
  return (
    float(x + columns[0]),
    float(y + rows[0]),
    float(x + columns[-1] + 1),
    float(y + rows[-1] + 1),
  )
