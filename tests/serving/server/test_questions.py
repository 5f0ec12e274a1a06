"""An export for questions behind the batching server, asked by the client."""

from concurrent import futures

import grpc
import pytest
import tensorflow as tf

from serving import client, connection, decoding, images, requests
from serving.saved_model import ServedModel
from serving.server import (
  batching,
  listener,
  metrics,
  model,
  registry,
  settings,
)
from tests.serving import served
from vlbert_tf import elements
from vlbert_tf.tasks import base, saved
from vlbert_tf.tasks.vqa import VqaModel

ROWS = 4


@pytest.fixture(scope='module')
def version(tmp_path_factory):
  """An untrained model with a detector that finds both halves of an image."""
  folder = tmp_path_factory.mktemp('export') / '1'
  inputs = {
    **base.dummy_inputs(served.architecture()),
    elements.ANSWER_POSITION: tf.zeros([1], tf.int32),
  }
  network = VqaModel(served.architecture(), len(served.ANSWERS))
  trained = served.trained(
    saved.VQA, served.noisy(base.built(network, inputs, 0)), ['answer']
  )
  module = ServedModel(trained, served.halves())
  tf.saved_model.save(
    module.root, str(folder), signatures=dict(module.signatures)
  )
  return model.LoadedVersion('vlbert', folder)


@pytest.fixture(scope='module')
def ask(version):
  """Sends requests that have to share a batch, each on its own."""
  server = listener.Listener(
    registry.Registry([version]),
    calls=batching.BatchScheduler(
      settings.BatchingParameters(
        max_batch_size=ROWS,
        batch_timeout_micros=60_000_000,
        num_batch_threads=1,
        allowed_batch_sizes=(ROWS,),
      ),
      metrics.ServerMetrics(),
    ),
  )
  with (
    client.Client(
      server.address, has_detector=True, timeout_seconds=120
    ) as asking,
    futures.ThreadPoolExecutor(ROWS) as pool,
  ):

    def ask(asked):
      assert len(asked) == ROWS
      sent = [pool.submit(asking.send, request) for request in asked]
      return [one.exception() or one.result() for one in sent]

    yield ask
  server.drain(0)


def question(seed, text='Is it red?', boxes=None):
  encoded, _ = served.png(32, 24, seed)
  return requests.Question(
    image=images.read_image(encoded), text=text, boxes=boxes
  )


def alone(version, request):
  """Scores of a request in a call of its own, without a server."""
  name = 'answer' if request.boxes is None else 'answer_on_boxes'
  inputs = {
    'image': tf.constant([request.image.data]),
    'question': tf.constant([request.text]),
  }
  if request.boxes is not None:
    inputs['boxes'] = tf.constant([request.boxes], tf.float32)
  return version.call(name, inputs)['scores'].numpy()[0].tolist()


def scores(answer):
  return [scored.score for scored in answer.answers]


@pytest.mark.parametrize('boxes', [None, [served.BOX, served.OTHER_BOX]])
def test_in_a_batch_an_answer_is_what_it_is_alone(version, ask, boxes):
  texts = ['Is it red?', 'it', 'red red red', 'is?']
  asked = [question(i, text, boxes) for i, text in enumerate(texts)]

  answers = ask(asked)

  for request, answer in zip(asked, answers, strict=True):
    assert scores(answer) == pytest.approx(alone(version, request), abs=1e-5)
  assert answers[0].boxes == (boxes or [[0, 0, 16, 24], [16, 0, 32, 24]])


def test_a_request_that_breaks_a_rule_is_alone_in_that(version, ask):
  boxes = [served.BOX]
  asked = [question(i, boxes=boxes) for i in range(ROWS)]
  asked[1] = question(1, 'is it red ' * 9, boxes)
  # The client decodes every image, so this is one that it would not send.
  broken = images.Image(data=asked[2].image.data[:99], width=32, height=24)
  asked[2] = requests.Question(image=broken, text='Is it red?', boxes=boxes)

  first, too_long, damaged, last = ask(asked)

  for error in (too_long, damaged):
    assert isinstance(error, connection.ModelError)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
  assert 'A question may have at most' in too_long.details
  assert damaged.details == decoding.NOT_AN_IMAGE
  for request, answer in ((asked[0], first), (asked[3], last)):
    assert scores(answer) == pytest.approx(alone(version, request), abs=1e-5)
