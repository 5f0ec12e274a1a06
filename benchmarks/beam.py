"""Images a second of vlbert-extract-rois, by workers and by runner.

  python -m benchmarks.beam --detector=tiny --images=1000 --many=5000

Draws photographs, exports a detector with random weights (which costs what a
trained one costs), and runs the job as users do, as processes: with one and
with two workers of one core each on the local runner, and with a pool of
worker processes that share nothing with the launching folder. Prints for each
the whole time, the time until the first shard begins (start-up), the images a
second after that, the share of time outside the detector, and the peak memory
of a process; and then, with --many=N, what memory grows by for N images.
"""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import PIL.Image
from absl import app, flags, logging

_DETECTOR = flags.DEFINE_enum(
  'detector', 'tiny', ['tiny', 'base'], 'Size of the detector.'
)
_IMAGES = flags.DEFINE_integer('images', 1000, 'Images of a run.', 8)
_MANY = flags.DEFINE_integer(
  'many', 0, 'Images of a run that memory is compared for; 0: none.', 0
)
_WORKERS = flags.DEFINE_multi_integer(
  'workers', [1, 2], 'Workers of the runs; may be repeated.', 1
)
_POOL = flags.DEFINE_bool('pool', True, 'Runs the pool of workers as well.')

_HEIGHT, _WIDTH = 480, 640
_CATEGORIES = 1600
# What an image is scaled to: the paper's, and what takes minutes, not an hour.
_SCALED_TO = {'base': (600, 1000), 'tiny': (240, 320)}
# At most, and so many images in each at least.
_SHARDS, _LEAST = 16, 8
_SECONDS_BETWEEN_LOOKS = 0.25


@dataclasses.dataclass(frozen=True)
class Run:
  """What a job came to.

  Attributes:
    seconds: from its start to its end.
    start_up: of these, until the first shard had begun.
    outside: share of the workers' time that is not the detector's.
    memory: largest resident memory of one of its processes, bytes.
  """

  seconds: float
  start_up: float
  outside: float
  memory: int


def main(_):
  folder = pathlib.Path(tempfile.mkdtemp(prefix='bench_beam'))
  try:
    images, many = _IMAGES.value, _MANY.value
    _draw(folder / 'images', max(images, many))
    detector = _export(folder, _DETECTOR.value)
    print(
      f'{images} images of {_WIDTH}x{_HEIGHT}, detector {_DETECTOR.value}, '
      f'{len(os.sched_getaffinity(0))} cores, load '
      f'{os.getloadavg()[0]:.1f} before'
    )
    rates = {}
    for workers in _WORKERS.value:
      run = _job(folder, detector, images, _local(workers))
      rates[workers] = _show(f'local, {workers} workers', run, images)
    if len(rates) > 1:
      print(f'{workers} workers over 1: {rates[workers] / rates[1]:.2f}')
    if many:
      large = _job(folder, detector, many, _local(workers))
      _show(f'local, {workers} workers, {many} images', large, many)
      growth = large.memory / run.memory - 1
      print(f'memory from {images} to {many} images: {growth:+.1%}')
    if _POOL.value:
      with _Pool(folder) as pool:
        _show(
          'pool of workers',
          _job(folder, detector, images, pool.flags),
          images,
        )
  finally:
    shutil.rmtree(folder)


def _show(name: str, run: Run, images: int) -> float:
  rate = images / (run.seconds - run.start_up)
  print(
    f'{name}: {run.seconds:.0f} s, of these start-up {run.start_up:.0f} s; '
    f'{rate:.2f} images/s after it; {run.outside:.0%} outside the detector; '
    f'{run.memory / 2**20:.0f} MiB in the largest process',
    flush=True,
  )
  return rate


def _local(workers: int) -> list[str]:
  return [
    '--direct_running_mode=multi_processing',
    f'--direct_num_workers={workers}',
  ]


def _job(
  folder: pathlib.Path, detector: str, images: int, beam_flags: list[str]
) -> Run:
  shards = max(1, min(_SHARDS, images // _LEAST))
  index = folder / f'{images}.tsv'
  index.write_text(''.join(f'{k:06d}.jpg\n' for k in range(images)))
  out = folder / 'out'
  command = [
    *(sys.executable, '-m', 'beam_jobs.extract_rois', '--name=bench'),
    *(f'--output_dir={out}', f'--detector={detector}'),
    f'--split=train,images={folder}/images,index={index}',
    f'--images_per_shard={-(-images // shards)}',
    *beam_flags,
  ]
  environment = {
    **os.environ,
    # One core a worker: what is compared is workers, not threads.
    'TF_NUM_INTRAOP_THREADS': '1',
    'TF_NUM_INTEROP_THREADS': '1',
    'TF_CPP_MIN_LOG_LEVEL': '3',
  }
  begin = time.monotonic()
  with subprocess.Popen(
    command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
  ) as process:
    watch = _Watch(process.pid, out / 'bench' / '.partial')
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    if process.wait():
      raise RuntimeError(f'The job failed: {" ".join(command)}')
  seconds = time.monotonic() - begin
  watch.ended.set()
  thread.join()
  report = json.loads((out / 'bench' / '1.0.0' / 'report.json').read_text())
  stages = report['train']['seconds']
  shutil.rmtree(out)
  return Run(
    seconds=seconds,
    start_up=watch.first - begin,
    outside=1 - stages['detect'] / sum(stages.values()),
    memory=watch.memory,
  )


class _Watch:
  """Looks when the first shard begins, and at the memory of processes."""

  def __init__(self, group: int, partial: pathlib.Path):
    self.ended = threading.Event()
    self.first = time.monotonic()
    self.memory = 0
    self._group, self._partial = group, partial
    self._begun = False

  def run(self):
    while not self.ended.wait(_SECONDS_BETWEEN_LOOKS):
      if not self._begun:
        self.first = time.monotonic()
        self._begun = any(self._partial.glob('work/*.begun'))
      for entry in pathlib.Path('/proc').glob('[0-9]*'):
        try:
          if os.getpgid(int(entry.name)) == self._group:
            status = (entry / 'status').read_text()
            peak = re.search(r'VmHWM:\s+(\d+) kB', status)
            self.memory = max(self.memory, 1024 * int(peak.group(1)))
        except (OSError, AttributeError):
          continue


class _Pool:
  """Beam's job service and a pool of workers, each in a folder of its own."""

  def __init__(self, folder: pathlib.Path):
    self._ports = [_free_port(), _free_port()]
    self._folder = folder
    self.flags = [
      '--runner=PortableRunner',
      f'--job_endpoint=localhost:{self._ports[0]}',
      '--environment_type=EXTERNAL',
      f'--environment_config=localhost:{self._ports[1]}',
    ]

  def __enter__(self):
    modules = (
      ('portability.local_job_service_main', f'--port={self._ports[0]}'),
      ('worker.worker_pool_main', f'--service_port={self._ports[1]}'),
    )
    path = f'{os.path.dirname(sys.executable)}:{os.environ["PATH"]}'
    self._processes = [
      subprocess.Popen(
        [sys.executable, '-m', f'apache_beam.runners.{module}', flag],
        cwd=self._folder,
        env={**os.environ, 'PATH': path, 'TF_NUM_INTRAOP_THREADS': '1'},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
      )
      for module, flag in modules
    ]
    return self

  def __exit__(self, *_):
    for process in self._processes:
      process.terminate()
      process.wait()


def _free_port() -> int:
  with socket.socket() as probe:
    probe.bind(('localhost', 0))
    return probe.getsockname()[1]


def _draw(folder: pathlib.Path, count: int) -> None:
  """Landscapes with a portrait among eight, of some detail."""
  folder.mkdir(parents=True)
  for k in range(count):
    coarse = np.random.default_rng(k).integers(0, 255, [24, 32, 3], np.uint8)
    size = (_HEIGHT, _WIDTH) if k % 8 == 7 else (_WIDTH, _HEIGHT)
    picture = PIL.Image.fromarray(coarse).resize(size)
    picture.save(folder / f'{k:06d}.jpg', quality=90)


def _export(folder: pathlib.Path, size: str) -> str:
  """A detector with random weights, of as many categories as the paper's."""
  import tensorflow as tf

  from beam_jobs import job
  from serving.detector import DetectorModule
  from vlbert_tf.tasks import detection

  _write_annotations(folder)
  job.run(
    job.Request(
      dataset='captions',
      name='objects',
      output_dir=str(folder / 'records'),
      splits=(
        f'train,captions={folder}/captions.tsv,images={folder}/images,'
        f'image_index={folder}/index.tsv,instances={folder}/instances.json',
      ),
    )
  )
  config = detection.DetectionConfig()
  short_side, long_side = _SCALED_TO[size]
  config.override(
    {
      'detector': {
        'size': size,
        'image_short_side': short_side,
        'image_long_side': long_side,
      },
      'train_data': {'path': str(folder / 'records' / 'objects')},
    }
  )
  task = detection.DetectionTask(config)
  module = DetectorModule(task, task.build_model())
  tf.saved_model.save(module.root, str(folder / 'detector'), module.signatures)
  return str(folder / 'detector')


def _write_annotations(folder: pathlib.Path) -> None:
  """One captioned image with one box: enough to say what categories are."""
  (folder / 'captions.tsv').write_text('a caption\thttp://h/0\n')
  (folder / 'index.tsv').write_text('http://h/0\t000000.jpg\n')
  (folder / 'instances.json').write_text(
    json.dumps(
      {
        'images': [{'id': 0, 'file_name': '000000.jpg'}],
        'annotations': [
          {'id': 0, 'image_id': 0, 'category_id': 1, 'bbox': [5, 5, 50, 50]}
        ],
        'categories': [
          {'id': k, 'name': f'category {k}'} for k in range(1, _CATEGORIES + 1)
        ],
      }
    )
  )


if __name__ == '__main__':
  logging.set_verbosity(logging.WARNING)
  app.run(main)
