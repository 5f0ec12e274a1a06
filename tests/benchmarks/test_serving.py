"""The benchmark of the server: its arithmetic, and one short run."""

import asyncio
import subprocess
import sys

import pytest

from benchmarks import random_export, serving
from serving import client, images, requests
from serving.server import listener, metrics, model, monitoring, registry
from tests.serving import toy_model


@pytest.fixture(scope='module')
def export_root(tmp_path_factory):
  root = tmp_path_factory.mktemp('export')
  toy_model.export(root / '7')
  return root


def test_rate_percentiles_and_share_follow_from_the_latencies():
  found = serving.Measurement(
    latencies=[0.3, 0.1, 0.2, 0.4],
    failures=0,
    wall_seconds=2.0,
    model_seconds=0.9,
  )

  assert found.rate == 2.0
  assert [found.percentile(p) for p in (0, 50, 99)] == [0.1, 0.2, 0.4]
  assert found.outside == pytest.approx(0.1)


def test_answers_are_measured_with_the_time_of_the_graph(export_root):
  measures = metrics.ServerMetrics()
  version = model.LoadedVersion('vlbert', export_root / '7')
  server = listener.Listener(registry.Registry([version]), measures=measures)
  page = monitoring.MetricsPage(
    measures.page, '/metrics', host='127.0.0.1', port=0
  )
  addresses = serving.Server(
    address=server.address, metrics=f'http://{page.address}/metrics'
  )
  request = requests.Question(
    image=images.read_image(toy_model.png(2, 2)),
    text='what?',
    boxes=[(0, 0, 1, 1)],
  )
  assert not addresses.finds_rois()

  found = asyncio.run(serving.measure(addresses, request, 2, 0.3))

  assert len(found.latencies) > 2
  assert found.failures == 0
  assert 0 < found.model_seconds < sum(found.latencies)
  assert sum(found.latencies) < 2 * found.wall_seconds
  page.close()
  server.drain(0)


@pytest.mark.slow
def test_a_short_run_prints_a_row_for_each_way(tmp_path):
  toy_model.export(tmp_path / '1')

  done = subprocess.run(
    [
      *(sys.executable, '-m', 'benchmarks.serving', '--seconds=0.5'),
      *(f'--model_dir={tmp_path}', '--clients=4'),
    ],
    capture_output=True,
    text=True,
    check=True,
  )

  rows = [
    [cell.strip() for cell in line.split('|')[1:3]]
    for line in done.stdout.splitlines()
    if line.startswith(('| on', '| off'))
  ]
  assert done.stdout.startswith('`python -m benchmarks.serving --seconds=0.5')
  assert 'times the answers of 4 clients' in done.stdout.splitlines()[-1]
  assert rows == [['off', '1'], ['off', '4'], ['on', '1'], ['on', '4']]


@pytest.mark.slow
def test_a_random_export_answers_questions(tmp_path):
  folder = random_export.write(str(tmp_path), 'configs/vqa/tiny.yaml')
  version = model.LoadedVersion('vlbert', tmp_path / 'random' / '1')
  server = listener.Listener(registry.Registry([version]))
  addresses = serving.Server(address=server.address, metrics='')

  assert folder == str(tmp_path / 'random')
  assert not addresses.finds_rois()
  with client.Client(server.address) as asking:
    answer = asking.ask(toy_model.png(40, 30), 'what is it?', [(0, 0, 9, 9)])
  server.drain(0)

  assert answer.answers[0].text.startswith('number ')
