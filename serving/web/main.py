"""vlbert-web: a page to ask a served model about your own images.

  vlbert-web
  vlbert-web --server=127.0.0.1:8500 --model_names=vqa,refcoco,pretraining
  vlbert-web --model_cards=export/1/assets.extra/model_card.json
  vlbert-web --photos=build/demo/data/images/test \\
      --about='Trained on drawn scenes: ask about colors and shapes.'

A server must run, see vlbert-serve --help, whose flag --web starts both at
once; TensorFlow Serving will do as well. A page that is opened first waits for
it. The page offers what the models can do: questions, attention, four answers
to choose from, referring expressions, blanks in sentences, captions. When
ready, the program prints the address to open. Nothing is loaded from other
sites.
"""

from absl import flags, logging

from serving import port_file
from vlbert_tf import program

_SERVER = flags.DEFINE_string(
  'server', '127.0.0.1:8500', 'HOST:PORT of the server of the models.'
)
_MODEL_NAMES = flags.DEFINE_list(
  'model_names', ['vlbert'], 'Models on the server, the preferred ones first.'
)
_ABOUT = flags.DEFINE_string(
  'about', '', 'What people should know of the models: a sentence or two.'
)
_MODEL_CARDS = flags.DEFINE_list(
  'model_cards',
  [],
  'assets.extra/model_card.json of the exports, which the page tells of.',
)
_PHOTOS = flags.DEFINE_string(
  'photos', '', 'Folder of images that the page offers.'
)
_HOST = flags.DEFINE_string(
  'host',
  '127.0.0.1',
  'Interface to listen on; the default is reachable from this machine only. '
  'There is no log-in and no encryption.',
)
_PORT = flags.DEFINE_integer(
  'port', 8080, 'Port; 0 for any free one.', lower_bound=0, upper_bound=65535
)
_PORT_FILE = flags.DEFINE_string(
  'port_file', '', 'File that the port is written to when the page is there.'
)
_TIMEOUT_SECONDS = flags.DEFINE_float(
  'timeout_seconds', 60, 'Time that an answer may take.', lower_bound=0
)
_MAX_UPLOAD_MB = flags.DEFINE_integer(
  'max_upload_mb', 20, 'Largest image that is taken.', lower_bound=1
)


def main(argv: list[str]) -> None:
  """Offers the page until a signal comes."""
  if argv:
    raise ValueError(
      f'vlbert-web takes flags only. Received: {" ".join(argv)}. '
      'See vlbert-web --help.'
    )
  program.require(server=_SERVER.value, model_names=_MODEL_NAMES.value)
  import asyncio

  from serving.web import about, photos

  cards = [about.read_card(path) for path in _MODEL_CARDS.value]
  told = ' '.join([_ABOUT.value, *cards]).strip()
  asyncio.run(_offer(told, photos.offered(_PHOTOS.value)))


async def _offer(told, offered) -> None:
  """The page on its port, until SIGTERM or Ctrl-C."""
  import asyncio
  import signal

  from serving.web import application, page, upstream

  models = application.Models(
    names=_MODEL_NAMES.value,
    upstream=upstream.Upstream(
      _SERVER.value, _MODEL_NAMES.value, _TIMEOUT_SECONDS.value
    ),
  )
  settings = application.Settings(
    about=told, photos=offered, max_upload_mb=_MAX_UPLOAD_MB.value
  )
  stopped = asyncio.Event()
  loop = asyncio.get_running_loop()
  for number in (signal.SIGTERM, signal.SIGINT):
    loop.add_signal_handler(number, stopped.set)
  place = page.Place(host=_HOST.value, port=_PORT.value)
  async with page.offered(models, settings, place) as port:
    if _PORT_FILE.value:
      port_file.write(_PORT_FILE.value, port)
    print(f'Open http://{_HOST.value}:{port}/', flush=True)
    await stopped.wait()
    logging.info('Stopping.')


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
