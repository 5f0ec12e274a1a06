"""The toy on a socket, and the program of the page in front of it."""

import contextlib
import subprocess
import sys

import pytest

from serving.server import listener, model, registry
from tests.serving.web import toy


@pytest.fixture(scope='session')
def models(tmp_path_factory):
  """HOST:PORT of a server of `toy`, and of `eyes`, which only detects."""
  root = tmp_path_factory.mktemp('models')
  toy.export(root / 'toy' / '1')
  toy.export(root / 'eyes' / '1', {'detect', 'categories'})
  served = registry.Registry(
    [model.LoadedVersion(name, root / name / '1') for name in ('toy', 'eyes')]
  )
  server = listener.Listener(served)
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


@pytest.fixture(scope='session')
def lonely_page():
  """Address of a page whose server is away."""
  # Port 1 needs privileges that no test server has.
  with running('--server=127.0.0.1:1', '--timeout_seconds=5') as address:
    yield address
