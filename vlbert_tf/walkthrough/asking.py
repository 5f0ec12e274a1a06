"""A server, started and asked one question."""

import json
import pathlib
import subprocess
import time

from absl import logging

from vlbert_tf.walkthrough.programs import questions_file
from vlbert_tf.walkthrough.steps import command

_SERVER_STARTS_WITHIN = 120.0


def serve_and_ask(root: pathlib.Path, data: pathlib.Path) -> None:
  """Starts the server, asks it one question, prints what it says."""
  image, question = _a_test_question(data)
  port_file = root / 'port'
  port_file.unlink(missing_ok=True)
  with open(root / 'logs' / 'serve.log', 'wb') as log:
    server = subprocess.Popen(
      [
        command('vlbert-serve'),
        f'--model_dir={root}/export',
        '--port=0',
        f'--port_file={port_file}',
      ],
      stdout=log,
      stderr=subprocess.STDOUT,
    )
  try:
    port = _wait_for_port(server, port_file, root / 'logs' / 'serve.log')
    logging.info('vlbert-ask %s "%s"', image, question)
    subprocess.run(
      [
        command('vlbert-ask'),
        str(image),
        question,
        f'--server=127.0.0.1:{port}',
        '--detect',
      ],
      check=True,
    )
  finally:
    server.terminate()
    server.wait()


def _a_test_question(data: pathlib.Path) -> tuple[pathlib.Path, str]:
  """Image and text of the first question of the test split."""
  rows = json.loads(questions_file(data, 'test').read_text(encoding='utf-8'))
  first = rows['questions'][0]
  (image,) = (data / 'images' / 'test').glob(f'*_{first["image_id"]:012d}.*')
  return image, first['question']


def _wait_for_port(
  server: subprocess.Popen, port_file: pathlib.Path, log: pathlib.Path
) -> str:
  deadline = time.monotonic() + _SERVER_STARTS_WITHIN
  while not port_file.exists():
    if server.poll() is not None or time.monotonic() > deadline:
      raise RuntimeError(f'vlbert-serve did not start. Its output is in {log}.')
    time.sleep(0.2)
  return port_file.read_text(encoding='utf-8').strip()
