"""The clients: what they send, what they refuse, what they say of errors."""

import asyncio
import dataclasses
import socket
import subprocess
import sys
from concurrent import futures

import grpc
import pytest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving import answers, async_client, client, connection, images, requests
from serving.server import listener, model, registry, settings
from tests.serving import toy_model
from tests.serving.certificates import certificate

# No test waits for a retry longer than this.
HASTY = connection.Backoff(retries=3, first_seconds=0.001, max_seconds=0.002)


@pytest.fixture
def connected(address):
  with client.Client(address, 'toy') as connected:
    yield connected


def question(width=7, text='what color?', boxes=None):
  return requests.Question(
    image=images.read_image(toy_model.png(width, 5)), text=text, boxes=boxes
  )


class Recorder(prediction_service_pb2_grpc.PredictionServiceServicer):
  """Passes requests on, after as many failures as it is told."""

  def __init__(self, address, failures=(), code=grpc.StatusCode.UNAVAILABLE):
    self.requests = []
    self._failures = list(failures) or []
    self._code = code
    self._channel = grpc.insecure_channel(address)
    self._stub = prediction_service_pb2_grpc.PredictionServiceStub(
      self._channel
    )
    self._server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
      self, self._server
    )
    port = self._server.add_insecure_port('127.0.0.1:0')
    self.address = f'127.0.0.1:{port}'
    self._server.start()

  def Predict(self, request, context):  # noqa: N802 - the name in the API.
    """Fails or answers."""
    self.requests.append(request)
    if self._failures:
      context.abort(self._failures.pop(), 'as told')
    return self._stub.Predict(request)

  def close(self):
    self._server.stop(0).wait()
    self._channel.close()


@pytest.fixture
def recorder(address):
  """Makes recorders in front of the toy."""
  made = []

  def make(*failures):
    made.append(Recorder(address, failures))
    return made[-1]

  yield make
  for one in made:
    one.close()


def test_a_question_is_answered_with_scores_and_attention(connected):
  boxes = [[0, 0, 2, 3], [0, 0, 2, 1]]

  answer = connected.ask(toy_model.png(7, 5), 'what color?', boxes)

  # 7 pixels wide and 3 words; the boxes have areas of 6 and 2.
  assert [scored.text for scored in answer.answers] == ['7x5', '3 words']
  scores = [scored.score for scored in answer.answers]
  assert scores == pytest.approx([0.7, 0.3])
  assert (answer.boxes, answer.attention) == (boxes, [0.75, 0.25])
  assert answer.model_version == 7


def test_an_image_may_be_a_path(connected, tmp_path):
  path = tmp_path / 'gray.jpg'
  path.write_bytes(toy_model.jpeg(11, 3))

  for image in (path, str(path)):
    assert connected.ask(image, 'what?').answers[0].text == '11x3'


def test_without_boxes_one_covers_the_whole_image(connected):
  answer = connected.ask(toy_model.png(11, 3), 'what?')

  assert answer.boxes == [[0, 0, 11, 3]]
  assert answer.attention == [1.0]


def test_a_batch_is_answered_in_order_and_the_bad_row_alone_is_refused(
  recorder,
):
  server = recorder()
  asked = [question(width) for width in (3, 5, 7, 11, 13)]
  # To the client it is a word, to the model not.
  asked[2] = question(text='\N{ZERO WIDTH SPACE}')

  with client.Client(server.address, 'toy', batch_size=2) as connected:
    results = connected.send_all(asked)

  assert results[2] == answers.Refusal(rule=toy_model.NO_WORD)
  texts = [r.answers[0].text for r in results if r is not results[2]]
  assert texts == ['3x5', '5x5', '11x5', '13x5']
  sizes = [r.inputs['image'].tensor_shape.dim[0].size for r in server.requests]
  assert sizes == [2, 2, 1]


def test_a_refused_row_of_a_single_request_is_an_error(connected):
  with pytest.raises(client.connection.ModelError) as caught:
    connected.send(question(text='\N{ZERO WIDTH SPACE}'))

  assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
  assert caught.value.details == toy_model.NO_WORD


def test_rows_of_fewer_boxes_are_padded_and_cut_again(recorder):
  server = recorder()
  asked = [
    question(boxes=[[0, 0, 2, 3], [0, 0, 2, 1]]),
    question(boxes=[[1, 1, 2, 2]]),
  ]

  with client.Client(server.address, 'toy', pad_boxes_to=5) as connected:
    first, second = connected.send_all(asked)

  assert server.requests[0].inputs['boxes'].tensor_shape.dim[1].size == 5
  assert first.attention == [0.75, 0.25]
  assert second.attention == [1.0]


def test_a_large_image_is_sent_smaller_with_boxes_to_fit(recorder):
  server = recorder()
  large = dataclasses.replace(
    question(), image=images.read_image(toy_model.png(200, 100))
  )
  boxed = dataclasses.replace(large, boxes=[[100, 50, 200, 100]])

  with client.Client(server.address, 'toy', max_image_side=50) as connected:
    whole, part = connected.send_all([large, boxed])

  assert whole.answers[0].text == '50x25'
  assert list(server.requests[0].inputs['boxes'].float_val) == []
  # Answers speak of the image that was asked about.
  assert whole.boxes == [[0, 0, 200, 100]]
  assert part.boxes == [[100, 50, 200, 100]]


def test_unavailable_is_tried_again(recorder):
  server = recorder(*[grpc.StatusCode.UNAVAILABLE] * 3)

  with client.Client(server.address, 'toy', backoff=HASTY) as connected:
    answer = connected.send(question())

  assert answer.answers[0].text == '7x5'
  assert len(server.requests) == 4


def test_retries_come_to_an_end(recorder):
  server = recorder(*[grpc.StatusCode.UNAVAILABLE] * 9)

  with (
    client.Client(server.address, 'toy', backoff=HASTY) as connected,
    pytest.raises(connection.ServerUnavailableError, match='4 attempts'),
  ):
    connected.send(question())

  assert len(server.requests) == 4


@pytest.mark.parametrize(
  'code', [grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED]
)
def test_other_errors_are_not_tried_again(recorder, code):
  server = recorder(code)

  with (
    client.Client(server.address, 'toy', backoff=HASTY) as connected,
    pytest.raises(connection.ModelError) as caught,
  ):
    connected.send(question())

  assert caught.value.code is code
  assert len(server.requests) == 1


def test_a_wait_doubles_up_to_its_limit_and_never_halves_below():
  backoff = connection.Backoff(first_seconds=1, max_seconds=5)

  waits = [[backoff.wait(n) for _ in range(50)] for n in (1, 2, 3, 4)]

  for longest, found in zip((1, 2, 4, 5), waits, strict=True):
    assert longest / 2 <= min(found) < max(found) <= longest


def test_a_server_that_is_away_is_named():
  with socket.socket() as held:
    held.bind(('127.0.0.1', 0))  # taken, and nobody listens
    target = f'127.0.0.1:{held.getsockname()[1]}'
    with (
      client.Client(target, backoff=HASTY) as connected,
      pytest.raises(connection.ServerUnavailableError) as caught,
    ):
      connected.send(question())

  assert f'none at {target}' in str(caught.value)


def test_an_answer_that_is_late_is_told(gated):
  server, _, _ = gated
  with (
    client.Client(server.address, 'toy', timeout_seconds=0.2) as connected,
    pytest.raises(connection.DeadlineExceededError, match='within 0.2 sec'),
  ):
    connected.send(question())


def test_an_unknown_model_is_told(address):
  with (
    client.Client(address, 'bert') as connected,
    pytest.raises(connection.ModelError, match='The model bert') as caught,
  ):
    connected.send(question())

  assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_a_version_may_be_asked_for_by_its_label(recorder):
  server = recorder()

  with (
    client.Client(server.address, 'toy', version_label='stable') as connected,
    pytest.raises(connection.ModelError),
  ):
    connected.send(question())

  assert server.requests[0].model_spec.version_label == 'stable'


def test_where_the_export_detects_boxes_choose_the_signature(recorder):
  server = recorder(*[grpc.StatusCode.INTERNAL] * 2)
  asked = [question(), question(boxes=[[0, 0, 1, 1]])]

  with client.Client(server.address, 'toy', has_detector=True) as connected:
    for one in asked:
      with pytest.raises(connection.ModelError):
        connected.send(one)

  sent = [(r.model_spec.signature_name, set(r.inputs)) for r in server.requests]
  assert sent == [
    ('answer', {'image', 'question'}),
    ('answer_on_boxes', {'image', 'question', 'boxes'}),
  ]


def test_outlines_choose_the_signature_and_shrink_with_the_image(recorder):
  server = recorder(*[grpc.StatusCode.INTERNAL] * 2)
  plain = requests.Choice(
    image=images.read_image(toy_model.png(200, 100)),
    text='is it',
    candidates=['red'] * 4,
    boxes=[[0, 0, 9, 9], [100, 50, 200, 100]],
  )
  corner = [(100, 50), (200, 50), (150.04, 100)]
  outlined = dataclasses.replace(plain, outlines=[(), [corner]])

  sizes = {'max_image_side': 50, 'pad_boxes_to': 3}
  with client.Client(server.address, 'toy', **sizes) as connected:
    for one in (plain, outlined):
      with pytest.raises(connection.ModelError):
        connected.send_all([one])

  sent = [r.model_spec.signature_name for r in server.requests]
  assert sent == ['choose', 'choose_on_outlines']
  assert 'outlines' not in server.requests[0].inputs
  assert list(server.requests[1].inputs['outlines'].string_val) == [
    b'', b'[[[25.0,12.5],[50.0,12.5],[37.51,25.0]]]', b''
  ]  # fmt: skip
  mixed = connection.batches(connection.Settings(target=''), [plain, outlined])
  assert mixed == [[0], [1]]


def test_an_encrypted_server_is_asked_with_its_authority(export_root):
  key, authority = certificate()
  server = listener.Listener(
    registry.Registry([model.LoadedVersion('toy', export_root / '7')]),
    tls=settings.TlsSettings(
      server_key=key.decode(), server_cert=authority.decode()
    ),
  )
  target = f'localhost:{server.address.rpartition(":")[2]}'
  known, stranger = (
    connection.Tls(authority=pem) for pem in (authority, certificate()[1])
  )

  with client.Client(target, 'toy', tls=known) as connected:
    assert connected.send(question()).answers[0].text == '7x5'
  with (
    client.Client(target, 'toy', tls=stranger, backoff=HASTY) as connected,
    pytest.raises(connection.ServerUnavailableError),
  ):
    connected.send(question())
  server.drain(0)


def test_many_questions_at_a_time_from_asyncio(recorder):
  server = recorder(grpc.StatusCode.UNAVAILABLE)

  async def ask_all():
    async with async_client.AsyncClient(
      server.address, 'toy', backoff=HASTY, batch_size=1
    ) as connected:
      one = await connected.ask(toy_model.png(2, 3), 'what?')
      many = await connected.send_all([question(w) for w in range(1, 20)])
      with pytest.raises(connection.ModelError):
        await connected.send(question(text='\N{ZERO WIDTH SPACE}'))
      return [one, *many]

  results = asyncio.run(ask_all())

  texts = [result.answers[0].text for result in results]
  assert texts == ['2x3', *(f'{w}x5' for w in range(1, 20))]


def test_a_client_needs_no_tensorflow():
  check = (
    'import sys, serving.ask, serving.async_client\n'
    'assert not {"tensorflow", "tensorflow_serving"} & set(sys.modules)'
  )

  subprocess.run([sys.executable, '-c', check], check=True, timeout=60)
