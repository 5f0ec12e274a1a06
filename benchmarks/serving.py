"""Speed of vlbert-serve on this machine, with batching and without.

  python -m benchmarks.serving --model_dir=build/demo/export
  python -m benchmarks.serving --model_dir=EXPORT --seconds=60 --clients=32
  python -m benchmarks.serving --random_base --clients=2 --max_batch_size=2

Server and clients share the machine and speak over its loopback. Each way of
serving is measured twice: one client that waits for each answer, and many at
the same time. The share outside the model is the part of a lone client's
waiting in which the graph did not run. An export with a detector is asked
without RoIs. --random_base serves a model of the paper's size, from pixels,
with random weights. Prints a table.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import io
import math
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence

import grpc
import PIL.Image
from absl import logging

from benchmarks import timing
from serving import async_client, connection, images, requests
from serving.web import metadata

# Warming up every shape of an export is most of it.
_START_SECONDS = 900
_RUNTIME = ':tensorflow:serving:runtime_latency'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
  """What clients saw, and how long the graph ran for them.

  Attributes:
    latencies: seconds of each answer.
    failures: requests without one.
    wall_seconds: from the first request to the last answer.
    model_seconds: runs of the graph, added up.
  """

  latencies: Sequence[float]
  failures: int
  wall_seconds: float
  model_seconds: float

  def percentile(self, percent: float) -> float:
    """Latency that so many percent of the answers had at most."""
    rank = math.ceil(percent / 100 * len(self.latencies))
    return sorted(self.latencies)[max(rank, 1) - 1]

  @property
  def rate(self) -> float:
    """Answers in a second."""
    return len(self.latencies) / self.wall_seconds

  @property
  def outside(self) -> float:
    """Share of the waiting in which the graph did not run, for one client."""
    return 1 - self.model_seconds / sum(self.latencies)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Server:
  """Addresses of a server that runs."""

  address: str
  metrics: str

  def finds_rois(self) -> bool:
    """Whether questions need no boxes."""
    kind = metadata.SIGNATURES
    with grpc.insecure_channel(self.address) as channel:
      call = channel.unary_unary(
        kind.method,
        request_serializer=kind.request.SerializeToString,
        response_deserializer=kind.response.FromString,
      )
      found = metadata.input_names(call(kind.request_for('vlbert')))
    return 'boxes' not in found['answer']

  def model_seconds(self) -> float:
    """Time of all runs of the graph until now."""
    with urllib.request.urlopen(self.metrics, timeout=60) as response:
      page = response.read().decode()
    sums = re.findall(rf'^{_RUNTIME}_sum\S* (\S+)$', page, re.MULTILINE)
    return sum(map(float, sums)) / 1e6


@contextlib.contextmanager
def serving(model_dir: str, parameters: str) -> Iterator[Server]:
  """A server as a process.

  Args:
    model_dir: folder of the versions.
    parameters: text of BatchingParameters; empty for no batching.
  """
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder)
    (path / 'monitoring').write_text('prometheus_config { enable: true }')
    (path / 'batching').write_text(parameters)
    with socket.socket() as held:
      held.bind(('127.0.0.1', 0))
      metrics_port = held.getsockname()[1]
    command = [
      *(sys.executable, '-m', 'serving.serve', f'--model_dir={model_dir}'),
      *('--port=0', f'--port_file={path / "port"}'),
      f'--monitoring_config_file={path / "monitoring"}',
      f'--rest_api_port={metrics_port}',
    ]
    if parameters:
      command += ['--enable_batching']
      command += [f'--batching_parameters_file={path / "batching"}']
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
      port = _port(process, path / 'port')
      page = f'http://127.0.0.1:{metrics_port}/monitoring/prometheus/metrics'
      yield Server(address=f'127.0.0.1:{port}', metrics=page)
    finally:
      process.terminate()
      process.wait()


async def measure(
  server: Server,
  request: requests.Request,
  clients: int,
  seconds: float,
) -> Measurement:
  """Asks the same thing over and over.

  Args:
    server: that is asked.
    request: that is sent; one without boxes wants an export with a detector.
    clients: requests under way at a time.
    seconds: after which no new one is sent.
  """
  latencies, failures = [], 0
  async with async_client.AsyncClient(
    server.address,
    has_detector=request.boxes is None,
    backoff=connection.Backoff(retries=0),
    timeout_seconds=120,
  ) as client:
    for _ in range(3):  # not measured: buffers, threads, the connection
      await asyncio.gather(*(client.send(request) for _ in range(clients)))
    before, start = server.model_seconds(), time.monotonic()

    async def ask_on() -> None:
      nonlocal failures
      while time.monotonic() - start < seconds:
        sent = time.monotonic()
        try:
          await client.send(request)
          latencies.append(time.monotonic() - sent)
        except connection.ServerUnavailableError:
          failures += 1

    await asyncio.gather(*(ask_on() for _ in range(clients)))
    wall = time.monotonic() - start
  return Measurement(
    latencies=latencies,
    failures=failures,
    wall_seconds=wall,
    model_seconds=server.model_seconds() - before,
  )


def main() -> None:
  """Measures and prints."""
  given = _arguments()
  logging.set_verbosity(logging.INFO)
  size = given.max_batch_size
  sizes = [2**k for k in range(size.bit_length()) if 2**k < size] + [size]
  batching = (
    f'max_batch_size {{ value: {size} }} '
    'batch_timeout_micros { value: 2000 } num_batch_threads { value: 2 } '
    f'max_enqueued_batches {{ value: 100 }} allowed_batch_sizes: {sizes}'
  )
  rates = {}
  print(timing.heading('benchmarks.serving'))
  print('| batching | clients | answers/s | p50 ms | p99 ms | outside model |')
  print('|---|---|---|---|---|---|', flush=True)
  with _model_dir(given) as model_dir:
    for name, parameters in (('off', ''), ('on', batching)):
      with serving(model_dir, parameters) as server:
        boxes = None if server.finds_rois() else given.boxes
        request = _request(given.image_side, boxes)
        for clients in (1, given.clients):
          logging.info('Batching %s, %d clients', name, clients)
          found = asyncio.run(measure(server, request, clients, given.seconds))
          _print_row(name, clients, found)
          rates[name] = found.rate
  gain = rates['on'] / rates['off']
  print(f'\nBatching: {gain:.2f} times the answers of {given.clients} clients.')


@contextlib.contextmanager
def _model_dir(given: argparse.Namespace) -> Iterator[str]:
  if not given.random_base:
    yield given.model_dir
    return
  from benchmarks import random_export  # it imports TensorFlow

  with tempfile.TemporaryDirectory() as folder:
    yield random_export.write(folder)


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  add = parser.add_argument
  which = parser.add_mutually_exclusive_group(required=True)
  which.add_argument('--model_dir', help='versions of an export for questions')
  which.add_argument('--random_base', action='store_true', help='see above')
  add('--seconds', type=float, default=20, help='length of each measurement')
  add('--clients', type=int, default=16, help='requests under way at a time')
  add('--boxes', type=int, default=10, help='RoIs of a question')
  add('--image_side', type=int, default=256, help='pixels of the image')
  add('--max_batch_size', type=int, default=8, help='of the batches')
  return parser.parse_args()


def _request(side: int, boxes: int | None) -> requests.Question:
  """A question about noise, which compresses as little as any photo."""
  file = io.BytesIO()
  PIL.Image.effect_noise((side, side), 60).convert('RGB').save(file, 'JPEG')
  rois = boxes and [
    (i * side / 2 / boxes, 0, side / 2, side) for i in range(boxes)
  ]
  return requests.Question(
    image=images.read_image(file.getvalue()),
    text='What color is the small thing on the left?',
    boxes=rois,
  )


def _print_row(name: str, clients: int, found: Measurement) -> None:
  outside = f'{100 * found.outside:.1f} %' if clients == 1 else ''
  if found.failures:
    logging.warning('%d requests were refused', found.failures)
  print(
    f'| {name} | {clients} | {found.rate:.1f} '
    f'| {1e3 * found.percentile(50):.1f} '
    f'| {1e3 * found.percentile(99):.1f} | {outside} |',
    flush=True,
  )


def _port(process: subprocess.Popen, file: pathlib.Path) -> int:
  deadline = time.monotonic() + _START_SECONDS
  while not file.exists():
    if process.poll() is not None or time.monotonic() > deadline:
      raise RuntimeError(
        'A server must start before it is measured. '
        'Received: none. Read what vlbert-serve wrote above.'
      )
    time.sleep(0.1)
  return int(file.read_text())


if __name__ == '__main__':
  main()
