"""A server as a process of its own, as operators start it."""

import pathlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

# Importing TensorFlow on a busy machine is most of it.
START_SECONDS = 300


def wait_until(
  condition: Callable[[], bool], what: str, seconds: float = START_SECONDS
) -> None:
  """Waits for what another process does.

  Raises:
    AssertionError: it has not happened in time.
  """
  never = threading.Event()
  deadline = time.monotonic() + seconds
  while not condition():
    assert time.monotonic() < deadline, f'{what} took too long'
    never.wait(0.05)


class ServerProcess:
  """`vlbert-serve` with flags, on a port of its own choice.

  Attributes:
    port: that it answers on.
    process: of the operating system.
  """

  def __init__(self, folder: pathlib.Path, *flags: str, port: int = 0) -> None:
    """Starts it and returns when it answers."""
    port_file = folder / 'port'
    port_file.unlink(missing_ok=True)
    self.process = subprocess.Popen(
      [
        *(sys.executable, '-m', 'serving.serve', f'--port={port}'),
        *(f'--port_file={port_file}', *flags),
      ],
      stdout=subprocess.PIPE,
      stderr=subprocess.DEVNULL,
      text=True,
    )

    def is_ready() -> bool:
      assert self.process.poll() is None, 'the server ended before it was ready'
      return port_file.exists()

    try:
      wait_until(is_ready, 'the start of the server')
    except BaseException:
      self.process.kill()
      raise
    self.port = int(port_file.read_text())

  def __enter__(self) -> 'ServerProcess':
    return self

  def __exit__(self, *error: object) -> None:
    self.process.kill()
    self.process.wait()
    self.process.stdout.close()

  @property
  def address(self) -> str:
    """HOST:PORT."""
    return f'127.0.0.1:{self.port}'

  def terminate(self) -> int:
    """Asks it to end as an orchestrator does; its exit code."""
    self.process.send_signal(signal.SIGTERM)
    return self.process.wait(60)
