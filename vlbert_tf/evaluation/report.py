"""An error analysis of question answering, as one HTML page.

The page holds its pictures itself and loads nothing.
"""

import base64
import dataclasses
import html
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import tensorflow as tf

from vlbert_tf.evaluation import calibration

_FILE = 'index.html'
_TYPES_SHOWN = 30
_WORDS_OF_A_TYPE = 2
_YES_NO = ('yes', 'no')


@dataclasses.dataclass(frozen=True, kw_only=True)
class JudgedAnswer:
  """A question with the model's answer and what people said.

  Attributes:
    place: of the question in its split, from 0.
    question_id: of the data set.
    question: its text.
    answer: the model's.
    confidence: its probability, in [0, 1].
    accuracy: of the answer (VL-BERT §4.2.2), in [0, 1].
    truth: the most frequent human answer; '' where it is none of the model's
      answers.
  """

  place: int
  question_id: int
  question: str
  answer: str
  confidence: float
  accuracy: float
  truth: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
  """Questions of one type.

  Attributes:
    name: of the type.
    count: questions.
    accuracy: mean, in [0, 1].
    confidence: mean, in [0, 1].
  """

  name: str
  count: int
  accuracy: float
  confidence: float


def question_type(judged: JudgedAnswer) -> str:
  """The first two words of the question."""
  words = judged.question.lower().rstrip('?').split()
  return ' '.join(words[:_WORDS_OF_A_TYPE])


def answer_type(judged: JudgedAnswer) -> str:
  """`yes/no`, `number`, `other`, or `not among the answers`."""
  if not judged.truth:
    return 'not among the answers'
  if judged.truth in _YES_NO:
    return 'yes/no'
  return 'number' if judged.truth.isdigit() else 'other'


def groups(
  answers: Iterable[JudgedAnswer], kind: Callable[[JudgedAnswer], str]
) -> list[Group]:
  """Accuracy by type, the most frequent type first."""
  members = defaultdict(list)
  for judged in answers:
    members[kind(judged)].append(judged)
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


def worst(answers: Iterable[JudgedAnswer], count: int) -> list[JudgedAnswer]:
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


def some(
  answers: Sequence[JudgedAnswer], count: int, seed: int = 0
) -> list[JudgedAnswer]:
  """A random sample, the same each time, in the order of the split."""
  chosen = random.Random(seed).sample(answers, min(count, len(answers)))
  return sorted(chosen, key=lambda one: one.place)


def write(
  folder: str,
  title: str,
  answers: Sequence[JudgedAnswer],
  cases: Mapping[str, Sequence[JudgedAnswer]],
  pictures: Mapping[int, bytes],
) -> str:
  """Writes the page.

  Args:
    folder: made where it is missing.
    title: such as the model's folder and the split.
    answers: of the whole split; at least one.
    cases: by heading, answers that are shown with their pictures.
    pictures: PNG by `JudgedAnswer.place`; a case without one is text alone.

  Returns:
    Path of the page.

  Raises:
    ValueError: there are no answers.
  """
  if not answers:
    raise ValueError(
      'A report needs answers. Received: none. Choose a split with questions.'
    )
  tf.io.gfile.makedirs(folder)
  path = f'{folder.rstrip("/")}/{_FILE}'
  parts = [
    *_summary(answers),
    *_table('By type of answer', groups(answers, answer_type)),
    *_table('By first words of the question', groups(answers, question_type)),
    *_calibration(answers),
  ]
  for heading, chosen in cases.items():
    parts += [f'<h2>{_text(heading)}</h2>', '<div class="cases">']
    parts += [_case(judged, pictures.get(judged.place)) for judged in chosen]
    parts.append('</div>')
  with tf.io.gfile.GFile(path, 'w') as file:
    file.write(_PAGE.format(title=_text(title), body='\n'.join(parts)))
  return path


def _misplaced(judged: JudgedAnswer) -> float:
  return judged.confidence * (1.0 - judged.accuracy)


def _summary(answers: Sequence[JudgedAnswer]) -> list[str]:
  count = len(answers)
  accuracy = sum(one.accuracy for one in answers) / count
  confidence = sum(one.confidence for one in answers) / count
  return [
    f'<p>{count:,} questions. Accuracy <b>{_percent(accuracy)}</b>, mean '
    f'confidence <b>{_percent(confidence)}</b>.</p>'
  ]


def _table(heading: str, rows: Sequence[Group]) -> list[str]:
  parts = [
    f'<h2>{_text(heading)}</h2>',
    '<table><thead><tr><th>type<th>questions<th>accuracy<th>confidence'
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
    questions = sum(row.count for row in rest)
    parts.append(
      f'<p>And {len(rest)} rarer types, {questions:,} questions.</p>'
    )
  return parts


def _calibration(answers: Sequence[JudgedAnswer]) -> list[str]:
  filled = calibration.bins(
    [one.confidence for one in answers], [one.accuracy for one in answers]
  )
  error = calibration.expected_error(filled)
  parts = [
    '<h2>Calibration</h2>',
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


def _case(judged: JudgedAnswer, picture: bytes | None) -> str:
  shown = ''
  if picture:
    data = base64.b64encode(picture).decode()
    shown = f'<img alt="" src="data:image/png;base64,{data}">'
  people = _text(judged.truth) or 'none of the model’s answers'
  return (
    f'<figure>{shown}<figcaption><b>{_text(judged.question)}</b><br>'
    f'model: {_text(judged.answer)}, {_percent(judged.confidence)}<br>'
    f'people: {people}<br>accuracy {_percent(judged.accuracy)}, question '
    f'{judged.question_id}</figcaption></figure>'
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
figure {{ margin: 0; }}
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
