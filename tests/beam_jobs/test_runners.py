"""Where a job may run, and what would be sent to Dataflow."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest
from apache_beam.portability.api import beam_runner_api_pb2

from beam_jobs import job, plans, runners
from beam_jobs import output as outputs
from tests.beam_jobs import job_runs, memory_files, official_files

_DATAFLOW = (
  *('--runner=DataflowRunner', '--project=my-project', '--region=us-central1'),
  *('--temp_location=gs://my-bucket/tmp', '--job_name=rois'),
  *('--staging_location=gs://my-bucket/stage', '--dry_run=true', '--no_auth'),
  *('--sdk_container_image=us-docker.pkg.dev/p/r/vlbert', '--machine_type=n1'),
  '--sdk_location=container',
)


def test_the_graph_for_dataflow_names_its_container_and_its_steps(monkeypatch):
  # Without it the client looks for credentials on a metadata server.
  monkeypatch.setenv('NO_GCE_CHECK', 'true')
  task = plans.ShardTask('gs://b/plan', 'gs://b/result', 'f', 3, 5)
  pipeline = runners.build_graph(
    runners.options(_DATAFLOW), [task], outputs.Output('gs://b/out/toy')
  )
  proto = pipeline.run().job.proto_pipeline

  names = {t.unique_name for t in proto.components.transforms.values()}
  assert {'Shards', 'Spread', 'BuildShard', 'Count'} <= names
  (environment,) = proto.components.environments.values()
  payload = beam_runner_api_pb2.DockerPayload.FromString(environment.payload)
  assert payload.container_image == 'us-docker.pkg.dev/p/r/vlbert'
  assert environment.urn == 'beam:env:docker:v1'


def test_a_dry_run_submits_and_publishes_nothing(tmp_path, monkeypatch):
  monkeypatch.setenv('NO_GCE_CHECK', 'true')
  memory_files.FILES.clear()
  paths = official_files.write_vqa(tmp_path / 'a', 3)
  for path in (tmp_path / 'a').rglob('*.*'):
    name = f'memory://b/{path.relative_to(tmp_path)}'
    memory_files.FILES[name] = path.read_bytes()
  request = job_runs.request(
    tmp_path,
    f'val,{paths}'.replace(str(tmp_path), 'memory://b'),
    output_dir='memory://b/out',
    beam_flags=_DATAFLOW,
  )
  assert job.run(request) == {}
  assert not any(path.endswith('manifest.json') for path in memory_files.FILES)


def test_paths_of_this_machine_are_refused_for_workers_elsewhere(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 3)
  request = job_runs.request(
    tmp_path,
    f'val,{paths}',
    output_dir='gs://my-bucket/out',
    beam_flags=_DATAFLOW,
  )
  with pytest.raises(ValueError, match='read and write gs://.*val2014'):
    job.run(request)


@pytest.mark.parametrize(
  ('images', 'detects', 'mode'),
  [
    (100, False, 'in_memory'),
    (100, True, 'in_memory'),
    (100_000, False, 'multi_processing'),
    (1_000, True, 'multi_processing'),
  ],
)
def test_long_jobs_take_all_cores(monkeypatch, images, detects, mode):
  monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1, 2})
  made = runners.options((), images, detects).get_all_options()
  assert made['direct_running_mode'] == mode
  assert made['direct_num_workers'] == (3 if mode != 'in_memory' else 1)
  chosen = runners.options(('--direct_running_mode=in_memory',), images, True)
  assert chosen.get_all_options()['direct_running_mode'] == 'in_memory'


def _free_port() -> int:
  with socket.socket() as probe:
    probe.bind(('localhost', 0))
    return probe.getsockname()[1]


def _wait_for(port: int) -> None:
  """Until a service listens, which its imports may delay."""
  end = time.monotonic() + 120
  while True:
    try:
      socket.create_connection(('localhost', port), timeout=1).close()
      return
    except OSError:
      assert time.monotonic() < end, f'Nothing listens on port {port}.'
      time.sleep(0.1)


@contextlib.contextmanager
def _service(
  folder: pathlib.Path,
  module: str,
  *flags: str,
  python: str = os.path.dirname(sys.executable),
):
  """A program of Beam that runs elsewhere, with a Python first on its path."""
  folder.mkdir()
  environment = {
    **os.environ,
    'PATH': f'{python}:{os.environ["PATH"]}',
    'TF_CPP_MIN_LOG_LEVEL': '3',
  }
  environment.pop('PYTHONPATH', None)
  with (
    open(folder / 'log', 'wb') as log,
    subprocess.Popen(
      [sys.executable, '-m', f'apache_beam.runners.{module}', *flags],
      cwd=folder,
      env=environment,
      stdout=log,
      stderr=log,
    ) as process,
  ):
    try:
      yield
    finally:
      process.terminate()


@contextlib.contextmanager
def _pool(folder: pathlib.Path, **options):
  """A pool of workers and a job service; the flags that lead to them."""
  jobs, workers = _free_port(), _free_port()
  with (
    _service(
      folder / 'jobs',
      'portability.local_job_service_main',
      f'--port={jobs}',
    ),
    _service(
      folder / 'pool',
      'worker.worker_pool_main',
      f'--service_port={workers}',
      **options,
    ),
  ):
    _wait_for(jobs)
    _wait_for(workers)
    yield (
      '--runner=PortableRunner',
      f'--job_endpoint=localhost:{jobs}',
      '--environment_type=EXTERNAL',
      f'--environment_config=localhost:{workers}',
    )


def test_the_end_of_a_long_error_is_told():
  class Graph:
    options = runners.options(())

    def run(self):
      raise RuntimeError('job-1 failed: ' + 'a traceback ' * 90 + 'Refused.')

  with pytest.raises(RuntimeError, match=r'job-1 failed.* \.\.\. .*Refused'):
    runners.run(Graph(), lambda: False)


@pytest.mark.slow
def test_workers_that_share_nothing_write_the_same_bytes(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 11)
  job.run(job_runs.request(tmp_path, f'val,{paths}'))
  here = job_runs.checksums(tmp_path)
  with _pool(tmp_path) as flags:
    job.run(
      job_runs.request(
        tmp_path, f'val,{paths}', overwrite=True, beam_flags=flags
      )
    )
  assert job_runs.checksums(tmp_path) == here


@pytest.mark.slow
def test_a_pool_whose_workers_never_come_ends_the_job(tmp_path, monkeypatch):
  paths = official_files.write_vqa(tmp_path / 'a', 3)
  other = tmp_path / 'other' / 'python'
  other.parent.mkdir()
  other.write_text('#!/bin/sh\nexit 1\n')
  other.chmod(0o755)
  run = runners.run
  monkeypatch.setattr(runners, 'run', lambda *args: run(*args, patience=5.0))
  with (
    _pool(tmp_path, python=str(other.parent)) as flags,
    pytest.raises(RuntimeError, match='no worker began a shard in 5 s'),
  ):
    job.run(job_runs.request(tmp_path, f'val,{paths}', beam_flags=flags))
  assert not job_runs.folder(tmp_path).exists()
