"""The HTTP application: the page, its photographs, and what it asks."""

import asyncio
import dataclasses
import pathlib
from collections.abc import Awaitable, Callable, Sequence
from concurrent import futures

import grpc
from absl import logging
from aiohttp import web

from serving import connection
from serving.web import answering, guards, pictures
from serving.web.photos import Photo
from serving.web.upstream import Abilities, Upstream

# By name. aiohttp's own route for a folder refuses links, which files are in
# a tree that Bazel lays out.
_STATIC = {
  path.name: path
  for path in (pathlib.Path(__file__).parent / 'static').iterdir()
}
# Decoded, the largest image of each takes 200 MB.
_THREADS = 4
_MEGABYTE = 1 << 20

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
  """What the page is made with.

  Attributes:
    about: what people should know of the models; may be empty.
    photos: that are offered.
    max_upload_mb: largest image that is taken.
  """

  about: str = ''
  photos: Sequence[Photo] = ()
  max_upload_mb: int = 20


@dataclasses.dataclass(kw_only=True)
class Models:
  """What the page asks; may be set from another thread.

  Attributes:
    names: of the models.
    upstream: None for as long as the server loads them.
    about: what is known of them once they are loaded.
  """

  names: Sequence[str]
  upstream: Upstream | None = None
  about: str = ''


class _Pages:
  """Handlers of the requests."""

  def __init__(self, models: Models, settings: Settings) -> None:
    self._models = models
    self._settings = settings
    self._photos = {photo.name: photo for photo in settings.photos}
    self._threads = futures.ThreadPoolExecutor(_THREADS)

  async def page(self, request: web.Request) -> web.StreamResponse:
    """The page itself."""
    del request
    return web.FileResponse(_STATIC['index.html'])

  async def static(self, request: web.Request) -> web.StreamResponse:
    """Script, style or picture of the page."""
    found = _STATIC.get(request.match_info['name'])
    if found is None:
      raise web.HTTPNotFound
    return web.FileResponse(found)

  async def photo(self, request: web.Request) -> web.StreamResponse:
    """One of the photographs."""
    found = self._photos.get(request.match_info['name'])
    if found is None:
      raise web.HTTPNotFound
    return web.FileResponse(found.path)

  async def abilities(self, request: web.Request) -> web.StreamResponse:
    """What the page offers."""
    del request
    models = self._models
    if models.upstream is None:
      found = Abilities(models={}, missing=[], loading=list(models.names))
    else:
      found = await self._in_thread(models.upstream.abilities)
    return web.json_response(
      {
        **dataclasses.asdict(found),
        'about': f'{self._settings.about} {models.about}'.strip(),
        'max_upload_mb': self._settings.max_upload_mb,
        'photos': [
          {'name': photo.name, 'title': photo.title, 'credit': photo.credit}
          for photo in self._settings.photos
        ],
      }
    )

  async def prepare(self, request: web.Request) -> web.StreamResponse:
    """An uploaded image as the models will get it."""
    data = await request.read()
    picture = await self._in_thread(pictures.prepare, data)
    return web.Response(body=picture.data, content_type=picture.media_type)

  async def regions(self, request: web.Request) -> web.StreamResponse:
    """RoIs of the image in the body."""
    data = await request.read()
    found = await self._in_thread(
      lambda: answering.regions(self._upstream(), pictures.prepare(data))
    )
    return web.json_response(found)

  async def ask(self, request: web.Request) -> web.StreamResponse:
    """One question about an image.

    Fields `image` and `text`, and `candidate` once for each to choose from.
    """
    function = request.match_info['function']
    if function not in answering.FUNCTIONS:
      raise web.HTTPNotFound
    form = await request.post()
    image, text = form.get('image'), form.get('text')
    if not isinstance(image, web.FileField) or not isinstance(text, str):
      raise ValueError(
        'A question must come with the fields image and text. '
        f'Received: {", ".join(sorted(form)) or "none"}. Load the page anew.'
      )
    data = image.file.read()
    candidates = [c for c in form.getall('candidate', ()) if isinstance(c, str)]
    found = await self._in_thread(
      lambda: answering.answer(
        self._upstream(), function, pictures.prepare(data), text, candidates
      )
    )
    return web.json_response(found)

  async def close(self, application: web.Application) -> None:
    """Ends the threads and the connection."""
    del application
    self._threads.shutdown(wait=False, cancel_futures=True)
    if self._models.upstream:
      self._models.upstream.close()

  def _upstream(self) -> Upstream:
    """The models, loaded.

    Raises:
      ServerUnavailableError: they are not.
    """
    if self._models.upstream is None:
      raise connection.ServerUnavailableError(
        'A question needs a model that is loaded. Received: one that still is '
        f'being loaded, {", ".join(self._models.names)}. Ask again in a moment.'
      )
    return self._models.upstream

  def _in_thread(self, function: Callable, *arguments) -> Awaitable:
    """Decoding and waiting for models would hold up all other requests."""
    loop = asyncio.get_running_loop()
    return loop.run_in_executor(self._threads, function, *arguments)


def build(
  models: Models, settings: Settings, any_host: bool = False
) -> web.Application:
  """The application, not yet on a socket.

  Args:
    models: that are asked; their connection is closed with the application.
    settings: of the page.
    any_host: whether requests by other names than those of this machine are
      answered.

  Returns:
    For `aiohttp.web`.
  """
  pages = _Pages(models, settings)
  limit = settings.max_upload_mb * _MEGABYTE
  application = web.Application(
    # A form takes a few lines more than its file.
    client_max_size=limit + _MEGABYTE // 16,
    middlewares=[
      guards.only_this_site(any_host),
      _told_as_json(settings.max_upload_mb),
    ],
  )
  application.on_response_prepare.append(guards.add_headers)
  application.on_cleanup.append(pages.close)
  application.add_routes(
    [
      web.get('/', pages.page),
      web.get('/static/{name}', pages.static),
      web.get('/photos/{name}', pages.photo),
      web.get('/api/abilities', pages.abilities),
      web.post('/api/image', pages.prepare),
      web.post('/api/regions', pages.regions),
      web.post('/api/ask/{function}', pages.ask),
    ]
  )
  return application


def _told_as_json(max_upload_mb: int) -> Callable:
  """Turns what goes wrong into a status and a sentence."""

  @web.middleware
  async def answer(request: web.Request, handler: _Handler):
    try:
      return await handler(request)
    except web.HTTPRequestEntityTooLarge:
      return _problem(
        413,
        f'An image may have at most {max_upload_mb} MB. '
        'Received: a larger one. Make it smaller first.',
      )
    except ValueError as error:
      return _problem(400, str(error))
    except connection.ServerUnavailableError as error:
      return _problem(503, str(error))
    except connection.DeadlineExceededError as error:
      return _problem(504, str(error))
    except connection.ModelError as error:
      if error.code is grpc.StatusCode.INVALID_ARGUMENT:
        return _problem(422, error.details)
      return _problem(502, str(error))
    except web.HTTPException:
      raise
    except Exception as error:  # noqa: BLE001 - the page must be told.
      logging.exception('%s failed', request.path)
      return _problem(
        500,
        f'The server of this page failed: {type(error).__name__}. '
        'Its log says more.',
      )

  return answer


def _problem(status: int, sentence: str) -> web.Response:
  return web.json_response({'error': sentence}, status=status)
