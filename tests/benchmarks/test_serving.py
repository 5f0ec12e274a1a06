"""The benchmark of the server: its arithmetic, and one short run."""

import subprocess
import sys

import pytest

from benchmarks import serving
from tests.serving import toy_model


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
    for line in done.stdout.splitlines()[2:]
  ]
  assert rows == [['off', '1'], ['off', '4'], ['on', '1'], ['on', '4']]
