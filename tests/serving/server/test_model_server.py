"""The contract, kept by TensorFlow Serving itself where it is installed."""

import os
import shutil
import socket
import subprocess
import sys

import grpc
import pytest

from tests.serving import server_process

BINARY = shutil.which('tensorflow_model_server')


@pytest.mark.skipif(not BINARY, reason='tensorflow_model_server not on PATH')
def test_tensorflow_serving_keeps_the_contract(export_root):
  with socket.socket() as held:
    held.bind(('127.0.0.1', 0))
    port = held.getsockname()[1]
  address = f'127.0.0.1:{port}'
  server = subprocess.Popen(
    [
      *(BINARY, f'--port={port}', '--model_name=toy'),
      f'--model_base_path={export_root}',
    ],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  try:
    with grpc.insecure_channel(address) as channel:
      ready = grpc.channel_ready_future(channel)
      ready.result(server_process.START_SECONDS)
    done = subprocess.run(
      [
        *(sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider'),
        *(
          f'tests/serving/server/test_{n}.py'
          for n in ('contract', 'model_info')
        ),
      ],
      env={**os.environ, 'VLBERT_SERVER': address},
      capture_output=True,
      text=True,
      check=False,
    )
  finally:
    server.kill()
    server.wait()

  assert done.returncode == 0, done.stdout
