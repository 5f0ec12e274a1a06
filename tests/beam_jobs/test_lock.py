"""One job at a time writes into a folder."""

import os
import signal
import subprocess
import sys

import pytest

from beam_jobs import job, lock, storage
from tests.beam_jobs import job_runs, memory_files, official_files

_HOLD = """
import sys
from beam_jobs import lock
with lock.held(sys.argv[1]):
  print('held', flush=True)
  sys.stdin.read()
"""


def test_the_second_job_is_refused_and_a_killed_one_holds_nothing(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 3)
  held = tmp_path / 'out' / 'toy' / '.partial'
  command = [sys.executable, '-c', _HOLD, str(held)]
  with subprocess.Popen(
    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
  ) as other:
    assert other.stdout.readline() == b'held\n'
    with pytest.raises(ValueError, match=f'which process {other.pid} on'):
      job.run(job_runs.request(tmp_path, f'val,{paths}'))
    other.send_signal(signal.SIGKILL)
  assert not job_runs.folder(tmp_path).exists()

  job.run(job_runs.request(tmp_path, f'val,{paths}'))
  assert os.listdir(tmp_path / 'out' / 'toy') == ['1.0.0']


def test_a_remote_lock_that_beats_is_respected_and_a_dead_one_taken_over():
  memory_files.FILES.clear()
  with lock.held('memory://b/x', beat=0.02):
    with (
      pytest.raises(ValueError, match='One job at a time'),
      # Looks long enough for a busy machine.
      lock.held('memory://b/x', beat=0.5),
    ):
      pass
    left = storage.read('memory://b/x/lock.json')
  assert not memory_files.FILES

  storage.write('memory://b/x/lock.json', left)
  with lock.held('memory://b/x', beat=0.02):
    assert storage.read('memory://b/x/lock.json') != left
