"""Pictures of what a model sees, answers and looks at, and how it learned.

Each function writes a PNG. RoIs are (x1, y1, x2, y2) in pixels of the image.
"""

import dataclasses
import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import numpy as np

_COLUMNS = 3
_CHARACTERS_A_LINE = 34
_STRONG, _WEAK = (1.0, 0.85, 0.0), (1.0, 1.0, 1.0)
_ABOVE_THIS_SHARE = 0.5
_LINE = '#c2185b'

# A path, or a file that is open for writing bytes.
Target = str | os.PathLike | BinaryIO


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
  questions: Sequence[AnsweredQuestion], path: Target, columns: int = _COLUMNS
) -> None:
  """Draws questions in a grid; RoIs are outlined by their attention.

  Args:
    questions: at least one.
    path: of the PNG that is written.
    columns: of the grid.
  """
  figure, axes = _grid(len(questions), columns, width=4.2, height=4.1)
  for axis, question in zip(axes, questions, strict=False):
    _draw_question(axis, question)
  _save(figure, path)


def draw_boxes(
  image: np.ndarray,
  boxes: np.ndarray,
  path: Target,
  labels: Sequence[str] = (),
  weights: np.ndarray | None = None,
) -> None:
  """Draws RoIs on their image.

  Args:
    image: uint8 `[H, W, 3]`.
    boxes: float32 `[R, 4]`.
    path: of the PNG that is written.
    labels: a text for each box, such as its category, or none at all.
    weights: float32 `[R]`, such as scores, by which outlines are stronger or
      weaker; None for all alike.
  """
  if labels and len(labels) != len(boxes):
    raise ValueError(
      'Each box must have a label, or none may have one. '
      f'Received: {len(labels)} labels, {len(boxes)} boxes.'
    )
  figure, (axis,) = _grid(1, 1, width=6.0, height=6.0)
  axis.imshow(image)
  if weights is None:
    weights = np.ones(len(boxes), np.float32)
  _outline(axis, boxes, weights, labels or [''] * len(boxes))
  _save(figure, path)


def draw_attention(
  image: np.ndarray,
  boxes: np.ndarray,
  words: Sequence[str],
  attention: np.ndarray,
  path: Target,
) -> None:
  """Draws one layer's attention of words over RoIs, a picture for each head.

  As in the appendix of VL-BERT: a line leads from each word to each RoI, the
  more intense the more attention, after the lowest of all heads of the layer
  was mapped to nothing and the highest to a full line; heads are counted from
  0.

  Args:
    image: uint8 `[H, W, 3]`.
    boxes: float32 `[R, 4]`.
    words: T of them.
    attention: float32 `[heads, T, R]`.
    path: of the PNG that is written.

  Raises:
    ValueError: the sizes do not belong together.
  """
  heads = len(attention)
  if attention.shape[1:] != (len(words), len(boxes)):
    raise ValueError(
      'Attention must be [heads, words, boxes]. '
      f'Received: {list(attention.shape)}, {len(words)} words, '
      f'{len(boxes)} boxes.'
    )
  intensity = rescale_attention(attention)
  figure, axes = _grid(heads, min(4, heads), width=3.6, height=3.8)
  for head, axis in enumerate(axes[:heads]):
    axis.set_title(f'head {head}', fontsize=9)
    _draw_lines(axis, image, boxes, words, intensity[head])
  _save(figure, path)


def rescale_attention(attention: np.ndarray) -> np.ndarray:
  """Maps the lowest of all values to 0 and the highest to 1."""
  low, high = attention.min(), attention.max()
  return (attention - low) / max(high - low, 1e-9)


def draw_curves(
  curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
  path: Target,
  title: str = '',
) -> None:
  """Draws how quantities changed in the course of training.

  Args:
    curves: by name the steps and the values at them; names that differ only
      before a slash, as in `train/loss` and `validation/loss`, share a plot.
    path: of the PNG that is written.
    title: above all.
  """
  plots: dict[str, list[str]] = {}
  for name in curves:
    plots.setdefault(name.rpartition('/')[2], []).append(name)
  figure, axes = _grid(
    len(plots), min(_COLUMNS, len(plots)), width=4.2, height=3.0
  )
  for axis, (quantity, names) in zip(axes, plots.items(), strict=False):
    axis.axis('on')
    axis.set_title(quantity, fontsize=10)
    axis.set_xlabel('step', fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)
    for name in names:
      steps, values = curves[name]
      axis.plot(steps, values, label=name.rpartition('/')[0] or name)
    if len(names) > 1:
      axis.legend(fontsize=8)
  if title:
    figure.suptitle(title)
  _save(figure, path)


def _grid(count: int, columns: int, width: float, height: float):
  """A figure, and as many axes without marks as it has places, in inches."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  rows = -(-count // columns)
  figure = Figure(
    figsize=(width * columns, height * rows), layout='constrained'
  )
  FigureCanvasAgg(figure)
  axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
  for axis in axes:
    axis.axis('off')
  return figure, axes


def _save(figure, path: Target) -> None:
  figure.savefig(path, format='png', dpi=80)


def _draw_question(axis, question: AnsweredQuestion) -> None:
  axis.imshow(question.image)
  labels = [f'{100 * share:.0f} %' for share in question.attention]
  _outline(axis, question.boxes, question.attention, labels)
  right = question.answer == question.truth
  truth = '' if right or not question.truth else f' (people: {question.truth})'
  lines = textwrap.wrap(question.question, _CHARACTERS_A_LINE)
  lines.append(f'{question.answer}, {100 * question.score:.0f} %{truth}')
  color = 'black'
  if question.truth:
    color = 'darkgreen' if right else 'firebrick'
  axis.set_title('\n'.join(lines), fontsize=11, color=color)


def _outline(
  axis, boxes: np.ndarray, weights: np.ndarray, labels: Sequence[str]
) -> None:
  """Outlines of boxes, relative to the strongest."""
  from matplotlib.patches import Rectangle

  strongest = max(float(np.max(weights, initial=0.0)), 1e-9)
  for box, weight, label in zip(boxes, weights, labels, strict=True):
    x1, y1, x2, y2 = box
    share = float(weight) / strongest
    axis.add_patch(
      Rectangle(
        (x1, y1),
        x2 - x1,
        y2 - y1,
        fill=False,
        edgecolor=_STRONG if share > _ABOVE_THIS_SHARE else _WEAK,
        linewidth=0.8 + 3.0 * share,
        alpha=0.35 + 0.65 * share,
      )
    )
    if label:
      axis.text(
        x1,
        y1,
        label,
        fontsize=8,
        color='black',
        va='bottom',
        bbox={'facecolor': 'white', 'alpha': 0.7, 'pad': 1, 'linewidth': 0},
      )


def _draw_lines(
  axis,
  image: np.ndarray,
  boxes: np.ndarray,
  words: Sequence[str],
  intensity: np.ndarray,
) -> None:
  """Words in a row above an image, and lines to its boxes."""
  height, width = image.shape[:2]
  axis.imshow(image)
  _outline(axis, boxes, np.zeros(len(boxes), np.float32), [''] * len(boxes))
  top = -0.25 * height
  places = width * (np.arange(len(words)) + 0.5) / max(len(words), 1)
  for word, x, to_boxes in zip(words, places, intensity, strict=True):
    axis.text(x, top, word, fontsize=7, ha='left', va='bottom', rotation=50)
    for box, alpha in zip(boxes, to_boxes, strict=True):
      axis.plot(
        [x, (box[0] + box[2]) / 2],
        [top, (box[1] + box[3]) / 2],
        color=_LINE,
        linewidth=1.2,
        alpha=float(alpha),
      )
  axis.set_xlim(0, width)
  axis.set_ylim(height, 2.4 * top)
