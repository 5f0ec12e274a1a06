"""The page that Prometheus reads."""

import http.server
import threading
from collections.abc import Callable

from serving.server import metrics


class MetricsPage:
  """Answers GET of one path with the server's metrics, until it is closed."""

  def __init__(
    self, page: Callable[[], str], path: str, *, host: str, port: int
  ) -> None:
    """Takes the port and starts to answer.

    Args:
      page: gives the metrics, at each request.
      path: of the page, such as `/monitoring/prometheus/metrics`.
      host: interface to listen on.
      port: 0 for any free one.

    Raises:
      ValueError: the port cannot be had.
    """
    try:
      self._server = http.server.ThreadingHTTPServer(
        (host, port), _handler(page, path)
      )
    except OSError as error:
      raise ValueError(
        'A page of metrics needs a free port of this machine. '
        f'Received: {host}:{port}, {error}. '
        'Stop what listens there, or pass another --rest_api_port.'
      ) from error
    self.address = f'{host}:{self._server.server_address[1]}'
    threading.Thread(target=self._server.serve_forever, daemon=True).start()

  def close(self) -> None:
    """Lets go of the port."""
    self._server.shutdown()
    self._server.server_close()


def _handler(page: Callable[[], str], path: str) -> type:
  class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls.
      if self.path.partition('?')[0] != path:
        self.send_error(404)
        return
      body = page().encode()
      self.send_response(200)
      self.send_header('Content-Type', metrics.CONTENT_TYPE)
      self.send_header('Content-Length', str(len(body)))
      self.end_headers()
      self.wfile.write(body)

    def log_message(self, *unused: object) -> None:
      """A scrape every few seconds is no news."""

  return Handler
