"""A server's life on its port: health, draining, a port that is taken."""

import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.server import listener, model, registry, settings
from tests.serving.certificates import certificate
from tests.serving.toy_requests import DEADLINE, outputs_of, predict_request

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


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
      predict_request('arithmetic', x=[2.0]), timeout=DEADLINE
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
        predict_request('arithmetic', x=[2.0]), timeout=DEADLINE
      )
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert not under_way.done()

    gate.set()
    assert outputs_of(under_way.result(DEADLINE))['product'] == [6.0]
    draining.join(DEADLINE)
    assert not draining.is_alive()


def test_a_call_that_outlasts_the_drain_is_cancelled(gated):
  server, entered, _ = gated
  with grpc.insecure_channel(server.address) as channel:
    prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    stuck = prediction.Predict.future(
      predict_request('arithmetic', x=[2.0]), timeout=DEADLINE
    )
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


@pytest.mark.parametrize('client_verify', [False, True])
def test_an_encrypted_port_answers_those_who_know_it(
  export_root, client_verify
):
  key, cert = certificate()
  server = listener.Listener(
    registry.Registry([model.LoadedVersion('toy', export_root / '7')]),
    tls=settings.TlsSettings(
      server_key=key.decode(),
      server_cert=cert.decode(),
      custom_ca=cert.decode(),
      client_verify=client_verify,
    ),
  )
  target = f'localhost:{server.address.rpartition(":")[2]}'

  def status(credentials):
    with grpc.secure_channel(target, credentials) as channel:
      stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
      request = predict_request('arithmetic', x=[2.0])
      return stub.Predict.future(request, timeout=DEADLINE).code()

  known = grpc.ssl_channel_credentials(cert, key, cert)
  anonymous = grpc.ssl_channel_credentials(cert)
  stranger = grpc.ssl_channel_credentials(certificate()[1])
  refused = grpc.StatusCode.UNAVAILABLE
  assert status(known) is grpc.StatusCode.OK
  assert status(stranger) is refused
  expected = refused if client_verify else grpc.StatusCode.OK
  assert status(anonymous) is expected
  server.drain(0)
