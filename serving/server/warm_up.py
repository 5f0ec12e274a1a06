"""Requests that an export carries, to be answered before it is served.

The first call of each shape builds kernels and buffers and can take seconds.
TensorFlow Serving replays the same file.
"""

import pathlib

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from serving.server import model, tensors

FILE = pathlib.Path('assets.extra', 'tf_serving_warmup_requests')

# TensorFlow Serving's limit as well.
_MAX_REQUESTS = 1000


def warm_up(version: model.LoadedVersion, path: pathlib.Path) -> int:
  """Answers the requests in a version's folder.

  Args:
    version: loaded from it.
    path: the folder.

  Returns:
    How many requests there were; 0 without such a file.

  Raises:
    ValueError: a request cannot be read or answered.
  """
  if not (path / FILE).is_file():
    return 0
  count = 0
  try:
    for record in tf.data.TFRecordDataset(str(path / FILE)).take(_MAX_REQUESTS):
      log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
      if not log.HasField('predict_log'):
        raise ValueError('it is no predict_log')
      request = log.predict_log.request
      name = request.model_spec.signature_name or model.DEFAULT_SIGNATURE
      signature = version.signature(name)
      version.call(name, tensors.read_inputs(signature, request.inputs))
      count += 1
  except (DecodeError, ValueError, tf.errors.OpError) as error:
    message = error.message if isinstance(error, tf.errors.OpError) else error
    raise ValueError(
      'A version must answer its own warm-up requests. '
      f'Received: {path}, request {count}: {message}. '
      'Export the version anew.'
    ) from error
  return count
