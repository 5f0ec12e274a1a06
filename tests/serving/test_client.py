"""The client: what it sends, what it refuses, what it says of errors."""

import math
import socket
import subprocess
import sys

import grpc
import pytest

from serving import client
from tests.serving import toy_model


@pytest.fixture
def connection(address):
  with client.Client(address, 'toy') as connection:
    yield connection


def test_a_question_is_answered_with_scores_and_attention(connection):
  answer = connection.ask(
    toy_model.png(7, 5), 'what color?', [(0, 0, 2, 3), (0, 0, 2, 1)]
  )

  # 7 pixels wide and 3 words; the boxes have areas of 6 and 2.
  assert [scored.text for scored in answer.answers] == ['7x5', '3 words']
  scores = [scored.score for scored in answer.answers]
  assert scores == pytest.approx([0.7, 0.3])
  assert answer.attention == [0.75, 0.25]
  assert answer.model_version == 7


def test_an_image_may_be_a_path(connection, tmp_path):
  path = tmp_path / 'gray.jpg'
  path.write_bytes(toy_model.jpeg(11, 3))

  for image in (path, str(path)):
    assert connection.ask(image, 'what?').answers[0].text == '11x3'


def test_without_boxes_one_covers_the_whole_image(monkeypatch, connection):
  sent = []
  predict = connection._predict

  def spy(request, timeout):
    sent.append(request)
    return predict(request, timeout=timeout)

  monkeypatch.setattr(connection, '_predict', spy)

  answer = connection.ask(toy_model.png(11, 3), 'what?')

  (boxes,) = [i.value for i in sent[0].inputs if i.key == 'boxes']
  assert client.messages.tensor_values(boxes) == [0.0, 0.0, 11.0, 3.0]
  assert answer.attention == [1.0]


@pytest.mark.parametrize('image', [b'', b'GIF89a', b'RIFF....WEBP'])
def test_an_image_that_is_neither_jpeg_nor_png_is_not_sent(connection, image):
  for boxes in (None, [(0, 0, 1, 1)]):
    with pytest.raises(ValueError, match='bytes of a JPEG or PNG') as caught:
      connection.ask(image, 'what?', boxes)

    assert f'Received: {len(image)} bytes' in str(caught.value)


def test_an_image_without_a_readable_size_needs_boxes(connection):
  with pytest.raises(ValueError, match='must say its width and height'):
    connection.ask(b'\x89PNG\r\n\x1a\n', 'what?')


@pytest.mark.parametrize('question', ['', ' \n'])
def test_an_empty_question_is_not_sent(connection, question):
  with pytest.raises(ValueError, match='A question must have words'):
    connection.ask(toy_model.png(2, 2), question)


@pytest.mark.parametrize(
  'box',
  [
    (0, 0, 0, 5),
    (0, 5, 5, 5),
    (5, 0, 0, 5),
    (0, 0, math.nan, 5),
    (0, 0, math.inf, 5),
    (0, 0, 5),
    (-1, -1, -1, -1),
  ],
)
def test_a_box_without_area_is_not_sent(connection, box):
  with pytest.raises(ValueError, match='four finite numbers') as caught:
    connection.ask(toy_model.png(2, 2), 'what?', [(0, 0, 1, 1), box])

  assert f'Received: {list(box)}' in str(caught.value)


def test_an_empty_list_of_boxes_is_not_sent(connection):
  with pytest.raises(ValueError, match='at least one box'):
    connection.ask(toy_model.png(2, 2), 'what?', [])


def test_a_server_that_is_away_is_named():
  with socket.socket() as held:
    held.bind(('127.0.0.1', 0))  # taken, and nobody listens
    target = f'127.0.0.1:{held.getsockname()[1]}'
    with (
      client.Client(target) as connection,
      pytest.raises(client.ServerUnavailableError) as caught,
    ):
      connection.ask(toy_model.png(2, 2), 'what?')

  assert f'none at {target}' in str(caught.value)


def test_an_answer_that_is_late_is_told(gated):
  server, _, _ = gated
  with (
    client.Client(server.address, 'toy', timeout_seconds=0.2) as connection,
    pytest.raises(client.DeadlineExceededError, match='within 0.2 seconds'),
  ):
    connection.ask(toy_model.png(2, 2), 'what?')


def test_an_error_of_the_model_keeps_its_code_and_sentence(connection):
  # The header is whole, so only decoding in the graph finds the damage.
  broken = toy_model.png(9, 9)[:50]

  with pytest.raises(client.ModelError, match='INVALID_ARGUMENT') as caught:
    connection.ask(broken, 'what?')

  assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
  assert caught.value.details in str(caught.value)


def test_an_unknown_model_is_told(address):
  with (
    client.Client(address, 'bert') as connection,
    pytest.raises(client.ModelError, match='The model bert') as caught,
  ):
    connection.ask(toy_model.png(2, 2), 'what?')

  assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_a_client_needs_no_tensorflow():
  check = (
    'import sys, serving.ask\n'
    'assert not {"tensorflow", "tensorflow_serving"} & set(sys.modules)'
  )

  subprocess.run([sys.executable, '-c', check], check=True, timeout=60)
