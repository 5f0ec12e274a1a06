"""vlbert-serve as a process: from its start to its end, asked by vlbert-ask."""

import json
import socket
import subprocess
import sys
import urllib.request

import pytest

from serving import client
from tests.serving import server_process, toy_model


def fail(*arguments):
  return subprocess.run(
    [sys.executable, '-m', 'serving.serve', *arguments],
    capture_output=True,
    text=True,
    timeout=server_process.START_SECONDS,
    check=False,
  )


def test_a_server_answers_vlbert_ask_and_ends_well_on_sigterm(tmp_path):
  toy_model.export(tmp_path / 'export' / '2', factor=2.0)
  toy_model.export(tmp_path / 'export' / '10', factor=10.0)
  image = tmp_path / 'gray.jpg'
  image.write_bytes(toy_model.jpeg(12, 5))
  with server_process.ServerProcess(
    tmp_path, f'--model_dir={tmp_path / "export"}'
  ) as server:
    line = server.process.stdout.readline()
    asked = subprocess.run(
      [
        *(sys.executable, '-m', 'serving.ask', str(image), 'what color is?'),
        *(f'--server={server.address}', '--boxes=0,0,5,5;1,1,9,4'),
      ],
      capture_output=True,
      text=True,
      timeout=60,
      check=False,
    )
    code = server.terminate()

  assert line == f'Serving vlbert version 10 on {server.address}\n'
  # 12 pixels wide, 4 words.
  assert (asked.stdout, asked.stderr) == (
    ' 75.0 %  12x5\n 25.0 %  4 words\n',
    '',
  )
  assert code == 0


def test_a_server_takes_tensorflow_servings_flags_and_files(tmp_path):
  for name, number in (('a', 1), ('a', 2), ('b', 4)):
    toy_model.export(tmp_path / name / str(number), factor=float(number))
  (tmp_path / 'models.config').write_text(
    f"""
    model_config_list {{
      config {{
        name: "a" base_path: "{tmp_path / 'a'}" model_platform: "tensorflow"
        model_version_policy {{ all {{}} }}
        version_labels {{ key: "stable" value: 1 }}
      }}
      config {{
        name: "b" base_path: "{tmp_path / 'b'}" model_platform: "tensorflow"
      }}
    }}
    """
  )
  (tmp_path / 'batching.txt').write_text('max_batch_size { value: 4 }')
  (tmp_path / 'monitoring.config').write_text(
    'prometheus_config { enable: true path: "/metrics" }'
  )
  with socket.socket() as held:
    held.bind(('127.0.0.1', 0))
    metrics_port = held.getsockname()[1]
  with server_process.ServerProcess(
    tmp_path,
    f'--model_config_file={tmp_path / "models.config"}',
    '--enable_batching',
    f'--batching_parameters_file={tmp_path / "batching.txt"}',
    f'--monitoring_config_file={tmp_path / "monitoring.config"}',
    f'--rest_api_port={metrics_port}',
  ) as server:
    lines = [server.process.stdout.readline() for _ in range(2)]
    versions = []
    for name in ('a', 'b'):
      with client.Client(server.address, name) as connection:
        answer = connection.ask(toy_model.png(3, 2), 'what?')
        versions.append(answer.model_version)
    page = urllib.request.urlopen(
      f'http://127.0.0.1:{metrics_port}/metrics', timeout=60
    ).read()
    code = server.terminate()

  assert lines == [
    f'Serving a version 2 on {server.address}\n',
    f'Serving b version 4 on {server.address}\n',
  ]
  assert versions == [2, 4]
  assert b':batching_session:processed_batch_size_count 2' in page
  assert code == 0


def test_one_command_serves_models_and_a_page_to_ask_them(tmp_path):
  toy_model.export(tmp_path / 'export' / '2', factor=2.0)
  card = tmp_path / 'export' / '2' / 'assets.extra' / 'model_card.json'
  card.parent.mkdir(exist_ok=True)
  card.write_text(
    '{"task": "vlbert/vqa", "settings": {"train_data": {"path": "r/scenes"}},'
    ' "metrics": {}}'
  )
  with server_process.ServerProcess(
    tmp_path, f'--model_dir={tmp_path / "export"}', '--web', '--web_port=0'
  ) as server:
    opened, served = (server.process.stdout.readline() for _ in range(2))
    url = opened.split()[1] + 'api/abilities'
    assert url.startswith('http://127.0.0.1:')
    told = {'loading': ['vlbert']}
    # The file with the port is there a moment before the page is told.
    while told['loading']:
      told = json.load(urllib.request.urlopen(url, timeout=60))
    code = server.terminate()

  assert served == f'Serving vlbert version 2 on {server.address}\n'
  assert told['models']['answer'] == 'vlbert'
  assert told['about'].startswith(
    'This model answers questions; it was trained on scenes.'
  )
  assert code == 0


@pytest.mark.parametrize(
  ('flags', 'sentence'),
  [
    (['--model_dir=.', '--model_config_file=a'], 'Received: both'),
    (['--model_config_file=/nothing'], 'No such file'),
    (
      ['--model_config_file=a', '--batching_parameters_file=b'],
      'needs --enable_batching',
    ),
    (['--model_config_file=a', '--rest_api_port=8501'], 'go together'),
    (
      ['--model_config_file=a', '--web', '--ssl_config_file=b'],
      'without encryption',
    ),
    (
      ['--model_config_file=a', '--web', '--web_photos=/nowhere'],
      'A folder of photographs must hold images.',
    ),
  ],
)
def test_flags_that_do_not_go_together_are_told(flags, sentence):
  done = fail(*flags)

  assert done.returncode == 1
  assert sentence in done.stderr
  assert done.stderr.count('\n') == 1


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
