"""From what the page sends to what it shows, as JSON knows it."""

import dataclasses
import re
from typing import Any

from serving import answers, images, requests
from serving.web import pictures
from serving.web.upstream import Upstream

# Far above any model's; theirs is told by the model itself.
_MOST_CHARACTERS = 1000
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
FUNCTIONS = (*_REQUESTS, requests.MaskedText.function)

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
  upstream: Upstream, function: str, picture: pictures.Picture, text: str
) -> Json:
  """Asks one thing.

  Args:
    upstream: asked for it.
    function: one of `FUNCTIONS`.
    picture: to look at.
    text: question, expression, caption or sentence with blanks.

  Returns:
    `boxes` and what belongs to the function.

  Raises:
    ValueError: the text is empty or endless, or lacks a blank.
    ServerUnavailableError, DeadlineExceededError, ModelError: as a client.
  """
  if len(text) > _MOST_CHARACTERS:
    raise ValueError(
      f'A text may have at most {_MOST_CHARACTERS:,} characters. '
      f'Received: {len(text):,}. Shorten it.'
    )
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
