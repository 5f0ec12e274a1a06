"""The models behind the page: what they can do, and what they say."""

import dataclasses
import time
from collections.abc import Callable, Sequence

import grpc

from serving import answers, connection, images, messages, requests, signatures
from serving.client import Client, open_channel, predict_method
from serving.web import metadata

_DETECT = signatures.DETECT.name
_CATEGORIES = signatures.CATEGORIES.name
_TIMEOUT_SECONDS = 60
FUNCTIONS = (_DETECT, *answers.OF_FUNCTION)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Region:
  """A RoI with what the detector takes it for.

  Attributes:
    box: x1, y1, x2, y2 in pixels.
    category: its name.
    score: probability of the category.
  """

  box: requests.Box
  category: str
  score: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Abilities:
  """What can be asked.

  Attributes:
    models: name of the model that is asked, by function of `signatures`.
    missing: names of models that the server does not have.
    loading: names of models that it is about to have.
  """

  models: dict[str, str]
  missing: list[str]
  loading: list[str] = dataclasses.field(default_factory=list)


class Upstream:
  """Models of one server; may be used from several threads."""

  def __init__(
    self,
    target: str,
    model_names: Sequence[str],
    timeout_seconds: float = _TIMEOUT_SECONDS,
  ) -> None:
    """Prepares a connection, which the first call opens.

    Args:
      target: HOST:PORT.
      model_names: of the models; where several can do the same, the first of
        them is asked.
      timeout_seconds: time that an answer may take.
    """
    self._settings = {
      name: connection.Settings(
        target=target, model_name=name, timeout_seconds=timeout_seconds
      )
      for name in model_names
    }
    any_settings = next(iter(self._settings.values()))
    self._channel = open_channel(grpc, any_settings)
    self._clients = {
      (name, has_detector): Client(
        target,
        name,
        timeout_seconds=timeout_seconds,
        has_detector=has_detector,
      )
      for name in model_names
      for has_detector in (False, True)
    }
    # Inputs by signature by model, as the server told them last.
    self._signatures: dict[str, dict[str, set[str]]] = {}

  def close(self) -> None:
    """Closes the connection; calls under way fail."""
    self._channel.close()
    for client in self._clients.values():
      client.close()

  def abilities(self) -> Abilities:
    """Asks the server what its models can do now.

    Raises:
      ServerUnavailableError, DeadlineExceededError, ModelError: as a client.
    """
    found, absent = {}, []
    for name in self._settings:
      response = self._told(metadata.SIGNATURES, name)
      if response is None:
        absent.append(name)
      else:
        found[name] = metadata.input_names(response)
    self._signatures = found
    asked = {name: self._model_for(name) for name in FUNCTIONS}
    loading = [name for name in absent if self._is_loading(name)]
    return Abilities(
      models={name: model for name, model in asked.items() if model},
      missing=[name for name in absent if name not in loading],
      loading=loading,
    )

  def regions(self, image: images.Image) -> list[Region]:
    """RoIs of an image, the most probable first; empty without a detector.

    Raises:
      ServerUnavailableError, DeadlineExceededError, ModelError: as a client;
        ModelError also when the detector refuses the image.
    """
    model = self._known_model_for(_DETECT)
    if model is None:
      return []
    settings = self._settings[model]
    data = messages.string_tensor([image.data], [1])
    found = self._predict(settings, _DETECT, {'image': data})
    # Detectors of older exports fail where newer ones tell a status.
    rule = found.get(signatures.STATUS, [b''])[0].decode()
    if rule:
      connection.answered(settings, answers.Refusal(rule=rule))
    names = self._predict(settings, _CATEGORIES, {})['categories']
    rows = zip(
      found['boxes'][0], found['categories'][0], found['scores'][0], strict=True
    )
    # Categories are counted from 1; 0 is padding.
    return [
      Region(box=box, category=names[number - 1].decode(), score=score)
      for box, number, score in rows
      if number
    ]

  def send(self, request: requests.Request) -> answers.AnyAnswer:
    """Asks the model that can answer.

    A model without a detector of its own is asked about the regions of one
    that is served beside it, or about the whole image.

    Args:
      request: of any kind, with or without boxes; a model that reads only the
        features of its own detector takes none.

    Raises:
      ValueError: no model answers requests of this kind.
      ServerUnavailableError, DeadlineExceededError, ModelError: as a client.
    """
    model = self._known_model_for(request.function)
    if model is None:
      raise ValueError(
        'A request must be one that a served model answers. '
        f'Received: {request.function}. Load the page anew.'
      )
    known = self._signatures[model]
    has_detector = 'boxes' not in known[request.function]
    on_boxes = signatures.name_on(
      request.function, signatures.BOXES, signatures.DETECTED
    )
    if has_detector and on_boxes not in known:
      request = dataclasses.replace(request, boxes=None)
    elif not has_detector and request.boxes is None:
      boxes = [region.box for region in self.regions(request.image)]
      request = dataclasses.replace(request, boxes=boxes or None)
    return self._clients[model, has_detector].send(request)

  def _is_loading(self, name: str) -> bool:
    response = self._told(metadata.STATUS, name)
    return response is not None and metadata.is_loading(response)

  def _told(self, about: metadata.Kind, name: str) -> object | None:
    """What the server says of a model; None where it has none of the name."""
    method = self._channel.unary_unary(
      about.method,
      request_serializer=about.request.SerializeToString,
      response_deserializer=about.response.FromString,
    )
    try:
      return self._call(self._settings[name], method, about.request_for(name))
    except connection.ModelError as error:
      if error.code is not grpc.StatusCode.NOT_FOUND:
        raise
      return None

  def _known_model_for(self, function: str) -> str | None:
    if not self._signatures:
      self.abilities()
    return self._model_for(function)

  def _model_for(self, function: str) -> str | None:
    for name in self._settings:
      inputs = self._signatures.get(name, {}).get(function)
      # A model of features alone has nothing to do with an image.
      if inputs is not None and 'image' in inputs:
        return name
    return None

  def _predict(
    self,
    settings: connection.Settings,
    signature: str,
    inputs: dict[str, messages.Tensor],
  ) -> dict[str, list]:
    """Outputs of a signature as nested lists."""
    request = messages.PredictRequest(
      model_spec={'name': settings.model_name, 'signature_name': signature}
    )
    for key, value in inputs.items():
      request.inputs.add(key=key, value=value)
    response = self._call(settings, predict_method(self._channel), request)
    return {
      output.key: messages.tensor_rows(output.value)
      for output in response.outputs
    }

  def _call(
    self, settings: connection.Settings, method: Callable, message: object
  ) -> object:
    """One call with the retries and the errors of a client."""
    call = connection.Call(settings, ())
    while True:
      try:
        return method(message, timeout=call.remaining())
      except grpc.RpcError as error:
        wait = call.wait_after(error)
      time.sleep(wait)
