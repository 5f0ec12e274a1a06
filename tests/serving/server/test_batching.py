"""Dynamic batching over a socket: who shares a batch, and who its errors."""

import contextlib
import gc
import queue
import threading
import weakref
from concurrent import futures

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.server import batching, listener, metrics, registry, settings
from tests.serving import toy_model
from tests.serving.toy_requests import (
  BOXES,
  DEADLINE,
  outputs_of,
  predict_request,
  question_request,
)

# Long enough that only a full batch runs.
FOREVER = 60_000_000


def arithmetic(x):
  return predict_request('arithmetic', x=x)


@pytest.fixture
def serve(export_root):
  """Makes servers: stub of a gated version, `entered`, `gate`."""
  with contextlib.ExitStack() as stack:

    def start(*, is_open=True, **parameters):
      entered, gate = threading.Event(), threading.Event()
      version = toy_model.GatedVersion(export_root / '7', entered, gate)
      if is_open:
        gate.set()
      server = listener.Listener(
        registry.Registry([version]),
        calls=batching.BatchScheduler(
          settings.BatchingParameters(**parameters), metrics.ServerMetrics()
        ),
      )
      stack.callback(server.drain, 10)
      stack.callback(gate.set)
      channel = stack.enter_context(grpc.insecure_channel(server.address))
      stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
      return stub, version, entered, gate

    yield start


def ask_together(stub, requests):
  """Status and outputs of requests sent at the same time."""
  calls = [stub.Predict.future(r, timeout=DEADLINE) for r in requests]
  answers = []
  for call in calls:
    code = call.code()  # waits
    is_ok = code is grpc.StatusCode.OK
    answers.append((code, outputs_of(call.result()) if is_ok else {}))
  return answers


def test_requests_at_the_same_time_run_once_and_get_their_own_rows(serve):
  stub, version, _, _ = serve(max_batch_size=5, batch_timeout_micros=FOREVER)

  answers = ask_together(
    stub, [arithmetic([1.0]), arithmetic([2.0, 3.0]), arithmetic([4.0, 5.0])]
  )

  assert [a['product'] for _, a in answers] == [[3.0], [6.0, 9.0], [12.0, 15.0]]
  assert version.rows == [5]


def test_a_batch_grows_to_the_next_allowed_size(serve):
  stub, version, _, _ = serve(max_batch_size=8, allowed_batch_sizes=(2, 4, 8))

  ((_, answer),) = ask_together(stub, [arithmetic([1.0, 2.0, 3.0])])

  assert answer['product'] == [3.0, 6.0, 9.0]
  assert version.rows == [4]


def test_a_batch_that_is_not_full_waits_no_longer_than_its_timeout(serve):
  stub, version, _, _ = serve(max_batch_size=1000, batch_timeout_micros=1000)

  ((_, answer),) = ask_together(stub, [arithmetic([1.0])])

  assert answer['product'] == [3.0]
  assert version.rows == [1]


def test_only_the_bad_request_of_a_batch_fails(serve):
  stub, version, _, _ = serve(max_batch_size=5, batch_timeout_micros=FOREVER)
  images = [toy_model.png(width, 2) for width in (3, 5, 7, 11, 13)]
  images[3] = b'no image'

  answers = ask_together(stub, map(question_request, images))

  assert [code for code, _ in answers].index(
    grpc.StatusCode.INVALID_ARGUMENT
  ) == 3
  found = [a['answers'][0][0] for _, a in answers if a]
  assert found == [b'3x2', b'5x2', b'7x2', b'13x2']
  assert version.rows[0] == 5


def test_shapes_that_differ_fail_together_unless_they_are_padded(serve):
  requests = [
    question_request(toy_model.png(2, 2), boxes=boxes)
    for boxes in (BOXES[:1], BOXES)
  ]
  parameters = {'max_batch_size': 2, 'batch_timeout_micros': FOREVER}

  stub, _, _, _ = serve(**parameters)
  refused = ask_together(stub, requests)
  stub, version, _, _ = serve(**parameters, pad_variable_length_inputs=True)
  padded = ask_together(stub, requests)

  failed = grpc.StatusCode.FAILED_PRECONDITION
  assert [code for code, _ in refused] == [failed, failed]
  # The first element, 0, fills the box that is missing: it has no area.
  attention = [answer['attention'] for _, answer in padded]
  assert attention == [[[1.0, 0.0]], [[0.75, 0.25]]]
  assert version.rows == [2]


def test_a_full_queue_refuses_and_then_recovers(serve):
  stub, version, entered, gate = serve(
    is_open=False, max_batch_size=1, max_enqueued_batches=2, num_batch_threads=1
  )
  first = stub.Predict.future(arithmetic([1.0]), timeout=DEADLINE)
  assert entered.wait(DEADLINE)

  ended = queue.Queue()
  calls = [
    stub.Predict.future(arithmetic([1.0]), timeout=DEADLINE) for _ in range(3)
  ]
  for call in calls:
    call.add_done_callback(ended.put)
  refused = ended.get(timeout=DEADLINE)
  gate.set()

  assert refused.code() is grpc.StatusCode.UNAVAILABLE
  assert refused.details() == (
    'The batch scheduling queue to which this task was submitted is full'
  )
  for call in {first, *calls} - {refused}:
    assert call.code() is grpc.StatusCode.OK
  ((code, _),) = ask_together(stub, [arithmetic([1.0])])
  assert code is grpc.StatusCode.OK
  assert version.rows == [1] * 4


def test_a_request_whose_caller_has_given_up_is_not_run(serve):
  stub, version, entered, gate = serve(
    is_open=False, max_batch_size=1, num_batch_threads=1
  )
  first = stub.Predict.future(arithmetic([1.0]), timeout=DEADLINE)
  assert entered.wait(DEADLINE)

  late = stub.Predict.future(arithmetic([1.0]), timeout=0.2)
  assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
  gate.set()
  ask_together(stub, [arithmetic([1.0])])

  assert first.code() is grpc.StatusCode.OK
  assert version.rows == [1, 1]


@pytest.mark.parametrize(
  ('message', 'sentence'),
  [
    (
      arithmetic([1.0] * 3),
      'Task size 3 is larger than maximum',
    ),
    (
      predict_request(image=[b''] * 2, question=['a'], boxes=[BOXES] * 2),
      'must have equal 0th-dimension size',
    ),
  ],
)
def test_rows_that_make_no_batch_are_refused(serve, message, sentence):
  stub, _, _, _ = serve(max_batch_size=2)

  with pytest.raises(grpc.RpcError) as caught:
    stub.Predict(message, timeout=DEADLINE)

  assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
  assert sentence in caught.value.details()


def test_a_signature_without_batch_dimension_runs_apart(serve, tmp_path):
  stub, _, _, _ = serve(max_batch_size=2, batch_timeout_micros=FOREVER)
  (tmp_path / 'file').write_bytes(b'content')

  response = stub.Predict(
    predict_request('read', path=str(tmp_path / 'file')), timeout=DEADLINE
  )

  assert outputs_of(response) == {'content': b'content'}


def test_many_mixed_requests_get_what_they_would_get_alone(serve):
  stub, version, _, _ = serve(
    max_batch_size=8,
    batch_timeout_micros=2000,
    max_enqueued_batches=100,
    num_batch_threads=2,
    allowed_batch_sizes=(1, 2, 4, 8),
  )
  sizes = [(2 + i % 7, 3 + i % 5) for i in range(100)]

  def ask(size):
    request = question_request(toy_model.png(*size), 'what ' * size[1])
    return outputs_of(stub.Predict(request, timeout=DEADLINE))['scores'][0]

  with futures.ThreadPoolExecutor(50) as pool:
    answers = list(pool.map(ask, sizes))

  # Each image has `width` pixels and each question `words` words.
  for (width, words), scores in zip(sizes, answers, strict=True):
    total = width + words
    assert scores == pytest.approx([width / total, words / total], abs=1e-5)
  assert len(version.rows) < len(sizes)


def test_a_scheduler_keeps_no_version_in_memory(export_root):
  gate = threading.Event()
  gate.set()
  version = toy_model.GatedVersion(export_root / '7', threading.Event(), gate)
  calls = batching.BatchScheduler(
    settings.BatchingParameters(), metrics.ServerMetrics()
  )
  calls.call(version, 'arithmetic', {'x': tf.constant([1.0])})
  unloaded = weakref.ref(version)

  del version
  gc.collect()

  assert unloaded() is None
  calls.close()
