"""Requests to the toy model, and what came of them."""

from collections.abc import Callable

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

# Seconds that no call of a test should need.
DEADLINE = 30

# Areas of 6 and 2.
BOXES = [[0.0, 0.0, 2.0, 3.0], [0.0, 0.0, 2.0, 1.0]]


def predict_request(signature='', *, version=None, **inputs):
  """A request to `toy` with values for tensors."""
  request = predict_pb2.PredictRequest()
  request.model_spec.name = 'toy'
  request.model_spec.signature_name = signature
  if version is not None:
    request.model_spec.version.value = version
  for name, value in inputs.items():
    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
  return request


def question_request(image, question='what color?', boxes=BOXES):
  """A batch of one question."""
  return predict_request(image=[image], question=[question], boxes=[boxes])


def outputs_of(response):
  """Values by name."""
  return {k: tf.make_ndarray(v).tolist() for k, v in response.outputs.items()}


def refusal(call: Callable, request) -> tuple[grpc.StatusCode, str]:
  """Status and sentence of a call that must fail."""
  with pytest.raises(grpc.RpcError) as caught:
    call(request, timeout=DEADLINE)
  return caught.value.code(), caught.value.details()
