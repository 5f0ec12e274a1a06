"""The page on a port: in a program of its own, or beside the server."""

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from concurrent import futures

from aiohttp import web

from serving.web import application

_LOOPBACK = ('127.0.0.1', '::1', 'localhost')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
  """Where the page is offered.

  Attributes:
    host: name or address of the interface.
    port: 0 for any free one.
  """

  host: str = '127.0.0.1'
  port: int = 0

  @property
  def is_loopback(self) -> bool:
    """Whether this machine alone reaches it."""
    return self.host in _LOOPBACK


@contextlib.asynccontextmanager
async def offered(
  models: application.Models, settings: application.Settings, place: Place
) -> Iterator[int]:
  """The page, for as long as the context lasts.

  Args:
    models: that it asks; their connection is closed at the end.
    settings: of the page.
    place: where.

  Yields:
    Its port.

  Raises:
    ValueError: the port cannot be had.
  """
  built = application.build(models, settings, any_host=not place.is_loopback)
  runner = web.AppRunner(built, access_log=None)
  await runner.setup()
  try:
    try:
      await web.TCPSite(runner, place.host, place.port).start()
    except OSError as error:
      raise ValueError(
        'The page needs a free port of this machine. '
        f'Received: {place.host}:{place.port}, {error.strerror}. '
        'Stop what listens there, or pass another port (0 for any).'
      ) from error
    yield runner.addresses[0][1]
  finally:
    await runner.cleanup()


@contextlib.contextmanager
def beside(
  models: application.Models, settings: application.Settings, place: Place
) -> Iterator[int]:
  """The page in a thread, so that it is there while models are loaded.

  Args, yields and raises as `offered`.
  """
  started: futures.Future[int] = futures.Future()
  ended: futures.Future[None] = futures.Future()

  async def offer() -> None:
    try:
      async with offered(models, settings, place) as port:
        started.set_result(port)
        await asyncio.wrap_future(ended)
    except ValueError as error:
      started.set_exception(error)

  thread = threading.Thread(target=asyncio.run, args=(offer(),), daemon=True)
  thread.start()
  try:
    yield started.result()
  finally:
    ended.set_result(None)
    thread.join()
