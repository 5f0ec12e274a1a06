"""The services of TensorFlow Serving's API, answered from a registry.

PredictionService has Predict and GetModelMetadata, ModelService has
GetModelStatus and HandleReloadConfigRequest; the other methods answer
UNIMPLEMENTED, the generated default. A status is what TensorFlow Serving would
send.
"""

import functools
import re
import time
from collections.abc import Callable

import grpc
import tensorflow as tf
from absl import logging
from tensorflow_serving.apis import (
  get_model_metadata_pb2,
  get_model_status_pb2,
  model_management_pb2,
  model_pb2,
  model_service_pb2_grpc,
  predict_pb2,
  prediction_service_pb2_grpc,
)

from serving.server import (
  batching,
  metrics,
  model,
  registry,
  scheduling,
  settings,
  tensors,
  watcher,
)

_SIGNATURE_FIELD = 'signature_def'

# A status travels in HTTP/2 headers, which clients limit to 8 KB in all.
_MAX_MESSAGE = 1024

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

  def __init__(
    self,
    served: registry.Registry,
    calls: scheduling.DirectCalls | batching.BatchScheduler,
    measures: metrics.ServerMetrics,
  ) -> None:
    self._served = served
    self._calls = calls
    self._measures = measures
    self._admission = scheduling.Admission(calls.capacity)

  @_with_status
  def Predict(  # noqa: N802 - the name in the API.
    self,
    request: predict_pb2.PredictRequest,
    context: grpc.ServicerContext,
  ) -> predict_pb2.PredictResponse:
    """Runs a signature of a model on the tensors of the request."""
    start = time.monotonic()
    # A name that nobody serves would be a label of the caller's choice.
    known = request.model_spec.name in self._served.names()
    name = request.model_spec.name if known else ''
    status = 'INTERNAL'
    try:
      response = self._predict(request, start + context.time_remaining())
      status = 'OK'
      return response
    except tf.errors.OpError as error:
      status = _STATUS_CODES[error.error_code].name
      raise
    finally:
      self._measures.request_count.add(name, status)
      self._measures.request_latency.observe(
        1e6 * (time.monotonic() - start), name, 'Predict', 'GRPC'
      )

  def _predict(
    self, request: predict_pb2.PredictRequest, deadline: float
  ) -> predict_pb2.PredictResponse:
    with (
      self._admission.one(),
      self._served.use(*_asked_for(request)) as found,
    ):
      name = request.model_spec.signature_name or model.DEFAULT_SIGNATURE
      signature = found.signature(name)
      inputs = tensors.read_inputs(signature, request.inputs)
      wanted = tensors.output_names(signature, request.output_filter)
      outputs = self._calls.call(found, name, inputs, deadline)
      response = predict_pb2.PredictResponse(model_spec=_spec(found, name))
      for output in wanted:
        tensors.write_output(outputs[output], response.outputs[output])
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
    found = self._served.find(*_asked_for(request))
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in found.signature_defs.items():
      signatures.signature_def[name].CopyFrom(signature)
    response = get_model_metadata_pb2.GetModelMetadataResponse(
      model_spec=_spec(found)
    )
    response.metadata[_SIGNATURE_FIELD].Pack(signatures)
    return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
  """GetModelStatus and HandleReloadConfigRequest."""

  def __init__(
    self,
    served: registry.Registry,
    follower: watcher.VersionWatcher | None = None,
  ) -> None:
    """Without a watcher the models cannot be changed."""
    self._served = served
    self._watcher = follower

  @_with_status
  def GetModelStatus(  # noqa: N802 - the name in the API.
    self,
    request: get_model_status_pb2.GetModelStatusRequest,
    context: grpc.ServicerContext,
  ) -> get_model_status_pb2.GetModelStatusResponse:
    """State of one version of a model, or of all."""
    del context
    name, version, label = _asked_for(request)
    if label:
      version = self._served.find(name, label=label).version
    found = self._served.statuses(name)
    if not found:
      raise tf.errors.NotFoundError(
        None, None, f'Could not find any versions of model {name}'
      )
    if version is not None:
      found = [status for status in found if status.version == version]
    if not found:
      raise tf.errors.NotFoundError(
        None, None, f'Could not find version {version} of model {name}'
      )
    response = get_model_status_pb2.GetModelStatusResponse()
    for one in found:
      status = response.model_version_status.add(
        version=one.version, state=one.state
      )
      status.status.SetInParent()  # error_code OK is the default value.
      if one.error:
        status.status.error_code = tf.errors.UNKNOWN
        status.status.error_message = one.error
    return response

  @_with_status
  def HandleReloadConfigRequest(  # noqa: N802 - the name in the API.
    self,
    request: model_management_pb2.ReloadConfigRequest,
    context: grpc.ServicerContext,
  ) -> model_management_pb2.ReloadConfigResponse:
    """Serves the models of another configuration."""
    del context
    if self._watcher is None:
      raise tf.errors.UnimplementedError(
        None, None, 'This server serves what it was given at its start'
      )
    try:
      self._watcher.configure(settings.model_settings(request.config))
    except ValueError as error:
      raise _refused(str(error)) from error
    response = model_management_pb2.ReloadConfigResponse()
    response.status.SetInParent()  # error_code OK is the default value.
    return response


def _asked_for(request: object) -> tuple[str, int | None, str]:
  """Name, version and label of a request's ModelSpec."""
  if not request.HasField('model_spec'):
    raise _refused('Missing ModelSpec')
  spec = request.model_spec
  if not spec.name:
    raise _refused('ModelSpec has no name specified.')
  version = spec.version.value if spec.HasField('version') else None
  return spec.name, version, spec.version_label


def _spec(
  found: model.LoadedVersion, signature: str = ''
) -> model_pb2.ModelSpec:
  spec = model_pb2.ModelSpec(name=found.name, signature_name=signature)
  spec.version.value = found.version
  return spec


def _refused(message: str) -> tf.errors.InvalidArgumentError:
  return tf.errors.InvalidArgumentError(None, None, message)
