"""Jobs of real processes that are killed, starved or started twice.

VLBERT_FAULT_IMAGES sets how many images they go through.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from beam_jobs import job
from tests.beam_jobs import job_runs, odd_images, toy_detector
from vlbert_tf.data import example_schema

pytestmark = pytest.mark.slow

IMAGES = int(os.environ.get('VLBERT_FAULT_IMAGES', '400'))
SHARDS = 20
_BAD = 0.03
_SECONDS = 900  # Until a job must have ended.


class _Job:
  """The command, what it reads, and the bytes that it must write."""

  def __init__(self, folder: pathlib.Path):
    self.bad = odd_images.write(folder / 'images', IMAGES, _BAD)
    model = toy_detector.write(folder / 'model')
    self.fields = {
      'dataset': 'images',
      'detector': model,
      'keep': 'both',
      'images_per_shard': -(-IMAGES // SHARDS),
    }
    self.split = f'val,images={folder}/images'
    job.run(job_runs.request(folder, self.split, **self.fields))
    self.checksums = job_runs.checksums(folder)
    self.bytes = sum(
      path.stat().st_size for path in job_runs.folder(folder).iterdir()
    )

  def command(self, folder: pathlib.Path, workers: int = 2) -> list[str]:
    mode = 'multi_processing' if workers > 1 else 'in_memory'
    return [
      *(sys.executable, '-m', 'beam_jobs.extract_rois', '--name=toy'),
      *(f'--output_dir={folder}/out', f'--split={self.split}'),
      *(f'--detector={self.fields["detector"]}', '--keep=both'),
      f'--images_per_shard={self.fields["images_per_shard"]}',
      *(f'--direct_running_mode={mode}', f'--direct_num_workers={workers}'),
    ]

  def finish(self, folder: pathlib.Path, again: bool = True) -> None:
    """Runs the command to its end and checks what it left."""
    done = subprocess.run(
      self.command(folder), capture_output=True, text=True, timeout=_SECONDS
    )
    assert done.returncode == 0, done.stderr
    assert ('shards are there from an earlier job' in done.stderr) == again
    self.check(folder)

  def check(self, folder: pathlib.Path) -> None:
    split = example_schema.open_split(f'{folder}/out/toy', 'val')
    assert split.images == IMAGES - self.bad
    drops = (job_runs.folder(folder) / 'drops.jsonl').read_text()
    assert len(drops.splitlines()) == self.bad
    assert job_runs.checksums(folder) == self.checksums
    assert os.listdir(folder / 'out' / 'toy') == ['1.0.0']


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
  return _Job(tmp_path_factory.mktemp('undisturbed'))


@contextlib.contextmanager
def _started(command: list[str], log: pathlib.Path):
  """A command in a process group of its own, which ends with the block."""
  with (
    open(log, 'wb') as file,
    subprocess.Popen(
      command, stdout=file, stderr=file, start_new_session=True
    ) as process,
  ):
    try:
      yield process
    finally:
      with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _wait_for_shards(process, folder: pathlib.Path, count: int) -> None:
  work = folder / 'out' / 'toy' / '.partial' / 'work'
  end = time.monotonic() + _SECONDS
  while len(list(work.glob('*.result.json'))) < count:
    with contextlib.suppress(subprocess.TimeoutExpired):
      process.wait(0.1)
      pytest.fail('The job ended before it was disturbed.')
    assert time.monotonic() < end, 'The job does not get on.'


def _workers(process) -> list[int]:
  """Processes of Beam's workers that a job has started."""
  found = []
  for entry in pathlib.Path('/proc').glob('[0-9]*'):
    with contextlib.suppress(OSError):
      words = (entry / 'cmdline').read_bytes()
      group = os.getpgid(int(entry.name))
      # Beam starts each through a shell.
      is_python = b'python' in words.split(b'\0')[0]
      if group == process.pid and is_python and b'sdk_worker_main' in words:
        found.append(int(entry.name))
  return found


def test_a_killed_worker_ends_the_job_clearly_and_a_restart_completes_it(
  tmp_path, undisturbed
):
  log = tmp_path / 'log'
  with _started(undisturbed.command(tmp_path), log) as process:
    _wait_for_shards(process, tmp_path, SHARDS // 3)
    victim, *_ = _workers(process)
    os.kill(victim, signal.SIGKILL)
    assert process.wait(_SECONDS) == 1
  assert 'give the same command again' in log.read_text()
  assert not job_runs.folder(tmp_path).exists()
  undisturbed.finish(tmp_path)


def test_a_killed_job_is_completed_by_the_same_command(tmp_path, undisturbed):
  with _started(undisturbed.command(tmp_path), tmp_path / 'log') as process:
    _wait_for_shards(process, tmp_path, 2 * SHARDS // 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(_SECONDS)
  assert not job_runs.folder(tmp_path).exists()
  with pytest.raises(ValueError, match='incomplete'):
    example_schema.open_split(f'{tmp_path}/out/toy', 'val')
  undisturbed.finish(tmp_path)


def test_a_full_disk_ends_the_job_clearly_and_a_restart_completes_it(
  tmp_path, undisturbed
):
  disk = tmp_path / 'out'
  disk.mkdir()
  # Room for the plans of all shards, and for half of what comes of them.
  size = 400 * IMAGES + 4096 * SHARDS + undisturbed.bytes // 2
  mounted = subprocess.run(
    ['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', disk],
    capture_output=True,
    text=True,
  )
  if mounted.returncode:
    pytest.skip(f'No disk to fill: {mounted.stderr}')
  try:
    done = subprocess.run(
      undisturbed.command(tmp_path, workers=1),
      capture_output=True,
      text=True,
      timeout=_SECONDS,
    )
    assert done.returncode == 1
    assert 'No space left on device' in done.stderr.splitlines()[-1]
    assert not job_runs.folder(tmp_path).exists()
    subprocess.run(
      ['mount', '-o', f'remount,size={50 * size}', disk], check=True
    )
    undisturbed.finish(tmp_path)
  finally:
    subprocess.run(['umount', disk], check=True)
    shutil.rmtree(disk)


def test_the_second_of_two_jobs_is_refused_and_the_first_one_completes(
  tmp_path, undisturbed
):
  command = undisturbed.command(tmp_path)
  with _started(command, tmp_path / 'log') as first:
    _wait_for_shards(first, tmp_path, 1)
    # It holds still, or might be done before the second one looks.
    os.killpg(first.pid, signal.SIGSTOP)
    second = subprocess.run(
      command, capture_output=True, text=True, timeout=_SECONDS
    )
    os.killpg(first.pid, signal.SIGCONT)
    assert second.returncode == 1
    assert 'One job at a time' in second.stderr.splitlines()[-1]
    assert f'process {first.pid}' in second.stderr
    assert first.wait(_SECONDS) == 0
  undisturbed.check(tmp_path)
