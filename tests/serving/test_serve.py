"""vlbert-serve as a process: from its start to its end, asked by vlbert-ask."""

import signal
import subprocess
import sys
import threading
import time

from tests.serving import toy_model

START_SECONDS = 120


def start(*arguments):
  return subprocess.Popen(
    [sys.executable, '-m', 'serving.serve', *arguments],
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
  )


def port_when_ready(process, port_file):
  """Waits for the file, as a script would."""
  never = threading.Event()
  deadline = time.monotonic() + START_SECONDS
  while not port_file.exists():
    assert process.poll() is None, 'the server ended before it was ready'
    assert time.monotonic() < deadline, 'the server is not ready'
    never.wait(0.05)
  return int(port_file.read_text())


def fail(*arguments):
  return subprocess.run(
    [sys.executable, '-m', 'serving.serve', *arguments],
    capture_output=True,
    text=True,
    timeout=START_SECONDS,
    check=False,
  )


def test_a_server_answers_vlbert_ask_and_ends_well_on_sigterm(tmp_path):
  toy_model.export(tmp_path / 'export' / '2', factor=2.0)
  toy_model.export(tmp_path / 'export' / '10', factor=10.0)
  image = tmp_path / 'gray.jpg'
  image.write_bytes(toy_model.jpeg(12, 5))
  port_file = tmp_path / 'port'
  process = start(
    f'--model_dir={tmp_path / "export"}', '--port=0', f'--port_file={port_file}'
  )
  try:
    port = port_when_ready(process, port_file)
    line = process.stdout.readline()
    asked = subprocess.run(
      [
        *(sys.executable, '-m', 'serving.ask', str(image), 'what color is?'),
        *(f'--server=127.0.0.1:{port}', '--boxes=0,0,5,5;1,1,9,4'),
      ],
      capture_output=True,
      text=True,
      timeout=60,
      check=False,
    )
    process.send_signal(signal.SIGTERM)
    code = process.wait(60)
  finally:
    process.kill()

  assert line == f'Serving vlbert version 10 on 127.0.0.1:{port}\n'
  # 12 pixels wide, 4 words.
  assert (asked.stdout, asked.stderr) == (
    ' 75.0 %  12x5\n 25.0 %  4 words\n',
    '',
  )
  assert code == 0


def test_a_folder_without_a_version_is_told_at_once(tmp_path):
  done = fail(f'--model_dir={tmp_path}')

  assert done.returncode == 1
  assert done.stdout == ''
  assert done.stderr.startswith('Error: A model folder must hold a folder')
  assert done.stderr.count('\n') == 1


def test_a_missing_model_dir_is_told():
  done = fail()

  assert done.returncode == 1
  assert 'needs --model_dir' in done.stderr


def test_arguments_that_are_no_flags_are_refused():
  done = fail('export/vlbert')

  assert done.returncode == 1
  assert 'takes flags only. Received: export/vlbert' in done.stderr
