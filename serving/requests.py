"""Typed requests, valid once they exist, and the tensors that they become.

One class for each function of `signatures`. A request is checked before it is
sent: on a server that merges requests into batches, one that fails in the
graph fails its neighbors too.
"""

import abc
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from serving import images, messages, signatures

Box = Sequence[float]
# Polygons of (x, y).
Outline = Sequence[Sequence[Sequence[float]]]

_MASK = '[MASK]'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request(abc.ABC):
  """An image, regions of it, and a text.

  Attributes:
    image: see `images.read_image`.
    boxes: RoIs (x1, y1, x2, y2) in pixels of the image as decoded (an
      orientation tag is not applied); None for those that the export's
      detector finds, or one around all of the image where it has none.
  """

  function: ClassVar[str]

  image: images.Image
  boxes: Sequence[Box] | None = None

  def __post_init__(self) -> None:
    if self.boxes is None:
      return
    if not len(self.boxes):
      raise ValueError(
        'A request needs at least one box. Received: none. '
        'Pass boxes=None for one that covers the whole image.'
      )
    for box in self.boxes:
      _check_box(box, self.image)

  @property
  def has_outlines(self) -> bool:
    """Whether the RoIs have outlines."""
    return False

  @abc.abstractmethod
  def texts(self) -> Mapping[str, str | Sequence[str]]:
    """One row of each input that is a text."""

  def resized(self, max_side: int) -> 'Request':
    """The same request with a smaller image, and boxes to fit."""
    image = images.shrink(self.image, max_side)
    if image is self.image or self.boxes is None:
      return dataclasses.replace(self, image=image)
    x, y = image.width / self.image.width, image.height / self.image.height
    return dataclasses.replace(self, image=image, **self._scaled(x, y))

  def _scaled(self, x: float, y: float) -> dict[str, Sequence]:
    """What is told in pixels, on an image so many times as large."""
    boxes = [(b[0] * x, b[1] * y, b[2] * x, b[3] * y) for b in self.boxes]
    return {'boxes': boxes}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question(Request):
  """Asks for an answer (VQA)."""

  function = 'answer'
  text: str

  def __post_init__(self) -> None:
    super().__post_init__()
    _check_words('A question', self.text)

  def texts(self) -> Mapping[str, str | Sequence[str]]:
    return {'question': self.text}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gaze(Question):
  """Asks where the model looks for the answer, and at each word."""

  function = 'attend'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expression(Request):
  """Asks which region is meant (RefCOCO+)."""

  function = 'ground'
  text: str

  def __post_init__(self) -> None:
    super().__post_init__()
    _check_words('An expression', self.text)

  def texts(self) -> Mapping[str, str | Sequence[str]]:
    return {'expression': self.text}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice(Request):
  """Asks which of four candidates is right (VCR).

  Attributes:
    text: words with spaces between them.
    candidates: four of the kind.
    tags: for each word of the text the row of the box that it names, -1 for
      none; empty where no word names one.
    candidate_tags: the same for each candidate.
    outlines: of each box polygons of (x, y) in pixels, none where they are not
      known; None for boxes alone. The export has to be of a model that was
      trained with outlines; such a model answers requests without as well, but
      sees in them whole boxes, as it never did in training.
  """

  function = 'choose'
  text: str
  candidates: Sequence[str]
  tags: Sequence[int] = ()
  candidate_tags: Sequence[Sequence[int]] = ((),) * signatures.CANDIDATES
  outlines: Sequence[Outline] | None = None

  def __post_init__(self) -> None:
    super().__post_init__()
    count = signatures.CANDIDATES
    if not len(self.candidates) == len(self.candidate_tags) == count:
      raise ValueError(
        f'A question must have {count} candidates, each with its tags. '
        f'Received: {len(self.candidates)} and {len(self.candidate_tags)}. '
        'Complete the lists.'
      )
    _check_tagged('A question', self.text, self.tags)
    for text, tags in zip(self.candidates, self.candidate_tags, strict=True):
      _check_tagged('A candidate', text, tags)
    if self.outlines is not None:
      _check_outlines(self.outlines, () if self.boxes is None else self.boxes)

  @property
  def has_outlines(self) -> bool:
    return self.outlines is not None

  def _scaled(self, x: float, y: float) -> dict[str, Sequence]:
    scaled = super()._scaled(x, y)
    if self.outlines is not None:
      scaled['outlines'] = [
        [[(p[0] * x, p[1] * y) for p in polygon] for polygon in outline]
        for outline in self.outlines
      ]
    return scaled

  def texts(self) -> Mapping[str, str | Sequence[str]]:
    return {
      'question': self.text,
      'question_tags': _joined(self.tags),
      'candidates': list(self.candidates),
      'candidate_tags': [_joined(tags) for tags in self.candidate_tags],
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedText(Request):
  """Asks for the words that [MASK] stands for."""

  function = 'fill_mask'
  text: str

  def __post_init__(self) -> None:
    super().__post_init__()
    if _MASK not in self.text:
      raise ValueError(
        f'A text must contain {_MASK} where a word is asked for. '
        f'Received: {self.text!r}. Put one there.'
      )

  def texts(self) -> Mapping[str, str | Sequence[str]]:
    return {'text': self.text}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Caption(Request):
  """Asks whether a caption describes the image."""

  function = 'match'
  text: str

  def __post_init__(self) -> None:
    super().__post_init__()
    _check_words('A caption', self.text)

  def texts(self) -> Mapping[str, str | Sequence[str]]:
    return {'caption': self.text}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Passage(Request):
  """Asks for the vectors of a text and the regions."""

  function = 'embed'
  text: str

  def __post_init__(self) -> None:
    super().__post_init__()
    _check_words('A text', self.text)

  def texts(self) -> Mapping[str, str | Sequence[str]]:
    return {'text': self.text}


def tensors(
  batch: Sequence[Request], with_boxes: bool, slots: int = 0
) -> dict[str, messages.Tensor]:
  """Inputs of one call.

  Args:
    batch: requests of one class.
    with_boxes: whether the signature takes boxes.
    slots: boxes that each row has at least, so that requests have one shape;
      those beyond the request's own are padding.
  """
  rows = [request.texts() for request in batch]
  inputs = {
    'image': messages.string_tensor(
      [request.image.data for request in batch], [len(batch)]
    )
  }
  for name in rows[0]:
    values = [row[name] for row in rows]
    shape = [len(values)]
    if not isinstance(values[0], str):
      shape.append(len(values[0]))
      values = [text for row in values for text in row]
    inputs[name] = messages.string_tensor([v.encode() for v in values], shape)
  if with_boxes:
    boxes = [_boxes(request) for request in batch]
    slots = max(slots, *map(len, boxes), 1)
    inputs['boxes'] = _box_tensor(boxes, slots)
    if batch[0].has_outlines:
      inputs['outlines'] = _outline_tensor(
        [request.outlines for request in batch], slots
      )
  return inputs


def _box_tensor(boxes: Sequence[Sequence[Box]], slots: int) -> messages.Tensor:
  padding = [(signatures.PADDING_COORDINATE,) * 4]
  coordinates = [
    float(c)
    for row in boxes
    for box in [*row, *padding * (slots - len(row))]
    for c in box
  ]
  return messages.float_tensor(coordinates, [len(boxes), slots, 4])


def _outline_tensor(
  rows: Sequence[Sequence[Outline]], slots: int
) -> messages.Tensor:
  texts = [
    _written(outline).encode()
    for row in rows
    for outline in [*row, *[()] * (slots - len(row))]
  ]
  return messages.string_tensor(texts, [len(rows), slots])


def _written(outline: Outline) -> str:
  """JSON; a hundredth of a pixel is nothing to look at."""
  if not len(outline):
    return ''
  points = [[[round(float(c), 2) for c in p] for p in ps] for ps in outline]
  return json.dumps(points, separators=(',', ':'))


def _boxes(request: Request) -> Sequence[Box]:
  if request.boxes is not None:
    return request.boxes
  return [(0.0, 0.0, float(request.image.width), float(request.image.height))]


def _check_box(box: Box, image: images.Image) -> None:
  numbers = len(box) == 4 and all(map(math.isfinite, box))
  if not numbers or box[2] <= box[0] or box[3] <= box[1]:
    raise ValueError(
      'A box must be four finite numbers x1, y1, x2, y2 with x1 < x2 and '
      f'y1 < y2, in pixels. Received: {list(box)}. Correct or drop this box.'
    )
  if min(box[2:]) <= 0 or box[0] >= image.width or box[1] >= image.height:
    raise ValueError(
      'A box must overlap its image. '
      f'Received: {list(box)}, image {image.width}x{image.height}. '
      'Correct or drop this box.'
    )


def _check_outlines(outlines: Sequence[Outline], boxes: Sequence[Box]) -> None:
  if len(outlines) != len(boxes):
    raise ValueError(
      'Each box must have an outline, or an empty one. '
      f'Received: {len(outlines)} outlines, {len(boxes)} boxes. '
      'Pass one for each, in the order of the boxes.'
    )
  for outline in outlines:
    for polygon in outline:
      points = all(len(p) == 2 and all(map(math.isfinite, p)) for p in polygon)
      if not points or len(polygon) < 3:
        raise ValueError(
          'An outline must be polygons of at least three points (x, y), in '
          f'pixels. Received: {list(polygon)}. Correct or drop this polygon.'
        )


def _check_words(what: str, text: str) -> None:
  if not text.strip():
    raise ValueError(
      f'{what} must have words. Received: {text!r}. '
      'Say something about the image.'
    )


def _check_tagged(what: str, text: str, tags: Sequence[int]) -> None:
  _check_words(what, text)
  if len(tags) not in (0, len(text.split())):
    raise ValueError(
      f'{what} must have as many tags as words, or none. '
      f'Received: {len(tags)} tags, {len(text.split())} words. '
      'Pass -1 for a word that names no box.'
    )


def _joined(tags: Sequence[int]) -> str:
  return ' '.join(map(str, tags))
