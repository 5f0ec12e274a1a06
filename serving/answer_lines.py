"""Answers as lines of text, for a terminal."""

import functools

from serving import answers


@functools.singledispatch
def lines(answer: answers.AnyAnswer) -> list[str]:
  """What a person wants to see of an answer, the most probable first."""
  raise TypeError(
    'Only answers that fit on a screen are printed. '
    f'Received: {type(answer).__name__}.'
  )


@lines.register
def _(answer: answers.Answer) -> list[str]:
  return [_scored(each.score, each.text) for each in answer.answers]


@lines.register
def _(answer: answers.Grounding) -> list[str]:
  ranked = sorted(
    zip(answer.scores, answer.boxes, strict=True), key=lambda row: -row[0]
  )
  return [_scored(score, _corners(box)) for score, box in ranked]


@lines.register
def _(answer: answers.Decision) -> list[str]:
  # Places count from 1, as people do.
  ranked = sorted(enumerate(answer.probabilities, 1), key=lambda row: -row[1])
  return [_scored(score, f'candidate {k}') for k, score in ranked]


@lines.register
def _(answer: answers.FilledText) -> list[str]:
  return [
    _scored(each.score, f'[MASK] {number}: {each.text}')
    for number, words in enumerate(answer.words, 1)
    for each in words
  ]


@lines.register
def _(answer: answers.Match) -> list[str]:
  return [_scored(answer.score, 'the caption describes the image')]


def _scored(score: float, text: str) -> str:
  return f'{100 * score:5.1f} %  {text}'


def _corners(box) -> str:
  return ','.join(f'{coordinate:g}' for coordinate in box)
