"""The toy on a socket, and the program of the page in front of it."""

import contextlib
import subprocess
import sys

import pytest

from serving.server import listener, model, registry
from serving.web import application, upstream
from serving.web import page as offers
from tests.serving.web import toy


@pytest.fixture(scope='session')
def versions(tmp_path_factory):
  """Loaded: `toy`; `eyes`, which only detects; `vcr`, which chooses."""
  root = tmp_path_factory.mktemp('models')
  toy.export(root / 'toy' / '1', toy.ASKED | toy.EYES)
  toy.export(root / 'eyes' / '1', toy.EYES)
  toy.export(root / 'vcr' / '1', toy.CHOICE | toy.EYES)
  names = ('toy', 'eyes', 'vcr')
  return {name: model.LoadedVersion(name, root / name / '1') for name in names}


@pytest.fixture(scope='session')
def models(versions):
  """HOST:PORT of a server of all of them."""
  server = listener.Listener(registry.Registry(list(versions.values())))
  yield server.address
  server.drain(0)


@contextlib.contextmanager
def running(*flags):
  """Address of the page of a program with these flags."""
  with subprocess.Popen(
    [sys.executable, '-m', 'serving.web.main', '--port=0', *flags],
    stdout=subprocess.PIPE,
    text=True,
  ) as process:
    try:
      line = process.stdout.readline()
      assert line.startswith('Open http://127.0.0.1:')
      yield line.split()[1]
    finally:
      process.terminate()
    assert process.wait(30) == 0


@pytest.fixture(scope='session')
def page(models):
  """Address of the page in front of the toy."""
  with running(
    f'--server={models}',
    '--model_names=toy,gone',
    '--about=A toy that knows cats and balls.',
    '--max_upload_mb=1',
  ) as address:
    yield address


@contextlib.contextmanager
def page_of(server, *names):
  """Address of a page in a thread, in front of models of a server."""
  models = application.Models(
    names=names, upstream=upstream.Upstream(server, names)
  )
  with offers.beside(models, application.Settings(), offers.Place()) as port:
    yield f'http://127.0.0.1:{port}/'


@pytest.fixture(scope='session')
def choice_page(models):
  """Address of the page in front of the model that chooses."""
  with page_of(models, 'vcr') as address:
    yield address


@pytest.fixture
def slow_server(versions):
  """A server that still loads `toy`; its address, and what ends the wait."""
  served = registry.Registry()
  served.note('toy', 1, registry.State.LOADING)
  server = listener.Listener(served)
  yield server.address, lambda: served.publish(versions['toy'])
  server.drain(0)


@pytest.fixture(scope='session')
def lonely_page():
  """Address of a page whose server is away."""
  # Port 1 needs privileges that no test server has.
  with running('--server=127.0.0.1:1', '--timeout_seconds=5') as address:
    yield address
