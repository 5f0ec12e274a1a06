"""vlbert-serve: answers questions about images over gRPC.

  vlbert-serve --model_dir=/tmp/vlbert/export
  vlbert-serve --model_dir=EXPORT_ROOT --model_name=vlbert --port=8500

EXPORT_ROOT holds a SavedModel in a folder with a number for a name; the
highest is served. The API is TensorFlow Serving's (PredictionService,
ModelService, gRPC health), so a client works with either server. When ready,
the program prints `Serving MODEL version N on HOST:PORT`. SIGTERM or Ctrl-C:
calls under way are answered, then it ends.
"""

import os
import pathlib
import signal
import threading

from absl import flags, logging

from serving.server import versions
from vlbert_tf import program

_MODEL_DIR = flags.DEFINE_string(
  'model_dir', '', 'Folder of the versions of an exported model.'
)
_MODEL_NAME = flags.DEFINE_string(
  'model_name', 'vlbert', 'Name that requests ask for.'
)
_HOST = flags.DEFINE_string(
  'host',
  '127.0.0.1',
  'Interface to listen on; the default is reachable from this machine only. '
  'There is no encryption and no log-in.',
)
_PORT = flags.DEFINE_integer(
  'port', 8500, 'Port; 0 for any free one.', lower_bound=0, upper_bound=65535
)
_PORT_FILE = flags.DEFINE_string(
  'port_file', '', 'File that the port is written to when it answers.'
)
_THREADS = flags.DEFINE_integer(
  'threads', 8, 'Calls worked on at a time.', lower_bound=1
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


def main(argv: list[str]) -> None:
  """Serves until a signal comes."""
  if argv:
    raise ValueError(
      f'vlbert-serve takes flags only. Received: {" ".join(argv)}. '
      'See vlbert-serve --help.'
    )
  program.require(model_dir=_MODEL_DIR.value, model_name=_MODEL_NAME.value)
  path = versions.newest_version(_MODEL_DIR.value)
  from serving.server import listener, model

  version = model.LoadedVersion(_MODEL_NAME.value, path)
  stopped = _stop_on_signals()
  server = listener.Listener(
    model.Registry([version]),
    host=_HOST.value,
    port=_PORT.value,
    threads=_THREADS.value,
    max_message_bytes=_MAX_MESSAGE_MB.value << 20,
  )
  if _PORT_FILE.value:
    _write_port(pathlib.Path(_PORT_FILE.value), server.address)
  print(
    f'Serving {version.name} version {version.version} on {server.address}',
    flush=True,
  )
  stopped.wait()
  logging.info('Stopping: calls under way are answered first')
  server.drain(_DRAIN_SECONDS.value)


def _stop_on_signals() -> threading.Event:
  """An event that SIGTERM and SIGINT set, from now on."""
  stopped = threading.Event()
  for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: stopped.set())
  return stopped


def _write_port(path: pathlib.Path, address: str) -> None:
  """Writes aside and renames: a reader sees the whole number or no file."""
  aside = path.with_name(f'{path.name}.{os.getpid()}')
  aside.write_text(address.rpartition(':')[2] + '\n', encoding='utf-8')
  aside.replace(path)


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
