"""A toy model on disk, and a server of it on a socket."""

import os
import threading

import grpc
import pytest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.server import listener, model, registry
from tests.serving import toy_model


@pytest.fixture(scope='session')
def export_root(tmp_path_factory):
  """Base path of the toy model with version 7."""
  root = tmp_path_factory.mktemp('export')
  toy_model.export(root / '7')
  return root


@pytest.fixture(scope='session')
def address(export_root):
  """HOST:PORT of a server of `toy`, version 7.

  `make test-serving` names one; otherwise this project's is started.
  """
  if os.environ.get('VLBERT_SERVER'):
    yield os.environ['VLBERT_SERVER']
    return
  version = model.LoadedVersion('toy', export_root / '7')
  server = listener.Listener(registry.Registry([version]))
  yield server.address
  server.drain(0)


@pytest.fixture(scope='session')
def channel(address):
  with grpc.insecure_channel(
    address, options=[('grpc.max_receive_message_length', 64 << 20)]
  ) as channel:
    yield channel


@pytest.fixture(scope='session')
def prediction(channel):
  """Stub of PredictionService."""
  return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture
def gated(export_root):
  """A server whose calls wait: itself, `entered` and `gate`."""
  entered, gate = threading.Event(), threading.Event()
  version = toy_model.GatedVersion(export_root / '7', entered, gate)
  server = listener.Listener(registry.Registry([version]))
  yield server, entered, gate
  gate.set()
  server.drain(10)
