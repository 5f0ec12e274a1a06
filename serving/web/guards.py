"""What keeps other web sites from using the page's server.

A page on the open web can make a visitor's browser send requests to this
machine. Those carry the name that the other site gave this machine, or their
own address as their origin.
"""

import urllib.parse
from collections.abc import Awaitable, Callable

from aiohttp import web

_THIS_MACHINE = {'127.0.0.1', '::1', 'localhost'}

# Nothing is loaded from elsewhere, and nobody frames the page.
_HEADERS = {
  'Content-Security-Policy': (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
  ),
  'Cache-Control': 'no-cache',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}


async def add_headers(
  request: web.Request, response: web.StreamResponse
) -> None:
  """Tells the browser what the page may do."""
  del request
  response.headers.update(_HEADERS)


def only_this_site(allow_any_host: bool) -> Callable:
  """Refuses requests that another site caused.

  Args:
    allow_any_host: whether the server goes by other names than those of the
      machine that it runs on.

  Returns:
    A middleware of `aiohttp.web`.
  """

  @web.middleware
  async def check(
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
  ) -> web.StreamResponse:
    host = urllib.parse.urlsplit(f'//{request.host}').hostname
    if not allow_any_host and host not in _THIS_MACHINE:
      raise web.HTTPForbidden(text=f'This page is not {request.host}.')
    origin = request.headers.get('Origin')
    if origin and urllib.parse.urlsplit(origin).netloc != request.host:
      raise web.HTTPForbidden(text=f'{origin} may not use this page.')
    return await handler(request)

  return check
