"""What the clients share: errors, retries, encryption, the bytes of a call."""

import dataclasses
import random
import time
from collections.abc import Sequence

import grpc

from serving import answers, messages, requests, signatures

_MAX_ANSWER_BYTES = 64 << 20


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


# By what a server says of inputs that its signature does not have, or lacks.
_HINTS = {
  'Sent extra: {boxes}': ' This export finds RoIs itself: ask with '
  'has_detector=True (vlbert-ask --detect).',
  'Missing but required: {boxes}': ' This export has no detector: ask with '
  'boxes, or with has_detector=False for the whole image (vlbert-ask without '
  '--detect).',
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backoff:
  """When a request is sent again; only UNAVAILABLE is a reason.

  Attributes:
    retries: so many times at most.
    first_seconds: wait before the first; each later one doubles.
    max_seconds: longest wait.
  """

  retries: int = 4
  first_seconds: float = 0.1
  max_seconds: float = 2

  def wait(self, failures: int) -> float:
    """Seconds to wait after so many failures, at random in the upper half.

    Clients that were refused together should not come back together.
    """
    longest = min(self.first_seconds * 2 ** (failures - 1), self.max_seconds)
    return random.uniform(longest / 2, longest)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tls:
  """Keys of an encrypted connection, in PEM.

  Attributes:
    authority: whose servers are trusted; None for those that the system trusts.
    key: private key of this client, for servers that want one.
    certificate: of this client.
  """

  authority: bytes | None = None
  key: bytes | None = None
  certificate: bytes | None = None

  def credentials(self) -> grpc.ChannelCredentials:
    """For a channel."""
    return grpc.ssl_channel_credentials(
      self.authority, self.key, self.certificate
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
  """How a client speaks to a server.

  Attributes:
    target: HOST:PORT.
    model_name: name of the model on the server.
    timeout_seconds: time that a request has to be answered, retries included.
    version_label: such as `stable`; empty for the newest version.
    backoff: when a request is sent again.
    tls: keys; None for a connection that is not encrypted.
    has_detector: whether the export finds RoIs itself when a request has none.
    max_image_side: a larger image is made smaller before it is sent, to so many
      pixels on its longer side; 0 for never. Models look at 1,000 at most.
    pad_boxes_to: boxes that each request has at least, the rest being padding;
      a server that merges requests wants them of one shape.
    batch_size: requests that are sent in one call.
  """

  target: str
  model_name: str = 'vlbert'
  timeout_seconds: float = 30
  version_label: str = ''
  backoff: Backoff = Backoff()
  tls: Tls | None = None
  has_detector: bool = False
  max_image_side: int = 1600
  pad_boxes_to: int = 0
  batch_size: int = 8

  def channel_options(self) -> list[tuple[str, int | str]]:
    """Of gRPC."""
    return [
      # Where a name has several addresses, each gets its share.
      ('grpc.lb_policy_name', 'round_robin'),
      ('grpc.max_receive_message_length', _MAX_ANSWER_BYTES),
      # gRPC alone would wait up to two minutes for a server to come back.
      ('grpc.initial_reconnect_backoff_ms', 100),
      ('grpc.max_reconnect_backoff_ms', 1000),
    ]


class Call:
  """One batch on its way, through all of its attempts."""

  def __init__(
    self, settings: Settings, batch: Sequence[requests.Request]
  ) -> None:
    self._settings = settings
    self._asked = batch
    self._sent = batch
    if settings.max_image_side:
      self._sent = [r.resized(settings.max_image_side) for r in batch]
    self._deadline = time.monotonic() + settings.timeout_seconds
    self._failures = 0

  def message(self) -> messages.PredictRequest:
    """The request on the wire."""
    settings, function = self._settings, self._asked[0].function
    with_boxes = self._asked[0].boxes is not None or not settings.has_detector
    name = function
    if self._asked[0].has_outlines:
      name = signatures.name_on(function, signatures.OUTLINES, signatures.BOXES)
    elif settings.has_detector and with_boxes:
      name = signatures.name_on(function, signatures.BOXES, signatures.DETECTED)
    spec = {'name': settings.model_name, 'signature_name': name}
    if settings.version_label:
      spec['version_label'] = settings.version_label
    request = messages.PredictRequest(model_spec=spec)
    inputs = requests.tensors(self._sent, with_boxes, settings.pad_boxes_to)
    for key, value in inputs.items():
      request.inputs.add(key=key, value=value)
    return request

  def read(
    self, response: messages.PredictResponse
  ) -> list[answers.AnyAnswer | answers.Refusal]:
    """Answers to the requests of the batch."""
    return answers.read_response(response, self._asked, self._sent)

  def remaining(self) -> float:
    """Seconds that are left."""
    return max(self._deadline - time.monotonic(), 0)

  def wait_after(self, error: grpc.RpcError) -> float:
    """Seconds to wait before the next attempt.

    Raises:
      ServerUnavailableError: there is no next one.
      DeadlineExceededError: the answer did not come in time.
      ModelError: the error is of another kind.
    """
    self._failures += 1
    backoff = self._settings.backoff
    if (
      error.code() is grpc.StatusCode.UNAVAILABLE
      and self._failures <= backoff.retries
    ):
      wait = backoff.wait(self._failures)
      if wait < self.remaining():
        return wait
    raise self._error(error.code(), error.details() or '') from error

  def _error(self, code: grpc.StatusCode, details: str) -> Exception:
    """The exception for a status."""
    target = self._settings.target
    if code is grpc.StatusCode.UNAVAILABLE:
      return ServerUnavailableError(
        'A question needs a server that takes requests. '
        f'Received: none at {target} ({details}), {self._failures} attempts. '
        'Start vlbert-serve there, or name another target.'
      )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
      return DeadlineExceededError(
        f'An answer must come within {self._settings.timeout_seconds:g} '
        f'seconds. Received: none from {target}. '
        'Raise the timeout, or ask a server that has less to do.'
      )
    return model_error(self._settings, code, details)


def model_error(
  settings: Settings, code: grpc.StatusCode, details: str
) -> ModelError:
  """What a server says is wrong."""
  hint = next((hint for sign, hint in _HINTS.items() if sign in details), '')
  return ModelError(
    f'The model {settings.model_name} at {settings.target} answered with '
    f'{code.name}: {details}{hint}',
    code,
    details,
  )


def answered(
  settings: Settings, result: answers.AnyAnswer | answers.Refusal
) -> answers.AnyAnswer:
  """An answer.

  Raises:
    ModelError: INVALID_ARGUMENT, for a refusal.
  """
  if isinstance(result, answers.Refusal):
    raise model_error(settings, grpc.StatusCode.INVALID_ARGUMENT, result.rule)
  return result


def batches(
  settings: Settings, asked: Sequence[requests.Request]
) -> list[list[int]]:
  """Positions of requests that go in one call, in order.

  Requests of one call are of one kind, and all have boxes or outlines or not.
  """
  groups: dict[tuple, list[int]] = {}
  for i, request in enumerate(asked):
    detected = request.boxes is None and settings.has_detector
    key = request.function, detected, request.has_outlines
    groups.setdefault(key, []).append(i)
  size = settings.batch_size
  return [
    group[start : start + size]
    for group in groups.values()
    for start in range(0, len(group), size)
  ]
