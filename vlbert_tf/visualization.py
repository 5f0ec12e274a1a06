"""Pictures of what a model answers and where it looks."""

import dataclasses
import textwrap
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

_COLUMNS = 3
_CHARACTERS_A_LINE = 34


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnsweredQuestion:
  """One question with the model's answer.

  Attributes:
    image: uint8 `[H, W, 3]`.
    boxes: float32 `[R, 4]`, pixels of `image`.
    attention: float32 `[R]`, of the answer's [MASK] over the RoIs.
    question: its text.
    answer: the model's.
    score: its probability.
    truth: the most frequent human answer, or '' when unknown.
  """

  image: np.ndarray
  boxes: np.ndarray
  attention: np.ndarray
  question: str
  answer: str
  score: float
  truth: str


def draw_answers(
  questions: Sequence[AnsweredQuestion], path: str | BinaryIO
) -> None:
  """Draws questions in a grid; RoIs are outlined by their attention.

  Args:
    questions: at least one.
    path: of the PNG that is written, or a file that it is written to.
  """
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  rows = -(-len(questions) // _COLUMNS)
  figure = Figure(figsize=(4.2 * _COLUMNS, 4.1 * rows), layout='constrained')
  FigureCanvasAgg(figure)
  axes = np.atleast_1d(figure.subplots(rows, _COLUMNS)).ravel()
  for axis in axes:
    axis.axis('off')
  for axis, question in zip(axes, questions, strict=False):
    _draw(axis, question)
  figure.savefig(path, format='png', dpi=80)


def _draw(axis, question: AnsweredQuestion) -> None:
  from matplotlib.patches import Rectangle

  axis.imshow(question.image)
  strongest = max(float(question.attention.max(initial=0.0)), 1e-9)
  for box, attention in zip(question.boxes, question.attention, strict=True):
    x1, y1, x2, y2 = box
    share = float(attention) / strongest
    axis.add_patch(
      Rectangle(
        (x1, y1),
        x2 - x1,
        y2 - y1,
        fill=False,
        edgecolor=(1.0, 0.85, 0.0) if share > 0.5 else (1.0, 1.0, 1.0),
        linewidth=0.8 + 3.0 * share,
        alpha=0.35 + 0.65 * share,
      )
    )
    axis.text(
      x1,
      y1,
      f'{100 * attention:.0f} %',
      fontsize=8,
      color='black',
      va='bottom',
      bbox={'facecolor': 'white', 'alpha': 0.7, 'pad': 1, 'linewidth': 0},
    )
  right = question.answer == question.truth
  truth = '' if right or not question.truth else f' (people: {question.truth})'
  lines = textwrap.wrap(question.question, _CHARACTERS_A_LINE)
  lines.append(f'{question.answer}, {100 * question.score:.0f} %{truth}')
  color = 'black'
  if question.truth:
    color = 'darkgreen' if right else 'firebrick'
  axis.set_title('\n'.join(lines), fontsize=11, color=color)
