"""The services of TensorFlow Serving's API, answered from a registry.

PredictionService has Predict and GetModelMetadata, ModelService has
GetModelStatus; their other methods answer UNIMPLEMENTED, the generated
default. A status is what TensorFlow Serving would send.
"""

import functools
import re
import threading
from collections.abc import Callable
from concurrent import futures

import grpc
import tensorflow as tf
from absl import logging
from grpc_health.v1 import health, health_pb2
from tensorflow_serving.apis import (
  get_model_metadata_pb2,
  get_model_status_pb2,
  model_pb2,
  model_service_pb2_grpc,
  predict_pb2,
  prediction_service_pb2_grpc,
)

from serving.server import model, tensors

PREDICTION_SERVICE = 'tensorflow.serving.PredictionService'
_SIGNATURE_FIELD = 'signature_def'

# A status travels in HTTP/2 headers, which clients limit to 8 KB in all.
_MAX_MESSAGE = 1024

# Streams of health changes that are answered at a time; each holds a thread.
_MAX_WATCHERS = 8

_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _with_status(method: Callable) -> Callable:
  """Makes an exception of a method the status of its call."""

  @functools.wraps(method)
  def answer(
    self: object, request: object, context: grpc.ServicerContext
  ) -> object:
    try:
      return method(self, request, context)
    except tf.errors.OpError as error:
      code, message = _STATUS_CODES[error.error_code], error.message
    except Exception as error:  # noqa: BLE001 - a caller must get a status.
      logging.exception('%s failed', method.__name__)
      code, message = grpc.StatusCode.INTERNAL, f'{type(error).__name__}'
    return context.abort(code, status_message(message))

  return answer


def status_message(message: str) -> str:
  """What a caller should read of an error, on one line and short enough.

  TensorFlow wraps an error of the graph in a paragraph about nodes and stack
  traces; the sentence of the operation is in the middle.
  """
  message = message.rpartition('<stack traces unavailable>')[2]
  message = re.sub(r'\d+ root error\(s\) found\.\s+\(0\) \w+:', '', message)
  message = ' '.join(message.partition('\n\t [[')[0].split())
  if len(message) > _MAX_MESSAGE:
    return message[:_MAX_MESSAGE] + '...TRUNCATED'
  return message


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
  """Predict and GetModelMetadata."""

  def __init__(self, registry: model.Registry) -> None:
    self._registry = registry

  @_with_status
  def Predict(  # noqa: N802 - the name in the API.
    self,
    request: predict_pb2.PredictRequest,
    context: grpc.ServicerContext,
  ) -> predict_pb2.PredictResponse:
    """Runs a signature of a model on the tensors of the request."""
    del context
    found = _find(self._registry, request)
    name = request.model_spec.signature_name or model.DEFAULT_SIGNATURE
    signature = found.signature(name)
    inputs = tensors.read_inputs(signature, request.inputs)
    wanted = tensors.output_names(signature, request.output_filter)
    outputs = found.call(name, inputs)
    response = predict_pb2.PredictResponse(model_spec=_spec(found, name))
    for output in wanted:
      response.outputs[output].CopyFrom(tf.make_tensor_proto(outputs[output]))
    return response

  @_with_status
  def GetModelMetadata(  # noqa: N802 - the name in the API.
    self,
    request: get_model_metadata_pb2.GetModelMetadataRequest,
    context: grpc.ServicerContext,
  ) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Signatures of a model."""
    del context
    if not request.metadata_field:
      raise _refused(
        'GetModelMetadataRequest must specify at least one metadata_field'
      )
    for field in request.metadata_field:
      if field != _SIGNATURE_FIELD:
        raise _refused(f'Metadata field {field} is not supported')
    found = _find(self._registry, request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in found.signature_defs.items():
      signatures.signature_def[name].CopyFrom(signature)
    response = get_model_metadata_pb2.GetModelMetadataResponse(
      model_spec=_spec(found)
    )
    response.metadata[_SIGNATURE_FIELD].Pack(signatures)
    return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
  """GetModelStatus."""

  def __init__(self, registry: model.Registry) -> None:
    self._registry = registry

  @_with_status
  def GetModelStatus(  # noqa: N802 - the name in the API.
    self,
    request: get_model_status_pb2.GetModelStatusRequest,
    context: grpc.ServicerContext,
  ) -> get_model_status_pb2.GetModelStatusResponse:
    """State of one version of a model, or of all."""
    del context
    name, version = _asked_for(request)
    found = self._registry.versions(name)
    if not found:
      raise tf.errors.NotFoundError(
        None, None, f'Could not find any versions of model {name}'
      )
    if version is not None:
      found = [loaded for loaded in found if loaded.version == version]
    if not found:
      raise tf.errors.NotFoundError(
        None, None, f'Could not find version {version} of model {name}'
      )
    response = get_model_status_pb2.GetModelStatusResponse()
    for loaded in found:
      status = response.model_version_status.add(
        version=loaded.version,
        state=get_model_status_pb2.ModelVersionStatus.AVAILABLE,
      )
      status.status.SetInParent()  # error_code OK is the default value.
    return response


class Health(health.HealthServicer):
  """gRPC's health service, which lets go of its watchers on shutdown.

  A watcher's stream never ends by itself and would hold a graceful shutdown
  up to its deadline.
  """

  def __init__(self) -> None:
    super().__init__(
      experimental_non_blocking=False,
      experimental_thread_pool=futures.ThreadPoolExecutor(_MAX_WATCHERS),
    )
    self._watchers = set()
    self._watchers_lock = threading.Lock()
    self.set(PREDICTION_SERVICE, health_pb2.HealthCheckResponse.SERVING)

  def Watch(  # noqa: N802 - the name in the API.
    self,
    request: health_pb2.HealthCheckRequest,
    context: grpc.ServicerContext,
  ) -> object:
    """Streams the status now and each change of it."""
    watcher = super().Watch(request, context)
    with self._watchers_lock:
      self._watchers.add(watcher)
    context.add_callback(lambda: self._forget(watcher))
    return watcher

  def shut_down(self) -> None:
    """Says NOT_SERVING to everyone, then ends the streams."""
    self.enter_graceful_shutdown()
    with self._watchers_lock:
      for watcher in self._watchers:
        watcher.close()

  def _forget(self, watcher: object) -> None:
    with self._watchers_lock:
      self._watchers.discard(watcher)


def _find(registry: model.Registry, request: object) -> model.LoadedVersion:
  return registry.find(*_asked_for(request))


def _asked_for(request: object) -> tuple[str, int | None]:
  """Name and version of a request's ModelSpec."""
  if not request.HasField('model_spec'):
    raise _refused('Missing ModelSpec')
  spec = request.model_spec
  if not spec.name:
    raise _refused('ModelSpec has no name specified.')
  if spec.HasField('version_label'):
    # Labels come from a configuration file, which this server has not.
    raise _refused(f'Unrecognized servable version label: {spec.version_label}')
  return spec.name, spec.version.value if spec.HasField('version') else None


def _spec(
  found: model.LoadedVersion, signature: str = ''
) -> model_pb2.ModelSpec:
  spec = model_pb2.ModelSpec(name=found.name, signature_name=signature)
  spec.version.value = found.version
  return spec


def _refused(message: str) -> tf.errors.InvalidArgumentError:
  return tf.errors.InvalidArgumentError(None, None, message)
