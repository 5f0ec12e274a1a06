"""Typed answers, read from the tensors of a response."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from serving import messages, requests, signatures

# One row of each output, by name.
Row = Mapping[str, object]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scored:
  """A text with its probability."""

  text: str
  score: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
  """What came back for a `Question`.

  Attributes:
    answers: the most probable first.
    boxes: the RoIs, those of the request in its order or the detector's.
    attention: for each of them the attention that the answer's place paid.
    model_version: version that answered.
  """

  outputs: ClassVar[tuple[str, ...]] = ('answers', 'scores', 'attention')

  answers: list[Scored]
  boxes: list[requests.Box]
  attention: list[float]
  model_version: int

  @classmethod
  def read(cls, row: Row, boxes: list[requests.Box], version: int) -> Self:
    """Reads one row."""
    return cls(
      answers=_scored(row['answers'], row['scores']),
      boxes=boxes,
      attention=row['attention'][: len(boxes)],
      model_version=version,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gaze:
  """What came back for a `Gaze` of `requests`: attention over the RoIs.

  Attributes:
    boxes: as in `Answer`.
    attention: of the answer's place; by layer, head and box.
    pieces: word pieces; [CLS], the answer's [MASK] and [SEP] included.
    word_attention: by layer, head, piece and box.
    model_version: version that answered.
  """

  outputs: ClassVar[tuple[str, ...]] = (
    'attention', 'pieces', 'word_attention',
  )  # fmt: skip

  boxes: list[requests.Box]
  attention: list[list[list[float]]]
  pieces: list[str]
  word_attention: list[list[list[list[float]]]]
  model_version: int

  @classmethod
  def read(cls, row: Row, boxes: list[requests.Box], version: int) -> Self:
    """Reads one row."""
    rois = len(boxes)
    pieces = [piece.decode() for piece in row['pieces'] if piece]
    return cls(
      boxes=boxes,
      attention=[[head[:rois] for head in layer] for layer in row['attention']],
      pieces=pieces,
      word_attention=[
        [[word[:rois] for word in head[: len(pieces)]] for head in layer]
        for layer in row['word_attention']
      ],
      model_version=version,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grounding:
  """What came back for an `Expression`.

  Attributes:
    index: row of `boxes` that is meant.
    boxes: as in `Answer`.
    scores: probability of each that it is meant.
    model_version: version that answered.
  """

  outputs: ClassVar[tuple[str, ...]] = ('index', 'scores')

  index: int
  boxes: list[requests.Box]
  scores: list[float]
  model_version: int

  @property
  def box(self) -> requests.Box:
    """The one that is meant."""
    return self.boxes[self.index]

  @classmethod
  def read(cls, row: Row, boxes: list[requests.Box], version: int) -> Self:
    """Reads one row."""
    return cls(
      index=row['index'],
      boxes=boxes,
      scores=row['scores'][: len(boxes)],
      model_version=version,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
  """What came back for a `Choice`: the candidates' probabilities."""

  outputs: ClassVar[tuple[str, ...]] = ('probabilities',)

  probabilities: list[float]
  boxes: list[requests.Box]
  model_version: int

  @classmethod
  def read(cls, row: Row, boxes: list[requests.Box], version: int) -> Self:
    """Reads one row."""
    return cls(
      probabilities=row['probabilities'], boxes=boxes, model_version=version
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilledText:
  """What came back for a `MaskedText`.

  Attributes:
    words: for each [MASK] its words, the most probable first.
    boxes: as in `Answer`.
    model_version: version that answered.
  """

  outputs: ClassVar[tuple[str, ...]] = ('words', 'scores')

  words: list[list[Scored]]
  boxes: list[requests.Box]
  model_version: int

  @classmethod
  def read(cls, row: Row, boxes: list[requests.Box], version: int) -> Self:
    """Reads one row."""
    masks = zip(row['words'], row['scores'], strict=True)
    words = [_scored(*mask) for mask in masks]
    return cls(
      words=[mask for mask in words if mask],
      boxes=boxes,
      model_version=version,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Match:
  """What came back for a `Caption`: the probability that it fits."""

  outputs: ClassVar[tuple[str, ...]] = ('score',)

  score: float
  boxes: list[requests.Box]
  model_version: int

  @classmethod
  def read(cls, row: Row, boxes: list[requests.Box], version: int) -> Self:
    """Reads one row."""
    return cls(score=row['score'], boxes=boxes, model_version=version)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embedding:
  """What came back for a `Passage`: final states.

  Attributes:
    pieces: word pieces, [CLS] and [SEP] included.
    text_vectors: one for each.
    boxes: as in `Answer`.
    roi_vectors: one for each.
    pooled: the one of [CLS].
    model_version: version that answered.
  """

  outputs: ClassVar[tuple[str, ...]] = (
    'pieces', 'text_vectors', 'roi_vectors', 'pooled',
  )  # fmt: skip

  pieces: list[str]
  text_vectors: list[list[float]]
  boxes: list[requests.Box]
  roi_vectors: list[list[float]]
  pooled: list[float]
  model_version: int

  @classmethod
  def read(cls, row: Row, boxes: list[requests.Box], version: int) -> Self:
    """Reads one row."""
    pieces = [piece.decode() for piece in row['pieces'] if piece]
    return cls(
      pieces=pieces,
      text_vectors=row['text_vectors'][: len(pieces)],
      boxes=boxes,
      roi_vectors=row['roi_vectors'][: len(boxes)],
      pooled=row['pooled'],
      model_version=version,
    )


# Answers by the function that gives them.
OF_FUNCTION = {
  'answer': Answer,
  'attend': Gaze,
  'ground': Grounding,
  'choose': Decision,
  'fill_mask': FilledText,
  'match': Match,
  'embed': Embedding,
}
AnyAnswer = (
  Answer | Gaze | Grounding | Decision | FilledText | Match | Embedding
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refusal:
  """What came back for a request that broke a rule of the model."""

  rule: str


def read_response(
  response: messages.PredictResponse,
  asked: Sequence[requests.Request],
  sent: Sequence[requests.Request],
) -> list[AnyAnswer | Refusal]:
  """One answer, or refusal, for each request of a batch.

  Args:
    response: to the batch.
    asked: the requests; boxes are in pixels of their images.
    sent: the same ones as they were sent, maybe with smaller images.

  Raises:
    ValueError: the response lacks an output, or is broken.
  """
  columns = {
    output.key: messages.tensor_rows(output.value)
    for output in response.outputs
  }
  kind = OF_FUNCTION[asked[0].function]
  missing = {*kind.outputs, 'boxes', signatures.STATUS} - set(columns)
  if missing:
    raise ValueError(
      f'An answer must hold {sorted(missing)}. '
      f'Received: {sorted(columns)}. '
      'Ask a server whose model was exported by this release.'
    )
  read = []
  for i in range(len(asked)):
    row = {name: column[i] for name, column in columns.items()}
    if row[signatures.STATUS]:
      read.append(Refusal(rule=row[signatures.STATUS].decode()))
      continue
    boxes = _boxes(row['boxes'], asked[i], sent[i])
    read.append(kind.read(row, boxes, response.model_spec.version.value))
  return read


def _boxes(
  rows: Sequence[requests.Box],
  asked: requests.Request,
  sent: requests.Request,
) -> list[requests.Box]:
  """RoIs without padding; the request's own are not rounded to float32."""
  if asked.boxes is not None:
    return [list(box) for box in asked.boxes]
  padding = [signatures.PADDING_COORDINATE] * 4
  x = asked.image.width / sent.image.width
  y = asked.image.height / sent.image.height
  return [
    [box[0] * x, box[1] * y, box[2] * x, box[3] * y]
    for box in rows
    if list(box) != padding
  ]


def _scored(texts: Sequence[bytes], scores: Sequence[float]) -> list[Scored]:
  """Texts with their scores; an empty text is padding."""
  return [
    Scored(text=text.decode(), score=score)
    for text, score in zip(texts, scores, strict=True)
    if text
  ]
