"""vlbert-serve: answers questions about images over gRPC.

  vlbert-serve --model_dir=/tmp/vlbert/export
  vlbert-serve --model_dir=EXPORT_ROOT --model_name=vlbert --port=8500
  vlbert-serve --model_config_file=model_server.config --enable_batching \\
    --batching_parameters_file=batching_parameters.txt
  vlbert-serve --model_dir=EXPORT_ROOT --web

EXPORT_ROOT holds a SavedModel in a folder with a number for a name; the
highest is served, and a higher one that appears later takes over once it is
warm. API, flags and configuration files are TensorFlow Serving's, so clients
and settings work with either server. When ready, the program prints `Serving
MODEL version N on HOST:PORT`. SIGTERM or Ctrl-C: calls under way are answered,
then it ends. With --web it also offers a page for a browser, whose address is
the first line that it prints; vlbert-web offers the same page elsewhere.
"""

import contextlib
import pathlib
import signal
import threading
from collections.abc import Callable, Iterator

from absl import flags, logging

from serving import port_file
from serving.server import versions
from vlbert_tf import program

_MODEL_DIR = flags.DEFINE_string(
  'model_dir', '', 'Folder of the versions of an exported model.'
)
flags.DEFINE_alias('model_base_path', 'model_dir')  # TensorFlow Serving's name.
_MODEL_NAME = flags.DEFINE_string(
  'model_name', 'vlbert', 'Name that requests ask for.'
)
_MODEL_CONFIG_FILE = flags.DEFINE_string(
  'model_config_file',
  '',
  'ModelServerConfig as text: several models, version policies, labels. In '
  'place of --model_dir.',
)
_POLL_SECONDS = flags.DEFINE_float(
  'file_system_poll_wait_seconds',
  1,
  'Time between two looks for new versions; 0 for none.',
  lower_bound=0,
)
_HOST = flags.DEFINE_string(
  'host',
  '127.0.0.1',
  'Interface to listen on; the default is reachable from this machine only. '
  'There is no log-in, and no encryption without --ssl_config_file.',
)
_PORT = flags.DEFINE_integer(
  'port', 8500, 'Port; 0 for any free one.', lower_bound=0, upper_bound=65535
)
_PORT_FILE = flags.DEFINE_string(
  'port_file', '', 'File that the port is written to when it answers.'
)
_THREADS = flags.DEFINE_integer(
  'threads', 8, 'Calls that run at a time, without batching.', lower_bound=1
)
_ENABLE_BATCHING = flags.DEFINE_bool(
  'enable_batching', False, 'Merge requests that come at the same time.'
)
_BATCHING_PARAMETERS_FILE = flags.DEFINE_string(
  'batching_parameters_file', '', 'BatchingParameters as text.'
)
_SSL_CONFIG_FILE = flags.DEFINE_string(
  'ssl_config_file', '', 'SSLConfig as text, for an encrypted port.'
)
_MONITORING_CONFIG_FILE = flags.DEFINE_string(
  'monitoring_config_file', '', 'MonitoringConfig as text; see docs.'
)
_REST_API_PORT = flags.DEFINE_integer(
  'rest_api_port',
  0,
  "Port of the metrics' page that --monitoring_config_file switches on; 0 for "
  'none. REST requests to models are not answered.',
  lower_bound=0,
  upper_bound=65535,
)
_MAX_MESSAGE_MB = flags.DEFINE_integer(
  'max_message_mb',
  32,
  'Largest request, in MB.',
  lower_bound=1,
  upper_bound=2047,
)
_DRAIN_SECONDS = flags.DEFINE_float(
  'drain_seconds',
  20,
  'Time that calls under way have to finish when the server is stopped.',
  lower_bound=0,
)
_WEB = flags.DEFINE_bool(
  'web', False, 'Also offer a page to ask the models about your own images.'
)
_WEB_HOST = flags.DEFINE_string(
  'web_host',
  '127.0.0.1',
  'Interface of the page; the default is reachable from this machine only. '
  'There is no log-in and no encryption.',
)
_WEB_PORT = flags.DEFINE_integer(
  'web_port',
  8080,
  'Port of the page; 0 for any free one.',
  lower_bound=0,
  upper_bound=65535,
)
_WEB_PHOTOS = flags.DEFINE_string(
  'web_photos', '', 'Folder of images that the page offers.'
)


def main(argv: list[str]) -> None:
  """Serves until a signal comes."""
  if argv:
    raise ValueError(
      f'vlbert-serve takes flags only. Received: {" ".join(argv)}. '
      'See vlbert-serve --help.'
    )
  _check_flags()
  with contextlib.ExitStack() as page:
    show = page.enter_context(_page()) if _WEB.value else None
    _serve(show)


def _serve(show: Callable[[object, str], None] | None) -> None:
  """Loads the models and answers until a signal comes.

  Args:
    show: gets the models and the address when they answer.
  """
  models, tls, metrics_path = _read_settings()
  from serving.server import listener, metrics, monitoring, registry, watcher

  served = registry.Registry()
  follower = watcher.VersionWatcher(served, models)
  follower.load_all()
  stopped = _stop_on_signals()
  measures = metrics.ServerMetrics()
  server = listener.Listener(
    served,
    host=_HOST.value,
    port=_PORT.value,
    calls=_calls(measures),
    measures=measures,
    follower=follower,
    tls=tls,
    max_message_bytes=_MAX_MESSAGE_MB.value << 20,
  )
  if metrics_path:
    page = monitoring.MetricsPage(
      measures.page, metrics_path, host=_HOST.value, port=_REST_API_PORT.value
    )
    logging.info('Metrics on http://%s%s', page.address, metrics_path)
  if _POLL_SECONDS.value:
    follower.start(_POLL_SECONDS.value)
  _announce(served, server.address)
  if show:
    show(served, server.address)
  stopped.wait()
  logging.info('Stopping: calls under way are answered first')
  follower.stop()
  server.drain(_DRAIN_SECONDS.value)


def _check_flags() -> None:
  """Fails on flags that do not go together, before TensorFlow is imported."""
  if _MODEL_CONFIG_FILE.value and _MODEL_DIR.value:
    raise ValueError(
      'Models come from --model_dir or --model_config_file. Received: both. '
      'Leave one out.'
    )
  if not _MODEL_CONFIG_FILE.value:
    program.require(model_dir=_MODEL_DIR.value)
    versions.check_base_path(_MODEL_DIR.value)
  if _BATCHING_PARAMETERS_FILE.value and not _ENABLE_BATCHING.value:
    raise ValueError(
      '--batching_parameters_file needs --enable_batching. '
      'Received: the file alone. Add the flag.'
    )
  if bool(_MONITORING_CONFIG_FILE.value) != bool(_REST_API_PORT.value):
    raise ValueError(
      '--monitoring_config_file and --rest_api_port go together. '
      f'Received: {_MONITORING_CONFIG_FILE.value!r}, {_REST_API_PORT.value}. '
      'Pass both, for a page of metrics, or neither.'
    )
  if _WEB.value and _SSL_CONFIG_FILE.value:
    raise ValueError(
      '--web asks the models without encryption. Received: --ssl_config_file '
      'as well. Leave one of the two out.'
    )


@contextlib.contextmanager
def _page() -> Iterator[Callable[[object, str], None]]:
  """The page, which waits for the models until it is told of them."""
  from serving.web import about, application, page, photos, upstream

  # Which models a file names is known when TensorFlow has been imported.
  named = pathlib.PurePath(_MODEL_CONFIG_FILE.value).name or _MODEL_NAME.value
  models = application.Models(names=[named])
  settings = application.Settings(photos=photos.offered(_WEB_PHOTOS.value))
  place = page.Place(host=_WEB_HOST.value, port=_WEB_PORT.value)

  def show(served, address: str) -> None:
    models.names = sorted(served.names())
    newest = [served.find(name) for name in models.names]
    models.about = ' '.join(about.of_export(found.path) for found in newest)
    models.upstream = upstream.Upstream(address, models.names)

  with page.beside(models, settings, place) as port:
    print(f'Open http://{_WEB_HOST.value}:{port}/', flush=True)
    yield show


def _read_settings() -> tuple:
  """Models, TLS keys or None, and the path of the metrics or ''."""
  from serving.server import settings

  if _MODEL_CONFIG_FILE.value:
    models = settings.read_models(_MODEL_CONFIG_FILE.value)
  else:
    models = [
      settings.ModelSettings(
        name=_MODEL_NAME.value, base_path=pathlib.Path(_MODEL_DIR.value)
      )
    ]
  tls, ssl_file = None, _SSL_CONFIG_FILE.value
  if ssl_file:
    tls = settings.read_tls(ssl_file)
  monitoring_file = _MONITORING_CONFIG_FILE.value
  metrics_path = ''
  if monitoring_file:
    metrics_path = settings.read_metrics_path(monitoring_file)
  return models, tls, metrics_path


def _calls(measures):
  """How requests reach the models."""
  from serving.server import batching, scheduling, settings

  if not _ENABLE_BATCHING.value:
    return scheduling.DirectCalls(measures, concurrent=_THREADS.value)
  file = _BATCHING_PARAMETERS_FILE.value
  parameters = (
    settings.read_batching_parameters(file)
    if file
    else settings.BatchingParameters()
  )
  return batching.BatchScheduler(parameters, measures)


def _announce(served, address: str) -> None:
  """Tells scripts and people that the server answers, and what."""
  if _PORT_FILE.value:
    port_file.write(_PORT_FILE.value, int(address.rpartition(':')[2]))
  for name in sorted(served.names()):
    version = served.find(name).version
    print(f'Serving {name} version {version} on {address}', flush=True)


def _stop_on_signals() -> threading.Event:
  """An event that SIGTERM and SIGINT set, from now on."""
  stopped = threading.Event()
  for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: stopped.set())
  return stopped


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
