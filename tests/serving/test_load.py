"""A server process under load and faults: nothing wrong, nothing lost.

`VLBERT_LOAD_SECONDS=120 make test-slow` loads it for longer than the usual 30.
"""

import collections
import dataclasses
import os
import random
import threading
import time
from concurrent import futures

import grpc
import psutil
import pytest

from serving import client, connection, images, messages, requests
from tests.serving import server_process, toy_model

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get('VLBERT_LOAD_SECONDS', '30'))
CLIENTS = 50
MALFORMED = 0.01

BATCHING = """
  max_batch_size { value: 16 }
  batch_timeout_micros { value: 2000 }
  max_enqueued_batches { value: 8 }
  num_batch_threads { value: 2 }
  allowed_batch_sizes: [1, 2, 4, 8, 16]
"""
# One row at a time, one waiting.
NARROW = """
  max_batch_size { value: 1 }
  max_enqueued_batches { value: 1 }
  num_batch_threads { value: 1 }
"""
PATIENT = connection.Backoff(retries=1000, first_seconds=0.05, max_seconds=1)


@pytest.fixture
def start(tmp_path):
  """Starts servers of `toy` with batching parameters."""

  def start(parameters, port=0):
    file = tmp_path / 'batching.txt'
    file.write_text(parameters)
    return server_process.ServerProcess(
      tmp_path,
      f'--model_base_path={tmp_path / "export"}',
      '--model_name=toy',
      '--enable_batching',
      f'--batching_parameters_file={file}',
      '--file_system_poll_wait_seconds=0.2',
      port=port,
    )

  toy_model.export(tmp_path / 'export' / '1')
  return start


@dataclasses.dataclass
class Load:
  """Clients that ask until they are stopped, and what they got.

  Attributes:
    outcomes: `right`, UNAVAILABLE, or `malformed` with the status that a
      malformed request got; and how often.
    versions: that answered.
    wrong: what must not be.
  """

  address: str
  backoff: connection.Backoff = connection.Backoff()
  outcomes: collections.Counter = dataclasses.field(
    default_factory=collections.Counter
  )
  versions: set[int] = dataclasses.field(default_factory=set)
  wrong: list[str] = dataclasses.field(default_factory=list)

  def __post_init__(self):
    self._stopped = threading.Event()
    self._lock = threading.Lock()

  def __enter__(self):
    self._pool = futures.ThreadPoolExecutor(CLIENTS)
    self._running = [
      self._pool.submit(self._ask_on, seed) for seed in range(CLIENTS)
    ]
    return self

  def __exit__(self, *error):
    self.stop()

  def stop(self):
    """Waits for the answers under way."""
    self._stopped.set()
    self._pool.shutdown()
    for running in self._running:
      running.result()

  def answered(self, more):
    """Waits for so many more right answers."""
    goal = self.outcomes['right'] + more
    server_process.wait_until(
      lambda: self.outcomes['right'] >= goal, f'{more} answers'
    )

  def _ask_on(self, seed):
    rng = random.Random(seed)
    with client.Client(
      self.address, 'toy', backoff=self.backoff, timeout_seconds=120
    ) as asking:
      while not self._stopped.is_set():
        try:
          outcome = self._ask(asking, rng)
        except connection.ServerUnavailableError:
          outcome = 'UNAVAILABLE'
        except Exception as error:  # noqa: BLE001 - the test shows it.
          outcome = 'lost'
          self.wrong.append(repr(error))
        with self._lock:
          self.outcomes[outcome] += 1

  def _ask(self, asking, rng):
    width, words = rng.randint(1, 40), rng.randint(1, 9)
    request = requests.Question(
      image=images.read_image(toy_model.png(width, 3)), text='is ' * words
    )
    if rng.random() < MALFORMED:
      return self._send_malformed(asking, request)
    answer = asking.send(request)
    self.versions.add(answer.model_version)
    total = width + words
    expected = [
      (f'{width}x3', width / total),
      (f'{words} words', words / total),
    ]
    for scored, (text, score) in zip(answer.answers, expected, strict=True):
      if scored.text != text or abs(scored.score - score) > 1e-5:
        self.wrong.append(f'{answer.answers}, expected {expected}')
        return 'wrong'
    return 'right'

  def _send_malformed(self, asking, request):
    """What the client itself would never send."""
    inputs = requests.tensors([request], with_boxes=True)
    inputs['image'] = messages.string_tensor([request.image.data[:40]], [1])
    message = messages.PredictRequest(
      model_spec={'name': 'toy', 'signature_name': 'answer'}
    )
    for key, value in inputs.items():
      message.inputs.add(key=key, value=value)
    try:
      asking._predict(message, timeout=120)
    except grpc.RpcError as error:
      return f'malformed {error.code().name}'
    self.wrong.append('a malformed request was answered')
    return 'wrong'


def memory(server):
  return psutil.Process(server.process.pid).memory_info().rss


def test_fifty_clients_get_right_answers_and_the_memory_stays_flat(
  start, tmp_path
):
  with start(BATCHING) as server:
    with Load(server.address, PATIENT) as load:
      load.answered(CLIENTS)
      for version in (2, 3):
        aside = toy_model.export(tmp_path / 'aside')
        aside.rename(tmp_path / 'export' / str(version))
        server_process.wait_until(
          lambda version=version: version in load.versions, 'the switch'
        )
      load.answered(20 * CLIENTS)
      before, end = memory(server), time.monotonic() + SECONDS
      server_process.wait_until(
        lambda: time.monotonic() >= end, 'the load', SECONDS + 60
      )
      after = memory(server)
    code = server.terminate()

  assert load.wrong == []
  assert load.outcomes['malformed INVALID_ARGUMENT'] > 0
  assert not {'UNAVAILABLE', 'lost', 'wrong'} & set(load.outcomes)
  assert load.versions == {1, 2, 3}
  assert after < 1.05 * before
  assert code == 0


def test_a_killed_server_comes_back_and_retries_succeed(start):
  server = start(BATCHING)
  with server, Load(server.address, PATIENT) as load:
    load.answered(CLIENTS)
    server.process.kill()
    server.process.wait()
    with start(BATCHING, server.port):
      load.answered(CLIENTS)
      load.stop()

  assert load.wrong == []
  assert load.outcomes['UNAVAILABLE'] == 0


def test_a_full_queue_sheds_and_recovers(start):
  with start(NARROW) as server:
    with Load(server.address, connection.Backoff(retries=0)) as load:
      load.answered(10 * CLIENTS)
    with Load(server.address, PATIENT) as patient:
      patient.answered(10 * CLIENTS)
    with client.Client(server.address, 'toy') as asking:
      answer = asking.ask(toy_model.png(3, 2), 'what?')

  assert load.wrong == patient.wrong == []
  assert load.outcomes['UNAVAILABLE'] > 0
  assert answer.answers[0].text == '3x2'
