"""A client of the VQA signature, for vlbert-serve and TensorFlow Serving.

    with Client('127.0.0.1:8500') as client:
      answer = client.ask('street.jpg', 'What color is the bus?')
      print(answer.answers[0].text, answer.answers[0].score)

A request is checked before it is sent: on a server that merges requests into
batches, one that fails in the graph fails its neighbors too. TensorFlow is
not imported.
"""

import dataclasses
import io
import math
import os
import pathlib
from collections.abc import Sequence

import grpc
import PIL
import PIL.Image

from serving import messages, signatures

_MAX_ANSWER_BYTES = 32 << 20
_IMAGE_STARTS = (b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n')  # JPEG, PNG

Box = Sequence[float]


class ServerUnavailableError(ConnectionError):
  """Nothing answers at the target, or it takes no requests now."""


class DeadlineExceededError(TimeoutError):
  """The answer did not come in time."""


class ModelError(RuntimeError):
  """The server answered with an error.

  Attributes:
    code: gRPC's status.
    details: the server's sentence.
  """

  def __init__(self, message: str, code: grpc.StatusCode, details: str) -> None:
    super().__init__(message)
    self.code = code
    self.details = details


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
  """One request, valid once it exists.

  Attributes:
    image: bytes of a JPEG or PNG.
    text: the question.
    boxes: RoIs (x1, y1, x2, y2) in pixels of the image as decoded (an
      orientation tag is not applied); at least one.
  """

  image: bytes
  text: str
  boxes: Sequence[Box]

  def __post_init__(self) -> None:
    _check_image(self.image)
    if not self.text.strip():
      raise ValueError(
        f'A question must have words. Received: {self.text!r}. '
        'Ask something about the image.'
      )
    if not self.boxes:
      raise ValueError(
        'A question needs at least one box. Received: none. '
        'Pass boxes=None for one that covers the whole image.'
      )
    for box in self.boxes:
      _check_box(box)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoredAnswer:
  """One of the answers that the model considers, with its probability."""

  text: str
  score: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
  """What came back for a question.

  Attributes:
    answers: the most probable first.
    attention: for each box of the question, in its order, the attention that
      the answer's place paid to it.
    model_version: version that answered.
  """

  answers: list[ScoredAnswer]
  attention: list[float]
  model_version: int


class Client:
  """A connection to a server; may be used from several threads."""

  def __init__(
    self,
    target: str,
    model_name: str = 'vlbert',
    timeout_seconds: float = 30,
  ) -> None:
    """Prepares a connection, which the first question opens.

    Args:
      target: HOST:PORT.
      model_name: name of the model on the server.
      timeout_seconds: time that a question has to be answered.
    """
    self._target = target
    self._model_name = model_name
    self._timeout_seconds = timeout_seconds
    self._channel = grpc.insecure_channel(
      target, options=[('grpc.max_receive_message_length', _MAX_ANSWER_BYTES)]
    )
    self._predict = self._channel.unary_unary(
      messages.PREDICT_METHOD,
      request_serializer=messages.PredictRequest.SerializeToString,
      response_deserializer=messages.PredictResponse.FromString,
    )

  def __enter__(self) -> 'Client':
    return self

  def __exit__(self, *error: object) -> None:
    self.close()

  def close(self) -> None:
    """Closes the connection; questions under way fail."""
    self._channel.close()

  def ask(
    self,
    image: bytes | str | os.PathLike,
    question: str,
    boxes: Sequence[Box] | None = None,
  ) -> Answer:
    """Asks a question about an image.

    Args:
      image: bytes of a JPEG or PNG, or the path of one.
      question: text.
      boxes: RoIs (x1, y1, x2, y2) in pixels; None for one box that covers the
        whole image.

    Returns:
      Answers with their probabilities, and the attention over the boxes.

    Raises:
      ValueError: the image, the question or a box is not one.
      OSError: the image's file cannot be read.
      ServerUnavailableError: no server answers at the target.
      DeadlineExceededError: the answer did not come in time.
      ModelError: the server refused the question or failed.
    """
    data = (
      image if isinstance(image, bytes) else pathlib.Path(image).read_bytes()
    )
    if boxes is None:
      boxes = [_whole_image(data)]
    request = _request(
      Question(image=data, text=question, boxes=boxes), self._model_name
    )
    try:
      response = self._predict(request, timeout=self._timeout_seconds)
    except grpc.RpcError as error:
      raise self._error(error.code(), error.details() or '') from error
    return _answer(response)

  def _error(self, code: grpc.StatusCode, details: str) -> Exception:
    """The exception for a status."""
    if code is grpc.StatusCode.UNAVAILABLE:
      return ServerUnavailableError(
        'A question needs a server that takes requests. '
        f'Received: none at {self._target} ({details}). '
        'Start vlbert-serve there, or name another target.'
      )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
      return DeadlineExceededError(
        f'An answer must come within {self._timeout_seconds:g} seconds. '
        f'Received: none from {self._target}. '
        'Raise the timeout, or ask a server that has less to do.'
      )
    return ModelError(
      f'The model {self._model_name} at {self._target} answered with '
      f'{code.name}: {details}',
      code,
      details,
    )


def _check_image(data: bytes) -> None:
  if not data.startswith(_IMAGE_STARTS):
    raise ValueError(
      'An image must be the bytes of a JPEG or PNG. '
      f'Received: {len(data)} bytes that start with {data[:8]!r}. '
      'Convert the image first.'
    )


def _check_box(box: Box) -> None:
  numbers = len(box) == 4 and all(map(math.isfinite, box))
  if not numbers or box[2] <= box[0] or box[3] <= box[1]:
    raise ValueError(
      'A box must be four finite numbers x1, y1, x2, y2 with x1 < x2 and '
      f'y1 < y2, in pixels. Received: {list(box)}. Correct or drop this box.'
    )


def _whole_image(data: bytes) -> Box:
  """A box around all of an image, whose header alone is read."""
  _check_image(data)
  try:
    with PIL.Image.open(io.BytesIO(data)) as image:
      width, height = image.size
  except PIL.UnidentifiedImageError as error:
    raise ValueError(
      'An image must say its width and height. '
      f'Received: {len(data)} bytes with a damaged header. '
      'Save the image anew.'
    ) from error
  return (0.0, 0.0, float(width), float(height))


def _request(question: Question, model_name: str) -> messages.PredictRequest:
  """A batch of one question."""
  request = messages.PredictRequest(
    model_spec={
      'name': model_name,
      'signature_name': signatures.VQA.name,
    }
  )
  coordinates = [float(c) for box in question.boxes for c in box]
  tensors = {
    'image': messages.string_tensor([question.image], [1]),
    'question': messages.string_tensor([question.text.encode()], [1]),
    'boxes': messages.float_tensor(coordinates, [1, len(question.boxes), 4]),
  }
  for name in signatures.VQA.inputs:
    request.inputs.add(key=name, value=tensors[name])
  return request


def _answer(response: messages.PredictResponse) -> Answer:
  """Reads the answer to a batch of one question."""
  outputs = {
    output.key: messages.tensor_values(output.value)
    for output in response.outputs
  }
  missing = set(signatures.VQA.outputs) - set(outputs)
  if missing:
    raise ValueError(
      f'An answer must hold {sorted(signatures.VQA.outputs)}. '
      f'Received: {sorted(outputs)}. '
      'Ask a server whose model was exported for VQA.'
    )
  return Answer(
    answers=[
      ScoredAnswer(text=text.decode(), score=score)
      for text, score in zip(outputs['answers'], outputs['scores'], strict=True)
    ],
    attention=outputs['attention'],
    model_version=response.model_spec.version.value,
  )
