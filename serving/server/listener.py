"""A gRPC server on a port, from its start to its graceful end."""

from concurrent import futures

import grpc
from grpc_health.v1 import health_pb2_grpc
from tensorflow_serving.apis import (
  model_service_pb2_grpc,
  prediction_service_pb2_grpc,
)

from serving.server import model, service


class Listener:
  """Answers the models of a registry until it is drained."""

  def __init__(
    self,
    registry: model.Registry,
    *,
    host: str = '127.0.0.1',
    port: int = 0,
    threads: int = 8,
    max_message_bytes: int = 32 << 20,
  ) -> None:
    """Takes the port and starts to answer.

    Args:
      registry: what is served.
      host: name or address of the interface; the default is reachable from
        this machine only.
      port: 0 for any free one.
      threads: calls that are worked on at a time; more of them wait.
      max_message_bytes: a longer request is refused, RESOURCE_EXHAUSTED.

    Raises:
      ValueError: the port cannot be had.
    """
    self._server = grpc.server(
      futures.ThreadPoolExecutor(threads),
      options=[
        ('grpc.max_receive_message_length', max_message_bytes),
        # With it two servers on one port would share its requests silently.
        ('grpc.so_reuseport', 0),
      ],
    )
    self._health = service.Health()
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
      service.PredictionService(registry), self._server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
      service.ModelService(registry), self._server
    )
    health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
    self.address = f'{host}:{self._bind(host, port)}'
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

  def _bind(self, host: str, port: int) -> int:
    try:
      return self._server.add_insecure_port(f'{host}:{port}')
    except RuntimeError as error:
      raise ValueError(
        'A server needs a free port of this machine. '
        f'Received: {host}:{port}, {error}. '
        'Stop what listens there, or pass another --port (0 for any) or --host.'
      ) from error
