"""Calls of a SavedModel with what they must answer, as files hold them.

TensorFlow Serving replays `assets.extra/tf_serving_warmup_requests` before a
version takes requests: TFRecords of `PredictionLog`.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

Arrays = Mapping[str, np.ndarray]

# In messages; a server replays the calls whatever name it gives the model.
_MODEL_NAME = 'vlbert'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
  """One request.

  Attributes:
    signature: that is called.
    inputs: by name.
    expected: outputs that are known, by name; may be empty.
  """

  signature: str
  inputs: Arrays
  expected: Arrays = dataclasses.field(default_factory=dict)


def write(path: str, calls: Iterable[Call]) -> None:
  """Writes calls.

  Args:
    path: of the file.
    calls: in order.
  """
  with tf.io.TFRecordWriter(path) as writer:
    for call in calls:
      writer.write(_log(call).SerializeToString(deterministic=True))


def read(path: str) -> Iterator[Call]:
  """Reads what `write` wrote."""
  for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
    log = prediction_log_pb2.PredictionLog.FromString(record).predict_log
    yield Call(
      signature=log.request.model_spec.signature_name,
      inputs=_arrays(log.request.inputs),
      expected=_arrays(log.response.outputs),
    )


def _log(call: Call) -> prediction_log_pb2.PredictionLog:
  request = predict_pb2.PredictRequest()
  request.model_spec.name = _MODEL_NAME
  request.model_spec.signature_name = call.signature
  for name, value in call.inputs.items():
    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
  log = prediction_log_pb2.PredictLog(request=request)
  for name, value in call.expected.items():
    log.response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
  return prediction_log_pb2.PredictionLog(predict_log=log)


def _arrays(protos: Mapping) -> dict[str, np.ndarray]:
  return {name: tf.make_ndarray(proto) for name, proto in protos.items()}
