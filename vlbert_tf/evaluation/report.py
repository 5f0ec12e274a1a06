"""An error analysis of what a model says, as one HTML page.

The page holds its pictures itself and loads nothing.
"""

import base64
import dataclasses
import html
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from vlbert_tf.evaluation import calibration

_FILE = 'index.html'
_TYPES_SHOWN = 30
_WORDS_OF_A_TYPE = 2
_YES_NO = ('yes', 'no')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
  """Something that a model said, and what is right.

  Attributes:
    place: of the example in its split, from 0.
    item: by which the data set knows it.
    text: that was asked: question, expression, caption.
    answer: the model's.
    confidence: its probability, in [0, 1].
    accuracy: of the answer by the task's own measure, in [0, 1].
    truth: what is right; '' where that is not known.
    types: that it belongs to, by what they are types of.
  """

  place: int
  item: str
  text: str
  answer: str
  confidence: float
  accuracy: float
  truth: str
  types: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
  """A part of the page: all that a model said of one kind.

  Attributes:
    heading: of the part.
    noun: what is counted, such as questions.
    judged: in the order of the split.
  """

  heading: str
  noun: str
  judged: Sequence[Judged]

  def cases(self, count: int) -> dict[str, list[Judged]]:
    """By heading, those that are shown in full, at most `count` of each."""
    return {
      'Most sure and wrong': worst(self.judged, count),
      'At random': some(self.judged, count),
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
  """Answers of one type.

  Attributes:
    name: of the type.
    count: answers.
    accuracy: mean, in [0, 1].
    confidence: mean, in [0, 1].
  """

  name: str
  count: int
  accuracy: float
  confidence: float


def first_words(text: str, count: int = _WORDS_OF_A_TYPE) -> str:
  """A type of question: its first words."""
  return ' '.join(text.lower().rstrip('?').split()[:count])


def answer_type(truth: str) -> str:
  """`yes/no`, `number`, `other`, or `not among the answers` for ''."""
  if not truth:
    return 'not among the answers'
  if truth in _YES_NO:
    return 'yes/no'
  return 'number' if truth.isdigit() else 'other'


def groups(judged: Iterable[Judged], kind: str) -> list[Group]:
  """Accuracy by type, the most frequent type first.

  Args:
    judged: all; those without a type of the kind are left out.
    kind: a key of `Judged.types`.
  """
  members = defaultdict(list)
  for one in judged:
    if kind in one.types:
      members[one.types[kind]].append(one)
  found = [
    Group(
      name=name,
      count=len(some),
      accuracy=sum(one.accuracy for one in some) / len(some),
      confidence=sum(one.confidence for one in some) / len(some),
    )
    for name, some in members.items()
  ]
  return sorted(found, key=lambda group: (-group.count, group.name))


def worst(answers: Iterable[Judged], count: int) -> list[Judged]:
  """Those that the model was most sure of in error.

  Args:
    answers: all.
    count: how many come back at most.

  Returns:
    By the confidence that was misplaced, confidence times 1 - accuracy.
  """
  wrong = [one for one in answers if one.accuracy < 1.0]
  wrong.sort(key=lambda one: (-_misplaced(one), one.place))
  return wrong[:count]


def some(answers: Sequence[Judged], count: int, seed: int = 0) -> list[Judged]:
  """A random sample, the same each time, in the order of the split."""
  chosen = random.Random(seed).sample(answers, min(count, len(answers)))
  return sorted(chosen, key=lambda one: one.place)


def places(sections: Iterable[Section], count: int) -> set[int]:
  """Of all examples whose pictures the page shows."""
  return {
    one.place
    for section in sections
    for chosen in section.cases(count).values()
    for one in chosen
  }


def write(
  folder: str,
  title: str,
  sections: Sequence[Section],
  count: int,
  pictures: Mapping[int, bytes],
) -> str:
  """Writes the page.

  Args:
    folder: made where it is missing.
    title: such as the model's folder and the split.
    sections: of the page; at least one has answers.
    count: answers of each kind that are shown in full.
    pictures: PNG by `Judged.place`; a case without one is text alone.

  Returns:
    Path of the page.

  Raises:
    ValueError: there are no answers.
  """
  told = [section for section in sections if section.judged]
  if not told:
    raise ValueError(
      'A report needs answers. Received: none. Choose a split with labels.'
    )
  tf.io.gfile.makedirs(folder)
  path = f'{folder.rstrip("/")}/{_FILE}'
  parts = [line for one in told for line in _section(one, count, pictures)]
  with tf.io.gfile.GFile(path, 'w') as file:
    file.write(_PAGE.format(title=_text(title), body='\n'.join(parts)))
  return path


def _section(
  section: Section, count: int, pictures: Mapping[int, bytes]
) -> list[str]:
  kinds = dict.fromkeys(kind for one in section.judged for kind in one.types)
  parts = [f'<h2>{_text(section.heading)}</h2>', *_summary(section)]
  for kind in kinds:
    parts += _table(f'By {kind}', section.noun, groups(section.judged, kind))
  parts += _calibration(section.judged)
  for heading, chosen in section.cases(count).items():
    parts += [f'<h3>{_text(heading)}</h3>', '<div class="cases">']
    parts += [_case(one, pictures.get(one.place)) for one in chosen]
    parts.append('</div>')
  return parts


def _misplaced(judged: Judged) -> float:
  return judged.confidence * (1.0 - judged.accuracy)


def _summary(section: Section) -> list[str]:
  count = len(section.judged)
  accuracy = sum(one.accuracy for one in section.judged) / count
  confidence = sum(one.confidence for one in section.judged) / count
  return [
    f'<p>{count:,} {_text(section.noun)}. Accuracy <b>{_percent(accuracy)}</b>,'
    f' mean confidence <b>{_percent(confidence)}</b>.</p>'
  ]


def _table(heading: str, noun: str, rows: Sequence[Group]) -> list[str]:
  parts = [
    f'<h3>{_text(heading)}</h3>',
    f'<table><thead><tr><th>type<th>{_text(noun)}<th>accuracy<th>confidence'
    '</tr></thead><tbody>',
  ]
  parts += [
    f'<tr><th scope="row">{_text(row.name)}<td>{row.count:,}'
    f'<td>{_percent(row.accuracy)}<td>{_percent(row.confidence)}</tr>'
    for row in rows[:_TYPES_SHOWN]
  ]
  parts.append('</tbody></table>')
  rest = rows[_TYPES_SHOWN:]
  if rest:
    others = sum(row.count for row in rest)
    parts.append(
      f'<p>And {len(rest)} rarer types, {others:,} {_text(noun)}.</p>'
    )
  return parts


def _calibration(answers: Sequence[Judged]) -> list[str]:
  filled = calibration.bins(
    [one.confidence for one in answers], [one.accuracy for one in answers]
  )
  error = calibration.expected_error(filled)
  parts = [
    '<h3>Calibration</h3>',
    '<p>A bar is the accuracy of the answers of a range of confidence; it '
    'ends on the line where the model is right as often as it says. Expected '
    f'calibration error <b>{_percent(error)}</b>.</p>',
    '<svg viewBox="-8 -4 116 116" role="img" aria-label="Accuracy by '
    'confidence" class="plot"><rect width="100" height="100" class="frame"/>',
  ]
  width = 100 / len(filled)
  for one in filled:
    if one.count:
      height = 100 * one.accuracy
      label = (
        f'{_percent(one.low)} to {_percent(one.high)}: {one.count:,} answers, '
        f'accuracy {_percent(one.accuracy)}'
      )
      parts.append(
        f'<rect class="bar" x="{100 * one.low:.1f}" y="{100 - height:.1f}" '
        f'width="{width:.1f}" height="{height:.1f}"><title>{label}</title>'
        '</rect>'
      )
  parts += [
    '<path d="M0 100 L100 0" class="diagonal"/>',
    '<text x="50" y="109" text-anchor="middle">confidence</text>',
    '<text x="-3" y="50" text-anchor="middle" '
    'transform="rotate(-90 -3 50)">accuracy</text></svg>',
    '<table><thead><tr><th>confidence<th>answers<th>mean confidence'
    '<th>accuracy</tr></thead><tbody>',
  ]
  parts += [
    f'<tr><th scope="row">{_percent(one.low)} – {_percent(one.high)}'
    f'<td>{one.count:,}<td>{_percent(one.confidence)}'
    f'<td>{_percent(one.accuracy)}</tr>'
    for one in filled
    if one.count
  ]
  return [*parts, '</tbody></table>']


def _case(judged: Judged, picture: bytes | None) -> str:
  shown = ''
  if picture:
    data = base64.b64encode(picture).decode()
    shown = f'<img alt="" src="data:image/png;base64,{data}">'
  truth = _text(judged.truth) or 'none of the model’s answers'
  return (
    f'<figure>{shown}<figcaption><b>{_text(judged.text)}</b><br>'
    f'model: {_text(judged.answer)}, {_percent(judged.confidence)}<br>'
    f'right: {truth}<br>accuracy {_percent(judged.accuracy)}, '
    f'{_text(judged.item)}</figcaption></figure>'
  )


def _text(value: str) -> str:
  return html.escape(value)


def _percent(share: float) -> str:
  return f'{100 * share:.1f} %'


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem;
  margin: 1rem auto; padding: 0 1rem; color: #111827; background: #fff; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: 0.2rem 0.8rem; border-bottom: 1px solid #d1d5db;
  text-align: right; }}
th:first-child {{ text-align: left; font-weight: normal; }}
.cases {{ display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); }}
figure {{ margin: 0; overflow-wrap: anywhere; }}
figure img {{ width: 100%; }}
.plot {{ width: 20rem; max-width: 100%; font-size: 5px; }}
.frame {{ fill: none; stroke: #6b7280; stroke-width: 0.5; }}
.bar {{ fill: #166534; fill-opacity: 0.75; stroke: #fff; stroke-width: 0.5; }}
.diagonal {{ stroke: #b91c1c; stroke-dasharray: 2; stroke-width: 0.7; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""
