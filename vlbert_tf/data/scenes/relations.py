"""What is true of a scene: who fits a description, what is left of what.

Relations hold only where nobody would argue: with a margin, by the centers
of the boxes. Pairs in between are neither left nor not left, and are not
talked about.
"""

import collections
import functools
import itertools

import numpy as np

from vlbert_tf.data.scenes.wording import Description
from vlbert_tf.data.scenes.world import Scene, SceneObject

_MARGIN = 0.12  # of the image's side along the axis of the relation
_NEAR_GAP = 0.1  # of the longer side, between the boxes
_SHORT_SHARE = 0.9  # references of one word, shape or color
_FAR_DISTANCE = 0.5  # of the longer side, between the centers
OPPOSITES = {
  'left': 'right',
  'right': 'left',
  'above': 'below',
  'below': 'above',
}


def descriptions(each: SceneObject) -> tuple[Description, ...]:
  """All that can truly be said of an object: its 16 subsets of attributes."""
  return _subsets(each.shape, each.color, each.material, each.size)


@functools.cache
def _subsets(*values):
  return tuple(
    Description(
      *(v if keep else None for v, keep in zip(values, kept, strict=True))
    )
    for kept in itertools.product((True, False), repeat=4)
  )


# All that is said of a scene asks for the same counts, one text after another.
@functools.lru_cache(maxsize=1)
def description_counts(scene: Scene) -> collections.Counter[Description]:
  """How many objects fit each description; absent means none does."""
  return collections.Counter(
    said for each in scene.objects for said in descriptions(each)
  )


def unique_description(
  scene: Scene,
  each: SceneObject,
  rng: np.random.Generator,
  hidden: tuple[str, ...] = (),
) -> Description | None:
  """A description that fits one object only.

  People name a thing by what tells it apart and no more: mostly its shape or
  its color alone, and an object that needs more words is mostly left out.

  Args:
    scene: where it must be unique.
    each: the object meant.
    rng: picks among the descriptions, short ones more often.
    hidden: attributes that may not be said, such as the one asked for.

  Returns:
    None where no description without the hidden attributes is unique, or
    only a long one is and the chance is against it.
  """
  counts = description_counts(scene)
  usable = [
    said
    for said in descriptions(each)
    if counts[said] == 1
    and said.length
    and all(getattr(said, attribute) is None for attribute in hidden)
  ]
  if rng.random() < _SHORT_SHARE:
    usable = [s for s in usable if s.length == 1 and (s.shape or s.color)]
  if not usable:
    return None
  weights = np.array([_speakability(said) for said in usable])
  return usable[int(rng.choice(len(usable), p=weights / weights.sum()))]


def _speakability(said):
  return (4.0 if said.shape else 1.0) * 0.35**said.length


def holds(
  scene: Scene, relation: str, one: SceneObject, other: SceneObject
) -> bool:
  """Whether `one` clearly is so related to `other`, both in pixels.

  Args:
    scene: its size decides what is clear.
    relation: a key of `wording.RELATION_PHRASES`.
    one: the object spoken of.
    other: the object that it is compared to.

  Raises:
    ValueError: the relation is unknown.
  """
  (x, y), (other_x, other_y) = one.center, other.center
  across, down = _MARGIN * scene.width, _MARGIN * scene.height
  longer = max(scene.width, scene.height)
  if relation == 'left':
    return x + across <= other_x
  if relation == 'right':
    return other_x + across <= x
  if relation == 'above':
    return y + down <= other_y and one.box[3] < other.box[3]
  if relation == 'below':
    return other_y + down <= y and other.box[3] < one.box[3]
  if relation == 'near':
    return _gap(one.box, other.box) <= _NEAR_GAP * longer
  if relation == 'far':
    return np.hypot(x - other_x, y - other_y) >= _FAR_DISTANCE * longer
  raise ValueError(
    'A relation is left, right, above, below, near or far. '
    f'Received: {relation!r}.'
  )


def only_one(
  scene: Scene, relation: str, anchor: SceneObject
) -> SceneObject | None:
  """The one object so related to the anchor, if all others clearly are not."""
  related = [o for o in scene.objects if holds(scene, relation, o, anchor)]
  if len(related) != 1:
    return None
  opposite = OPPOSITES[relation]
  rest = [o for o in scene.objects if o not in (anchor, related[0])]
  if all(holds(scene, opposite, o, anchor) for o in rest):
    return related[0]
  return None


def _gap(box, other):
  across = max(box[0] - other[2], other[0] - box[2], 0.0)
  down = max(box[1] - other[3], other[1] - box[3], 0.0)
  return np.hypot(across, down)
