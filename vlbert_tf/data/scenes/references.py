"""Texts that point at objects: referring expressions and multiple choice."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vlbert_tf.data.scenes import relations, wording
from vlbert_tf.data.scenes.wording import pick
from vlbert_tf.data.scenes.world import COLORS, MATERIALS, Scene

CANDIDATES = 4
MAX_EXPRESSIONS = 2  # of one object
MAX_CHOICES = 3  # of one scene
_ARTICLE_SHARE = 0.3

# Attributes that the name of an object, its shape, does not give away.
_VALUES = {'color': COLORS, 'material': MATERIALS}
_OTHER = {'color': 'material', 'material': 'color'}
_QUESTIONS = {
  'color': (
    ('What', 'color', 'is'),
    ('Which', 'color', 'has'),
    ('Tell', 'the', 'color', 'of'),
  ),
  'material': (
    ('What', 'is', 'the', 'surface', 'of'),
    ('What', 'kind', 'of', 'skin', 'has'),
    ('Tell', 'the', 'material', 'of'),
  ),
}

Token = str | list[int]


class Choice(NamedTuple):
  """A multiple-choice question as VCR writes it.

  Attributes:
    question: words, and lists of numbers of objects.
    answers: four candidates, one of them true.
    rationales: four candidates, one of them true.
    answer_label: place of the true answer.
    rationale_label: place of the true rationale.
  """

  question: list[Token]
  answers: list[list[Token]]
  rationales: list[list[Token]]
  answer_label: int
  rationale_label: int


def refer(scene: Scene, rng: np.random.Generator) -> list[tuple[int, str]]:
  """Refers to objects among others of their kind, without saying where.

  Args:
    scene: that the expressions are true of.
    rng: picks attributes and words.

  Returns:
    Number of the object and expression; each fits that object alone. None
    where no two objects have the same shape.
  """
  shapes = [each.shape for each in scene.objects]
  found: list[tuple[int, str]] = []
  for number, each in enumerate(scene.objects):
    if shapes.count(each.shape) < 2:
      continue
    for _ in range(MAX_EXPRESSIONS):
      said = relations.unique_description(scene, each, rng)
      if said is None:
        continue
      text = wording.noun_phrase(rng, said)
      if rng.random() < _ARTICLE_SHARE:
        text = f'the {text}'
      if (number, text) not in found:
        found.append((number, text))
  return found


def choose(scene: Scene, rng: np.random.Generator) -> list[Choice]:
  """Asks about objects by their numbers.

  The candidates of a question differ in one value, and the question tells
  nothing of it: without the image each has the same chance.

  Args:
    scene: that the labelled candidates are true of.
    rng: picks objects, words and wrong candidates.
  """
  numbers = rng.permutation(len(scene.objects))[:MAX_CHOICES]
  return [_choice(scene, int(number), rng) for number in numbers]


def _choice(scene: Scene, number: int, rng: np.random.Generator) -> Choice:
  each = scene.objects[number]
  attribute = pick(rng, tuple(_VALUES))
  answers, answer_label = _shuffled(scene, each, attribute, rng)
  reasons, rationale_label = _shuffled(scene, each, _OTHER[attribute], rng)
  return Choice(
    question=[*pick(rng, _QUESTIONS[attribute]), [number], '?'],
    answers=[[[number], 'is', value, '.'] for value in answers],
    rationales=[
      ['It', 'is', 'the', value, 'one', ',', [number], '.'] for value in reasons
    ],
    answer_label=answer_label,
    rationale_label=rationale_label,
  )


def _shuffled(scene, each, attribute, rng) -> tuple[Sequence[str], int]:
  """Four values of an attribute, and the place of the true one."""
  true = getattr(each, attribute)
  wrong = [
    value
    for value in _VALUES[attribute]
    if value != true and f'{value} {each.shape}' not in scene.held_out
  ]
  values = [wrong[int(i)] for i in rng.permutation(len(wrong))]
  values = values[: CANDIDATES - 1]
  label = int(rng.integers(CANDIDATES))
  return [*values[:label], true, *values[label:]], label
