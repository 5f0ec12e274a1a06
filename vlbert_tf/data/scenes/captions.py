"""Captions: true sentences about a scene in the style of web captions.

They are lower-case with spaces around punctuation, as in Conceptual
Captions. Numbers of objects are exact; 'a' says that there is at least one.
"""

import numpy as np

from vlbert_tf.data.scenes import relations, wording
from vlbert_tf.data.scenes.wording import Description, pick
from vlbert_tf.data.scenes.world import Scene

_FRAMES = (
  'a photo of',
  'photograph of',
  'a picture showing',
  'a close up of',
  'a studio shot of',
  'snapshot of',
  'a still life with',
  'this image shows',
  'here we see',
  'you can see',
  'there is',
  'an arrangement of',
  'a simple composition with',
  'an interesting scene with',
  'someone placed',
  'somebody has left',
  'a child dropped',
  'an artist arranged',
  'the photographer captured',
  'a view of',
  'a nice display of',
  'a collection containing',
  'the camera found',
  'a toy set including',
  'an old postcard of',
  'a colorful illustration of',
  'rendering of',
  'a modern exhibit featuring',
  'a catalog page with',
  'product shot of',
  'my favorite scene has',
  'the room contains',
  'we noticed',
  'a quick look at',
  'an unusual view of',
  'part of a game with',
  'design concept with',
  'an abstract sculpture of',
  'a museum piece with',
  'a lesson about geometry using',
)
_VERBS = (
  'sits',
  'lies',
  'stands',
  'rests',
  'is seen',
  'is placed',
  'waits',
  'is located',
  'appears',
  'is positioned',
  'can be found',
  'is shown',
  'has been put',
  'remains',
  'is displayed',
)
_PLURAL_VERBS = (
  'sit',
  'lie',
  'stand',
  'rest',
  'are seen',
  'wait',
  'are scattered',
  'are gathered',
  'are spread out',
  'appear',
  'are displayed',
  'were left',
)
_ADVERBS = (
  'quietly',
  'patiently',
  'calmly',
  'simply',
  'again',
  'today',
  'nicely',
  'neatly',
  'casually',
  'silently',
  'peacefully',
  'still',
  'as usual',
  'once more',
  'at last',
  'this morning',
  'in the afternoon',
  'for a while',
)
_ENDINGS = (
  'under soft light',
  'in daylight',
  'during an ordinary day',
  'with some dust around',
  'among small crumbs',
  'with gentle shadows',
  'under a warm lamp',
  'in a quiet place',
  'at home',
  'inside the workshop',
  'before class starts',
  'after playtime',
  'ready for sale',
  'as decoration',
  'seen through a lens',
  'without any people',
  'waiting to be painted',
  'just like yesterday',
  'on a rainy evening',
  'for the new season',
)
_JOINS = ('and', 'along with', 'together with', 'as well as', 'accompanied by')


def write_captions(
  scene: Scene, rng: np.random.Generator, count: int = 2
) -> list[str]:
  """Writes different captions of one scene.

  Args:
    scene: what they are true of.
    rng: picks objects and words.
    count: how many.
  """
  captions: list[str] = []
  while len(captions) < count:
    body = pick(rng, _BODIES)(scene, rng)
    if body and body not in captions:
      captions.append(body)
  return captions


def _single(scene, rng):
  phrase = _one_of(scene, rng, minimum=2)
  if rng.random() < 0.5:
    return _sentence(pick(rng, _FRAMES), phrase, *_setting(scene, rng))
  return _sentence(phrase, pick(rng, _VERBS), *_setting(scene, rng))


def _related_pair(scene, rng):
  order = rng.permutation(len(scene.objects))
  one, other = (scene.objects[int(i)] for i in order[:2])
  true = [
    name
    for name in wording.RELATION_PHRASES
    if relations.holds(scene, name, one, other)
  ]
  if not true:
    return None
  relation = pick(rng, wording.RELATION_PHRASES[pick(rng, true)])
  first = wording.with_article(_phrase(rng, one))
  second = wording.with_article(_phrase(rng, other))
  if rng.random() < 0.35:
    return _sentence(
      pick(rng, _FRAMES), first, relation, second, *_setting(scene, rng, 0.3)
    )
  return _sentence(
    first, pick(rng, _VERBS), relation, second, *_setting(scene, rng, 0.3)
  )


def _list_of_objects(scene, rng):
  number = 2 if rng.random() < 0.4 else 3
  order = rng.permutation(len(scene.objects))[:number]
  said = [_some_of(rng, scene.objects[int(i)], 1) for i in order]
  if len(set(said)) < number:
    return None
  phrases = [wording.with_article(wording.noun_phrase(rng, s)) for s in said]
  listed = f'{" , ".join(phrases[:-1])} {pick(rng, _JOINS)} {phrases[-1]}'
  if rng.random() < 0.6:
    return _sentence(pick(rng, _FRAMES), listed, *_setting(scene, rng))
  return _sentence(listed, pick(rng, _PLURAL_VERBS), *_setting(scene, rng))


def _described(scene, rng):
  """'the ball is red and the blue one is a cone'."""
  order = rng.permutation(len(scene.objects))[: int(rng.integers(1, 4))]
  counts = relations.description_counts(scene)
  clauses = []
  for each in (scene.objects[int(i)] for i in order):
    if counts[Description(shape=each.shape)] == 1:
      name = wording.noun_phrase(rng, Description(shape=each.shape))
      words = wording.COLOR_WORDS[each.color]
      clauses.append(f'the {name} is {wording.word_for(rng, words)}')
    elif counts[Description(color=each.color)] == 1:
      name = wording.word_for(rng, wording.COLOR_WORDS[each.color])
      shape = wording.noun_phrase(rng, Description(shape=each.shape))
      clauses.append(f'the {name} one is {wording.with_article(shape)}')
  return _sentence(' and '.join(clauses)) if clauses else None


def _counted(scene, rng):
  several = _several(scene, rng)
  if several is None:
    return None
  if rng.random() < 0.5:
    return _sentence(pick(rng, _FRAMES), several, *_setting(scene, rng))
  return _sentence(several, pick(rng, _PLURAL_VERBS), *_setting(scene, rng))


def _counted_and_single(scene, rng):
  several = _several(scene, rng)
  if several is None:
    return None
  single = _one_of(scene, rng, minimum=2)
  listed = f'{several} {pick(rng, _JOINS)} {single}'
  return _sentence(pick(rng, _FRAMES), listed, *_setting(scene, rng))


def _several(scene, rng):
  """'two red balls': a description that fits more than one object."""
  counts = relations.description_counts(scene)
  usable = [
    (said, number)
    for said, number in counts.items()
    if number >= 2 and 1 <= said.length <= 2 and (said.shape or said.color)
  ]
  if not usable:
    return None
  said, number = pick(rng, usable)
  phrase = wording.noun_phrase(rng, said, plural=True)
  return f'{wording.NUMBER_WORDS[number]} {phrase}'


def _one_of(scene, rng, minimum):
  said = _some_of(rng, pick(rng, scene.objects), minimum)
  return wording.with_article(wording.noun_phrase(rng, said))


def _phrase(rng, each):
  return wording.noun_phrase(rng, _some_of(rng, each, 1))


def _some_of(rng, each, minimum):
  """Keeps at least `minimum` attributes, the shape and the color mostly."""
  while True:
    kept = rng.random(4) < (0.97, 0.85, 0.15, 0.15)
    values = (each.shape, each.color, each.material, each.size)
    said = Description(
      *(v if keep else None for v, keep in zip(values, kept, strict=True))
    )
    if said.length >= minimum:
      return said


def _setting(scene, rng, chance=0.55):
  """Where and how; empty parts are left out."""
  parts = []
  if rng.random() < chance:
    parts.append(pick(rng, wording.SURFACE_PHRASES[scene.surface]))
  roll = rng.random()
  if roll < 0.2:
    parts.append(pick(rng, _ADVERBS))
  elif roll < 0.45:
    parts.append(pick(rng, _ENDINGS))
  return parts


def _sentence(*parts):
  return ' '.join([*parts, '.'])


_BODIES = (
  *[_described] * 6,
  _single,
  _related_pair,
  _related_pair,
  _list_of_objects,
  _list_of_objects,
  _counted,
  _counted_and_single,
)
