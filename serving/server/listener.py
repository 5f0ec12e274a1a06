"""A gRPC server on a port, from its start to its graceful end."""

from concurrent import futures

import grpc
from grpc_health.v1 import health_pb2_grpc
from tensorflow_serving.apis import (
  model_service_pb2_grpc,
  prediction_service_pb2_grpc,
)

from serving.server import (
  batching,
  health,
  metrics,
  registry,
  scheduling,
  service,
  settings,
  watcher,
)

# Threads beside those of calls to models, for health, status and refusals.
_SPARE_THREADS = 8


class Listener:
  """Answers the models of a registry until it is drained."""

  def __init__(
    self,
    served: registry.Registry,
    *,
    host: str = '127.0.0.1',
    port: int = 0,
    calls: scheduling.DirectCalls | batching.BatchScheduler | None = None,
    measures: metrics.ServerMetrics | None = None,
    follower: watcher.VersionWatcher | None = None,
    tls: settings.TlsSettings | None = None,
    max_message_bytes: int = 32 << 20,
  ) -> None:
    """Takes the port and starts to answer.

    Args:
      served: models.
      host: name or address of the interface; the default is reachable from
        this machine only.
      port: 0 for any free one.
      calls: how requests reach the models; one by one when left out.
      measures: that requests are counted in.
      follower: changes the models when a client asks for it.
      tls: keys of an encrypted port.
      max_message_bytes: a longer request is refused, RESOURCE_EXHAUSTED.

    Raises:
      ValueError: the port cannot be had.
    """
    measures = measures or metrics.ServerMetrics()
    self._calls = calls or scheduling.DirectCalls(measures)
    self._server = grpc.server(
      futures.ThreadPoolExecutor(self._calls.capacity + _SPARE_THREADS),
      options=[
        ('grpc.max_receive_message_length', max_message_bytes),
        # With it two servers on one port would share its requests silently.
        ('grpc.so_reuseport', 0),
      ],
    )
    self._health = health.Health()
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
      service.PredictionService(served, self._calls, measures), self._server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
      service.ModelService(served, follower), self._server
    )
    health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
    self.address = f'{host}:{self._bind(f"{host}:{port}", tls)}'
    self._server.start()

  def drain(self, seconds: float) -> None:
    """Says NOT_SERVING, takes no new call, and waits for those under way.

    Args:
      seconds: calls that take longer are cancelled.
    """
    # In this order: whoever hears NOT_SERVING finds the port closed already. A
    # call let in between the two would be cut off instead of refused.
    stopped = self._server.stop(seconds)
    self._health.shut_down()
    stopped.wait()
    self._calls.close()

  def _bind(self, address: str, tls: settings.TlsSettings | None) -> int:
    try:
      if tls:
        return self._server.add_secure_port(address, _credentials(tls))
      return self._server.add_insecure_port(address)
    except RuntimeError as error:
      raise ValueError(
        'A server needs a free port of this machine. '
        f'Received: {address}, {error}. '
        'Stop what listens there, or pass another --port (0 for any) or --host.'
      ) from error


def _credentials(tls: settings.TlsSettings) -> grpc.ServerCredentials:
  return grpc.ssl_server_credentials(
    [(tls.server_key.encode(), tls.server_cert.encode())],
    root_certificates=tls.custom_ca.encode() or None,
    require_client_auth=tls.client_verify,
  )
