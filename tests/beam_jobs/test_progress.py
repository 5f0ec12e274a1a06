"""Progress is read from the results that have appeared."""

import time

from absl import logging

from beam_jobs import progress


def _lines(monkeypatch):
  lines = []
  monkeypatch.setattr(
    logging, 'info', lambda text, *values: lines.append(text % values)
  )
  return lines


def _wait_for(lines, text):
  end = time.monotonic() + 5
  while not any(text in line for line in lines) and time.monotonic() < end:
    time.sleep(0.01)
  assert any(text in line for line in lines), lines


def test_finished_shards_and_the_time_left_are_logged(tmp_path, monkeypatch):
  lines = _lines(monkeypatch)
  images = {f'{tmp_path}/{k}.result.json': 10 + k for k in range(4)}
  with progress.shown(images, interval=0.02):
    _wait_for(lines, '0 of 4 shards, 0 of 46 images')
    (tmp_path / '2.result.json').touch()
    (tmp_path / '9.result.json').touch()
    _wait_for(lines, '1 of 4 shards, 12 of 46 images')
    _wait_for(lines, 's left')
  count = len(lines)
  time.sleep(0.06)
  assert len(lines) == count


def test_a_short_job_logs_nothing(tmp_path, monkeypatch):
  lines = _lines(monkeypatch)
  with progress.shown({f'{tmp_path}/0.result.json': 1}):
    pass
  assert lines == []
