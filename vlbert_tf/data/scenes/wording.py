"""Words and phrases that captions and questions are made of.

Every attribute value has one canonical word, which is the answer of
questions, and a few others that people use for it. Phrases that say nothing
about the objects (frames, verbs, adverbs) are free to vary.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vlbert_tf.data.scenes.world import SceneObject

# The first word of each row is canonical and the most frequent.
SHAPE_WORDS = {
  'cube': ('cube', 'box', 'block'),
  'ball': ('ball', 'sphere', 'orb'),
  'cylinder': ('cylinder', 'can', 'drum'),
  'cone': ('cone',),
  'ring': ('ring', 'hoop', 'donut'),
  'star': ('star',),
  'cross': ('cross', 'plus'),
  'heart': ('heart',),
  'moon': ('moon', 'crescent'),
}
COLOR_WORDS = {
  'red': ('red', 'scarlet'),
  'orange': ('orange', 'tangerine'),
  'yellow': ('yellow', 'golden'),
  'green': ('green', 'emerald'),
  'blue': ('blue', 'navy'),
  'purple': ('purple', 'violet'),
  'white': ('white', 'ivory'),
  'black': ('black', 'ebony'),
}
MATERIAL_WORDS = {
  'matte': ('matte', 'dull', 'plain'),
  'metal': ('metal', 'shiny', 'metallic', 'polished'),
  'striped': ('striped', 'stripy'),
  'dotted': ('dotted', 'spotted'),
}
SIZE_WORDS = {
  'small': ('small', 'little', 'tiny', 'mini'),
  'large': ('large', 'big', 'huge', 'giant'),
}
THING_WORDS = ('object', 'thing', 'item')
NUMBER_WORDS = (
  'no',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
)
SURFACE_PHRASES = {
  'wood': ('on a wooden floor', 'on wooden planks', 'on the wood'),
  'tile': ('on a tiled floor', 'on the tiles', 'on square tiles'),
  'sand': ('on the sand', 'in the sand', 'on sandy ground'),
  'cloth': ('on a cloth', 'on woven fabric', 'on a blanket'),
  'stone': ('on a stone floor', 'on cracked rock', 'on gray stone'),
}
RELATION_PHRASES = {
  'left': (
    'to the left of',
    'left of',
    'on the left side of',
    'on the left of',
  ),
  'right': (
    'to the right of',
    'right of',
    'on the right side of',
    'on the right of',
  ),
  'above': ('above', 'higher than', 'behind', 'farther back than'),
  'below': ('below', 'lower than', 'in front of', 'nearer than'),
  'near': ('next to', 'near', 'beside', 'close to', 'alongside'),
  'far': ('far from', 'far away from', 'well apart from'),
}
PLURALS = {'box': 'boxes', 'cross': 'crosses', 'plus': 'pluses'}


class Description(NamedTuple):
  """What is said of an object; None where nothing is said."""

  shape: str | None = None
  color: str | None = None
  material: str | None = None
  size: str | None = None

  def fits(self, each: SceneObject) -> bool:
    """Whether everything that is said is true of an object."""
    true = (each.shape, each.color, each.material, each.size)
    return all(
      said is None or said == value
      for said, value in zip(self, true, strict=True)
    )

  @property
  def length(self) -> int:
    """The number of attributes that are said."""
    return sum(value is not None for value in self)


def pick(rng: np.random.Generator, items: Sequence):
  """One of the items, all with the same chance."""
  return items[int(rng.integers(len(items)))]


def word_for(rng: np.random.Generator, words: Sequence[str]) -> str:
  """The first, canonical word mostly, or another of the row."""
  if len(words) == 1 or rng.random() < 0.75:
    return words[0]
  return words[int(rng.integers(1, len(words)))]


def noun_phrase(
  rng: np.random.Generator, said: Description, plural: bool = False
) -> str:
  """Words of a description, without an article: 'big red metal ball'."""
  words = []
  if said.size:
    words.append(word_for(rng, SIZE_WORDS[said.size]))
  color = word_for(rng, COLOR_WORDS[said.color]) if said.color else ''
  skin = word_for(rng, MATERIAL_WORDS[said.material]) if said.material else ''
  pair = [color, skin] if rng.random() < 0.6 else [skin, color]
  words += [word for word in pair if word]
  nouns = SHAPE_WORDS[said.shape] if said.shape else THING_WORDS
  noun = word_for(rng, nouns)
  if plural:
    noun = PLURALS.get(noun, noun + 's')
  return ' '.join([*words, noun])


def with_article(phrase: str) -> str:
  """Puts 'a' or 'an' before a phrase."""
  return f'{"an" if phrase[0] in "aeiou" else "a"} {phrase}'
