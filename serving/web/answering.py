"""From what the page sends to what it shows, as JSON knows it."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from serving import answers, images, requests
from serving.web import pictures
from serving.web.upstream import Upstream
from vlbert_tf.data import spoken_names

# Far above any model's; theirs is told by the model itself.
_MOST_CHARACTERS = 1000
# How people name a region: by its number, from 0.
_TAG = re.compile(r'\[(\d{1,4})\]')
# What people write for a missing word.
_BLANK = re.compile(r'_{2,}|\[mask\]', re.IGNORECASE)
# Numbers of attention are many; a ten-thousandth is nothing to look at.
_DIGITS = 4

_REQUESTS = {
  kind.function: kind
  for kind in (
    requests.Question,
    requests.Gaze,
    requests.Expression,
    requests.Caption,
  )
}
FUNCTIONS = (
  *_REQUESTS,
  requests.MaskedText.function,
  requests.Choice.function,
)

Json = dict[str, Any]


def regions(upstream: Upstream, picture: pictures.Picture) -> Json:
  """RoIs with their categories.

  Args:
    upstream: asked for them.
    picture: to look at.

  Returns:
    `regions`, each with `box`, `category` and `score`.

  Raises:
    ServerUnavailableError, DeadlineExceededError, ModelError: as a client.
  """
  found = upstream.regions(_image(picture))
  return {'regions': [dataclasses.asdict(region) for region in found]}


def answer(
  upstream: Upstream,
  function: str,
  picture: pictures.Picture,
  text: str,
  candidates: Sequence[str] = (),
) -> Json:
  """Asks one thing.

  Args:
    upstream: asked for it.
    function: one of `FUNCTIONS`.
    picture: to look at.
    text: question, expression, caption or sentence with blanks.
    candidates: answers to choose from; [0] in them, or in their question, is
      the first region that `regions` finds.

  Returns:
    `boxes` and what belongs to the function.

  Raises:
    ValueError: the text is empty or endless, lacks a blank, or names a region
      that there is not.
    ServerUnavailableError, DeadlineExceededError, ModelError: as a client.
  """
  longest = max(map(len, (text, *candidates)))
  if longest > _MOST_CHARACTERS:
    raise ValueError(
      f'A text may have at most {_MOST_CHARACTERS:,} characters. '
      f'Received: {longest:,}. Shorten it.'
    )
  if function == requests.Choice.function:
    return _choice(upstream, picture, text, candidates)
  if function == requests.MaskedText.function:
    return _words(upstream, picture, text)
  request = _REQUESTS[function](image=_image(picture), text=text)
  return _plain(upstream.send(request))


def _words(upstream: Upstream, picture: pictures.Picture, text: str) -> Json:
  """Words for the blanks, with the image and with a plain one."""
  masked = _BLANK.sub('[MASK]', text)
  if '[MASK]' not in masked:
    raise ValueError(
      'A sentence must have a blank, written as ___. '
      f'Received: {text!r}. Put ___ in the place of a word.'
    )
  seen = upstream.send(requests.MaskedText(image=_image(picture), text=masked))
  plain = _image(pictures.no_image(picture.width, picture.height))
  # One region: a detector would look for objects where there are none.
  whole = [(0.0, 0.0, float(plain.width), float(plain.height))]
  unseen = upstream.send(
    requests.MaskedText(image=plain, text=masked, boxes=whole)
  )
  return {**_plain(seen), 'words_without_image': _plain(unseen)['words']}


def _choice(
  upstream: Upstream,
  picture: pictures.Picture,
  text: str,
  candidates: Sequence[str],
) -> Json:
  """Probabilities of candidates."""
  found = upstream.regions(_image(picture))
  # As in VCR, a word stands for each region that is named.
  names = [
    spoken_names.spoken_name(region.category, number)
    for number, region in enumerate(found)
  ]
  question, tags = _tagged(text, names)
  tagged = [_tagged(candidate, names) for candidate in candidates]
  request = requests.Choice(
    image=_image(picture),
    boxes=[region.box for region in found] or None,
    text=question,
    tags=tags,
    candidates=[words for words, _ in tagged],
    candidate_tags=[numbers for _, numbers in tagged],
  )
  return _plain(upstream.send(request))


def _tagged(text: str, names: Sequence[str]) -> tuple[str, list[int]]:
  """Words with names in place of [0], and the region of each or -1."""
  words, tags = [], []
  for i, part in enumerate(_TAG.split(text)):
    if i % 2 and int(part) >= len(names):
      known = f'[0] to [{len(names) - 1}]' if names else 'none'
      raise ValueError(
        'A number in brackets must be that of a region. '
        f'Received: [{part}]; there are {known}. Correct the number.'
      )
    some = (names[int(part)] if i % 2 else part).split()
    words += some
    tags += [int(part) if i % 2 else -1] * len(some)
  return ' '.join(words), tags


def _image(picture: pictures.Picture) -> images.Image:
  """As the client reads it; it was decoded when it was prepared."""
  return images.Image(
    data=picture.data, width=picture.width, height=picture.height
  )


def _plain(found: answers.AnyAnswer) -> Json:
  return _rounded(dataclasses.asdict(found))


def _rounded(value: Any) -> Any:
  if isinstance(value, float):
    return round(value, _DIGITS)
  if isinstance(value, dict):
    return {key: _rounded(item) for key, item in value.items()}
  if isinstance(value, (list, tuple)):
    return [_rounded(item) for item in value]
  return value
