"""Questions about a scene, with the one true answer of each.

The attribute asked for is never part of how its object is named, names fit
one object only, and the answers of a kind of question are drawn evenly, so
that little can be guessed without the image.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from vlbert_tf.data.scenes import relations, wording
from vlbert_tf.data.scenes.question_phrases import PHRASES, question_type
from vlbert_tf.data.scenes.wording import Description, noun_phrase, pick
from vlbert_tf.data.scenes.world import (
  COLORS,
  MATERIALS,
  SHAPES,
  SIZES,
  Scene,
)

MIN_QUESTIONS, MAX_QUESTIONS = 7, 9
_ATTRIBUTE_VALUES = (SHAPES, COLORS, MATERIALS, SIZES)
_COUNT_WEIGHTS = np.array([0.2, 0.22, 0.22, 0.16, 0.12, 0.08])
_ATTEMPTS = 40


@dataclasses.dataclass(frozen=True)
class Question:
  """A question and what is true.

  Attributes:
    text: as asked.
    answer: canonical and lower-case.
    family: what it is about; a key of `FAMILIES`.
    question_type: the first words, as the VQA data set groups questions.
    answer_type: 'yes/no', 'number' or 'other'.
  """

  text: str
  answer: str
  family: str
  question_type: str
  answer_type: str


def ask_questions(scene: Scene, rng: np.random.Generator) -> list[Question]:
  """Asks `MIN_QUESTIONS` to `MAX_QUESTIONS` different questions.

  Args:
    scene: what they are about.
    rng: picks families, objects and words.
  """
  wanted = int(rng.integers(MIN_QUESTIONS, MAX_QUESTIONS + 1))
  names = list(FAMILIES)
  weights = np.array([FAMILIES[name][0] for name in names])
  asked: dict[str, Question] = {}
  while len(asked) < wanted:
    family = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    # Another attempt of the same family, not of another one: an image where
    # a family is hard to ask about should not tilt the mixture.
    for _ in range(_ATTEMPTS):
      drawn = FAMILIES[family][1](scene, rng)
      if drawn is not None and drawn[0] not in asked:
        text, answer = drawn
        asked[text] = Question(
          text, answer, family, question_type(text), _answer_type(answer)
        )
        break
  return list(asked.values())


def _answer_type(answer):
  if answer in ('yes', 'no'):
    return 'yes/no'
  return 'number' if answer.isdigit() else 'other'


def _phrase(rng, family, **parts):
  return pick(rng, PHRASES[family]).format(**parts)


def _the(rng, said):
  return f'the {noun_phrase(rng, said)}'


def _attribute(attribute: str) -> Callable:
  """A family that asks for one attribute of one object."""

  def ask(scene, rng):
    # The value first, so that common ones are not asked about more often.
    values = sorted({getattr(each, attribute) for each in scene.objects})
    value = pick(rng, values)
    each = pick(
      rng, [o for o in scene.objects if getattr(o, attribute) == value]
    )
    said = relations.unique_description(scene, each, rng, (attribute,))
    if said is None or (attribute == 'size' and said.shape is None):
      return None
    text = _phrase(rng, attribute, the=_the(rng, said))
    return text, value

  return ask


def _related_shape(scene, rng):
  """What is left of the red ball?"""
  relation = pick(rng, ('left', 'right', 'above', 'below'))
  anchor = pick(rng, scene.objects)
  target = relations.only_one(scene, relation, anchor)
  said = relations.unique_description(scene, anchor, rng)
  if target is None or said is None or target.shape == said.shape:
    return None
  words = pick(rng, wording.RELATION_PHRASES[relation])
  text = _phrase(rng, 'related_shape', relation=words, the=_the(rng, said))
  return text, target.shape


def _related_color(scene, rng):
  relation = pick(rng, ('left', 'right', 'above', 'below'))
  anchor = pick(rng, scene.objects)
  target = relations.only_one(scene, relation, anchor)
  said = relations.unique_description(scene, anchor, rng)
  if target is None or said is None or target.color == said.color:
    return None
  words = pick(rng, wording.RELATION_PHRASES[relation])
  text = _phrase(rng, 'related_color', relation=words, the=_the(rng, said))
  return text, target.color


def _surface(scene, rng):
  return _phrase(rng, 'surface'), scene.surface


def _side(scene, rng):
  """Where is it: in the left, right or middle third, and clearly so."""
  each = pick(rng, scene.objects)
  said = relations.unique_description(scene, each, rng)
  wanted = pick(rng, ('left', 'middle', 'right'))
  place = each.center[0] / scene.width
  spans = {'left': (0, 0.3), 'middle': (0.4, 0.6), 'right': (0.7, 1)}
  low, high = spans[wanted]
  if said is None or not low <= place <= high:
    return None
  return _phrase(rng, 'side', the=_the(rng, said)), wanted


def _existence(scene, rng):
  length = int(rng.choice((1, 2, 3), p=(0.25, 0.5, 0.25)))
  yes = rng.random() < 0.5
  for _ in range(_ATTEMPTS):
    said = _present(scene, rng, length) if yes else _absent(scene, rng, length)
    if said is not None:
      break
  else:
    return None
  single = noun_phrase(rng, said)
  text = _phrase(
    rng,
    'existence',
    a=wording.with_article(single),
    many=noun_phrase(rng, said, plural=True),
  )
  return text, 'yes' if yes else 'no'


def _present(scene, rng, length):
  usable = [
    said
    for said in relations.descriptions(pick(rng, scene.objects))
    if said.length == length and _is_askable(said)
  ]
  return pick(rng, usable)


def _is_askable(said):
  """One of two sizes or four materials alone is almost always there."""
  return said.shape is not None or (said.length == 1 and said.color is not None)


def _absent(scene, rng, length):
  """Words that all fit something in the scene, but nothing at once."""
  values = []
  for place in range(4):
    shown = [
      (o.shape, o.color, o.material, o.size)[place] for o in scene.objects
    ]
    # A single word can only be absent if nothing has it.
    wide = length == 1 or rng.random() < 0.25
    values.append(pick(rng, _ATTRIBUTE_VALUES[place] if wide else shown))
  if length == 1:
    kept = {int(rng.integers(2))}
  else:
    kept = {0, *(1 + rng.permutation(3)[: length - 1]).tolist()}
  said = Description(*(values[i] if i in kept else None for i in range(4)))
  # What is never there would be asked about with the answer "no" alone.
  if f'{said.color} {said.shape}' in scene.held_out:
    return None
  return None if any(said.fits(o) for o in scene.objects) else said


def _count(scene, rng):
  number = int(rng.choice(len(_COUNT_WEIGHTS), p=_COUNT_WEIGHTS))
  if number == 0:
    said = _absent(scene, rng, int(rng.integers(1, 3)))
    if said is None:
      return None
  else:
    counts = relations.description_counts(scene)
    usable = [s for s, n in counts.items() if n == number and s.length <= 2]
    if not usable:
      return None
    said = pick(rng, usable)
  text = _phrase(rng, 'count', many=noun_phrase(rng, said, plural=True))
  return text, str(number)


def _two_objects(scene, rng, hidden=()):
  """Two objects and how each of them is named, or None."""
  order = rng.permutation(len(scene.objects))
  pair = [scene.objects[int(i)] for i in order[:2]]
  said = [relations.unique_description(scene, o, rng, hidden) for o in pair]
  return None if None in said else (*pair, *said)


def _relation(scene, rng):
  drawn = _two_objects(scene, rng)
  if drawn is None:
    return None
  one, other, said, other_said = drawn
  yes = rng.random() < 0.5
  relation = pick(rng, ('left', 'right', 'above', 'below'))
  true = relation if yes else relations.OPPOSITES[relation]
  if not relations.holds(scene, true, one, other):
    return None
  text = _phrase(
    rng,
    'relation',
    the=_the(rng, said),
    relation=pick(rng, wording.RELATION_PHRASES[relation]),
    other=_the(rng, other_said),
  )
  return text, 'yes' if yes else 'no'


def _same(scene, rng):
  attribute = pick(rng, ('color', 'shape', 'size', 'material'))
  yes = rng.random() < 0.5
  for _ in range(_ATTEMPTS):
    drawn = _two_objects(scene, rng, (attribute,))
    if drawn is None:
      continue
    one, other, said, other_said = drawn
    if (getattr(one, attribute) == getattr(other, attribute)) == yes:
      break
  else:
    return None
  words = 'kind of surface' if attribute == 'material' else attribute
  text = _phrase(
    rng,
    'same',
    the=_the(rng, said),
    other=_the(rng, other_said),
    attribute=words,
  )
  return text, 'yes' if yes else 'no'


def _bigger(scene, rng):
  """Which is bigger, the ball or the cone? Sizes are not said."""
  drawn = _two_objects(scene, rng, ('size',))
  if drawn is None:
    return None
  one, other, said, other_said = drawn
  if one.size == other.size or not (said.shape and other_said.shape):
    return None
  if said.shape == other_said.shape:
    return None
  word = pick(rng, ('bigger', 'larger', 'smaller'))
  wanted = 'small' if word == 'smaller' else 'large'
  text = _phrase(
    rng,
    'bigger',
    word=word,
    the=_the(rng, said),
    other=_the(rng, other_said),
  )
  return text, one.shape if one.size == wanted else other.shape


def _more(scene, rng):
  """Are there more red things than blue things?"""
  yes = rng.random() < 0.5
  counts = relations.description_counts(scene)
  usable = [s for s in counts if s.length == 1 and (s.shape or s.color)]
  one, other = pick(rng, usable), pick(rng, usable)
  if (one.shape is None) != (other.shape is None):
    return None
  if counts[one] == counts[other] or (counts[one] > counts[other]) != yes:
    return None
  text = _phrase(
    rng,
    'more',
    many=noun_phrase(rng, one, plural=True),
    others=noun_phrase(rng, other, plural=True),
  )
  return text, 'yes' if yes else 'no'


# Each with its share of all questions and the function that asks.
FAMILIES: dict[str, tuple[float, Callable]] = {
  'color': (0.33, _attribute('color')),
  'shape': (0.33, _attribute('shape')),
  'material': (0.07, _attribute('material')),
  'size': (0.04, _attribute('size')),
  'surface': (0.02, _surface),
  'existence': (0.10, _existence),
  'count': (0.06, _count),
  'relation': (0.02, _relation),
  'related_shape': (0.01, _related_shape),
  'related_color': (0.01, _related_color),
  'side': (0.01, _side),
  'same': (0.01, _same),
  'bigger': (0.005, _bigger),
  'more': (0.005, _more),
}
