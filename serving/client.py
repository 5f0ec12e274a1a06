"""A client of an export, for vlbert-serve and TensorFlow Serving.

    with Client('127.0.0.1:8500') as client:
      answer = client.ask('street.jpg', 'What color is the bus?')
      print(answer.answers[0].text, answer.answers[0].score)

`requests` has the other things that can be asked. TensorFlow is not imported.
"""

import os
import time
from collections.abc import Sequence

import grpc

from serving import answers, connection, images, messages, requests


class Client:
  """A connection to a server; may be used from several threads."""

  def __init__(
    self, target: str, model_name: str = 'vlbert', **options
  ) -> None:
    """Prepares a connection, which the first request opens.

    Args:
      target: HOST:PORT.
      model_name: name of the model on the server.
      **options: see `connection.Settings`.
    """
    self._settings = connection.Settings(
      target=target, model_name=model_name, **options
    )
    self._channel = open_channel(grpc, self._settings)
    self._predict = predict_method(self._channel)

  def __enter__(self) -> 'Client':
    return self

  def __exit__(self, *error: object) -> None:
    self.close()

  def close(self) -> None:
    """Closes the connection; requests under way fail."""
    self._channel.close()

  def ask(
    self,
    image: bytes | str | os.PathLike,
    question: str,
    boxes: Sequence[requests.Box] | None = None,
  ) -> answers.Answer:
    """Asks a question about an image.

    Args:
      image: bytes of a JPEG or PNG, or the path of one.
      question: text.
      boxes: RoIs (x1, y1, x2, y2) in pixels; None for the detector's, or for
        one box that covers the whole image.

    Returns:
      Answers with their probabilities, and the attention over the boxes.

    Raises:
      ValueError: the image, the question or a box is not one.
      OSError: the image's file cannot be read.
      ServerUnavailableError: no server answers at the target.
      DeadlineExceededError: the answer did not come in time.
      ModelError: the server refused the question or failed.
    """
    return self.send(question_of(image, question, boxes))

  def send(self, request: requests.Request) -> answers.AnyAnswer:
    """Sends a request of any kind.

    Returns:
      The answer of its kind.

    Raises:
      ServerUnavailableError, DeadlineExceededError, ModelError: as `ask`.
    """
    (result,) = self.send_all([request])
    return connection.answered(self._settings, result)

  def send_all(
    self, asked: Sequence[requests.Request]
  ) -> list[answers.AnyAnswer | answers.Refusal]:
    """Sends requests in batches.

    Args:
      asked: requests, of different kinds if need be.

    Returns:
      For each, in order, its answer, or the rule of the model that it broke.

    Raises:
      ServerUnavailableError, DeadlineExceededError, ModelError: as `ask`, for
        the first batch that has no answer.
    """
    results = [None] * len(asked)
    for positions in connection.batches(self._settings, asked):
      found = self._call([asked[i] for i in positions])
      for i, result in zip(positions, found, strict=True):
        results[i] = result
    return results

  def _call(
    self, batch: Sequence[requests.Request]
  ) -> list[answers.AnyAnswer | answers.Refusal]:
    call = connection.Call(self._settings, batch)
    message = call.message()
    while True:
      try:
        return call.read(self._predict(message, timeout=call.remaining()))
      except grpc.RpcError as error:
        wait = call.wait_after(error)
      time.sleep(wait)


def question_of(
  image: bytes | str | os.PathLike,
  text: str,
  boxes: Sequence[requests.Box] | None,
) -> requests.Question:
  """The request that `ask` sends."""
  return requests.Question(
    image=images.read_image(image), text=text, boxes=boxes
  )


def open_channel(grpc_: object, settings: connection.Settings) -> object:
  """A channel of gRPC's blocking or its asyncio module."""
  options = settings.channel_options()
  if settings.tls:
    return grpc_.secure_channel(
      settings.target, settings.tls.credentials(), options=options
    )
  return grpc_.insecure_channel(settings.target, options=options)


def predict_method(channel: object) -> object:
  """Predict, as a function of a request and a timeout."""
  return channel.unary_unary(
    messages.PREDICT_METHOD,
    request_serializer=messages.PredictRequest.SerializeToString,
    response_deserializer=messages.PredictResponse.FromString,
  )
