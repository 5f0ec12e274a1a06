"""A server's life on its port: health, draining, a port that is taken."""

import threading

import grpc
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving.server import listener, registry

DEADLINE = 30
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def arithmetic_request():
  request = predict_pb2.PredictRequest()
  request.model_spec.name = 'toy'
  request.model_spec.signature_name = 'arithmetic'
  request.inputs['x'].CopyFrom(tf.make_tensor_proto([2.0]))
  return request


@pytest.mark.parametrize(
  'service', ['', 'tensorflow.serving.PredictionService']
)
def test_a_server_and_its_service_are_healthy(channel, service):
  response = health_pb2_grpc.HealthStub(channel).Check(
    health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE
  )

  assert response.status == SERVING


def test_health_of_an_unknown_service_is_not_found(channel):
  with pytest.raises(grpc.RpcError) as caught:
    health_pb2_grpc.HealthStub(channel).Check(
      health_pb2.HealthCheckRequest(service='Translation'), timeout=DEADLINE
    )

  assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_draining_answers_the_calls_under_way_and_refuses_others(gated):
  server, entered, gate = gated
  with grpc.insecure_channel(server.address) as channel:
    prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    watch = health_pb2_grpc.HealthStub(channel).Watch(
      health_pb2.HealthCheckRequest(), timeout=DEADLINE
    )
    assert next(watch).status == SERVING
    under_way = prediction.Predict.future(
      arithmetic_request(), timeout=DEADLINE
    )
    assert entered.wait(DEADLINE)

    draining = threading.Thread(target=server.drain, args=(DEADLINE,))
    draining.start()
    assert next(watch).status == NOT_SERVING
    # The stream ends by itself: it must not hold the shutdown up.
    assert list(watch) == []
    with (
      grpc.insecure_channel(server.address) as later,
      pytest.raises(grpc.RpcError) as caught,
    ):
      prediction_service_pb2_grpc.PredictionServiceStub(later).Predict(
        arithmetic_request(), timeout=DEADLINE
      )
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert not under_way.done()

    gate.set()
    outputs = under_way.result(DEADLINE).outputs
    assert tf.make_ndarray(outputs['product']).tolist() == [6.0]
    draining.join(DEADLINE)
    assert not draining.is_alive()


def test_a_call_that_outlasts_the_drain_is_cancelled(gated):
  server, entered, _ = gated
  with grpc.insecure_channel(server.address) as channel:
    prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    stuck = prediction.Predict.future(arithmetic_request(), timeout=DEADLINE)
    assert entered.wait(DEADLINE)

    server.drain(0.1)

    assert stuck.code() in (
      grpc.StatusCode.CANCELLED,
      grpc.StatusCode.UNAVAILABLE,
    )


def test_a_port_that_is_taken_is_told(address):
  port = int(address.rpartition(':')[2])

  with pytest.raises(ValueError, match='needs a free port') as caught:
    listener.Listener(registry.Registry([]), port=port)

  assert f'Received: 127.0.0.1:{port}' in str(caught.value)
