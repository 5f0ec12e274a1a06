"""gRPC's health protocol."""

import threading
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2

PREDICTION_SERVICE = 'tensorflow.serving.PredictionService'

# Streams of health changes that are answered at a time; each holds a thread.
_MAX_WATCHERS = 8


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
