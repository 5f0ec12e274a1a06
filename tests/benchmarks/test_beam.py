"""The benchmark of jobs, run as it is, on few images."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_a_job_is_timed_and_its_memory_watched():
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'benchmarks.beam', '--detector=tiny'),
      *('--images=8', '--many=16', '--workers=1', '--nopool'),
    ],
    capture_output=True,
    text=True,
    check=False,
  )

  assert done.returncode == 0, done.stderr[-2000:]
  first, one, many, memory = done.stdout.splitlines()
  assert first.startswith('8 images of 640x480, detector tiny')
  assert one.startswith('local, 1 workers: ')
  assert many.startswith('local, 1 workers, 16 images: ')
  assert 'outside the detector' in one
  assert memory.startswith('memory from 8 to 16 images: ')
