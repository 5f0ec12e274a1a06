"""What TensorFlow Serving promises of Predict, asked through the API alone.

Runs against any server of the toy model, see `make test-serving`; only the
parts of sentences that both servers say are compared.
"""

import os
from concurrent import futures

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.serving import toy_model
from tests.serving.toy_requests import (
  BOXES,
  DEADLINE,
  outputs_of,
  predict_request,
  question_request,
  refusal,
)

INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize('encode', [toy_model.png, toy_model.jpeg])
def test_a_question_is_answered_from_bytes_and_text(prediction, encode):
  response = prediction.Predict(
    question_request(encode(7, 5)), timeout=DEADLINE
  )

  outputs = outputs_of(response)
  # 7 pixels wide and 3 words; the boxes have areas of 6 and 2.
  assert outputs['answers'] == [[b'7x5', b'3 words']]
  assert outputs['scores'] == [[pytest.approx(0.7), pytest.approx(0.3)]]
  assert outputs['attention'] == [[0.75, 0.25]]


def test_an_answer_names_the_model_the_version_and_the_signature(prediction):
  response = prediction.Predict(
    question_request(toy_model.png(2, 2)), timeout=DEADLINE
  )

  assert response.model_spec.name == 'toy'
  assert response.model_spec.version.value == 7
  assert response.model_spec.signature_name == 'serving_default'


def test_a_version_can_be_asked_for_by_number(prediction):
  request = predict_request('arithmetic', version=7, x=[2.0, 5.0])

  response = prediction.Predict(request, timeout=DEADLINE)

  assert tf.make_ndarray(response.outputs['product']).tolist() == [6.0, 15.0]


def test_an_output_filter_limits_what_comes_back(prediction):
  request = predict_request('arithmetic', x=[2.0])
  request.output_filter.append('negative')

  response = prediction.Predict(request, timeout=DEADLINE)

  assert list(response.outputs) == ['negative']


def test_a_batch_is_answered_row_by_row(prediction):
  request = predict_request(
    image=[toy_model.png(3, 2), toy_model.jpeg(11, 5)],
    question=['what?', 'what color is it?'],
    boxes=[BOXES] * 2,
  )

  response = prediction.Predict(request, timeout=DEADLINE)

  answers = tf.make_ndarray(response.outputs['answers']).tolist()
  assert answers == [[b'3x2', b'2 words'], [b'11x5', b'5 words']]


def test_answers_of_calls_at_the_same_time_are_not_mixed_up(prediction):
  def ask(x):
    response = prediction.Predict(
      predict_request('arithmetic', x=[float(x)]), timeout=DEADLINE
    )
    return tf.make_ndarray(response.outputs['product']).tolist()

  with futures.ThreadPoolExecutor(16) as pool:
    answers = list(pool.map(ask, range(100)))

  assert answers == [[3.0 * x] for x in range(100)]


def test_a_request_beyond_grpcs_usual_4_mb_goes_through(prediction):
  request = predict_request('arithmetic', x=[1.0] * (2 << 20))
  assert request.ByteSize() > 8 << 20

  response = prediction.Predict(request, timeout=DEADLINE)

  assert tf.make_ndarray(response.outputs['product']).shape == (2 << 20,)


def test_an_unknown_model_is_not_found(prediction):
  request = question_request(toy_model.png(2, 2))
  request.model_spec.name = 'bert'

  code, details = refusal(prediction.Predict, request)

  assert code is grpc.StatusCode.NOT_FOUND
  assert 'Servable not found for request: Latest(bert)' in details


def test_an_unknown_version_is_not_found(prediction):
  request = predict_request('arithmetic', version=8, x=[2.0])

  code, details = refusal(prediction.Predict, request)

  assert code is grpc.StatusCode.NOT_FOUND
  assert 'Specific(toy, 8)' in details


def test_an_unknown_signature_is_a_failed_precondition(prediction):
  code, details = refusal(
    prediction.Predict, predict_request('classify', x=[2.0])
  )

  assert code is grpc.StatusCode.FAILED_PRECONDITION
  assert details.startswith('Serving signature key "classify" not found.')


# The loader's own signature has no inputs and may not be called.
def test_the_signature_that_initializes_a_model_cannot_be_called(prediction):
  code, _ = refusal(
    prediction.Predict, predict_request('__saved_model_init_op')
  )

  assert code is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(
  ('inputs', 'extra', 'missing'),
  [
    ({}, '{}', '{x}'),
    ({'x': [1.0], 'y': [1.0]}, '{y}', '{}'),
    ({'y': [1.0]}, '{y}', '{x}'),
  ],
)
def test_missing_and_extra_inputs_are_both_named(
  prediction, inputs, extra, missing
):
  code, details = refusal(
    prediction.Predict, predict_request('arithmetic', **inputs)
  )

  assert code is INVALID
  assert f'Sent extra: {extra}. Missing but required: {missing}.' in details


@pytest.mark.parametrize(
  ('names', 'sentence'),
  [
    (['sum'], 'output tensor alias not found in signature: sum'),
    (['product', 'product'], 'duplicate output tensor alias'),
  ],
)
def test_an_output_filter_must_name_outputs_once(prediction, names, sentence):
  request = predict_request('arithmetic', x=[1.0])
  request.output_filter.extend(names)

  code, details = refusal(prediction.Predict, request)

  assert code is INVALID
  assert details.startswith(sentence)


def test_an_error_of_the_graph_keeps_its_own_code(prediction, tmp_path):
  request = predict_request('read', path=str(tmp_path / 'nothing'))

  code, details = refusal(prediction.Predict, request)

  assert code is grpc.StatusCode.NOT_FOUND
  assert 'No such file' in details


def test_a_request_without_model_spec_is_refused(prediction):
  code, details = refusal(prediction.Predict, predict_pb2.PredictRequest())

  assert (code, details) == (INVALID, 'Missing ModelSpec')


def test_a_model_spec_without_name_is_refused(prediction):
  request = predict_request('arithmetic', x=[1.0])
  request.model_spec.name = ''

  code, details = refusal(prediction.Predict, request)

  assert (code, details) == (INVALID, 'ModelSpec has no name specified.')


def test_an_unknown_label_is_refused(prediction):
  request = predict_request('arithmetic', x=[1.0])
  request.model_spec.version_label = 'canary'

  code, details = refusal(prediction.Predict, request)

  assert code is INVALID
  assert details == 'Unrecognized servable version label: canary'


def test_an_answer_beyond_4_mb_needs_a_client_that_takes_it(address):
  request = predict_request('arithmetic', x=[1.0] * (1 << 20))
  request.output_filter.append('product')

  with grpc.insecure_channel(address) as channel:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    code, _ = refusal(stub.Predict, request)

  assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
  'inputs',
  [
    {'image': [b''], 'question': ['what?'], 'boxes': [BOXES]},
    {'image': [b'GIF89'], 'question': ['what?'], 'boxes': [BOXES]},
    {'image': [toy_model.jpeg(9, 9)[:99]], 'question': ['what?'],
     'boxes': [BOXES]},
    {'image': [1.0], 'question': ['what?'], 'boxes': [BOXES]},
    {'image': [toy_model.png(2, 2)], 'question': ['what?'], 'boxes': BOXES[0]},
  ],
)  # fmt: skip
def test_a_bad_image_type_or_shape_is_an_invalid_argument(prediction, inputs):
  code, _ = refusal(prediction.Predict, predict_request(**inputs))

  assert code is INVALID


def test_an_answer_that_nobody_waits_for_is_a_deadline_exceeded(
  prediction, tmp_path
):
  # Who opens it to read waits until somebody opens it to write.
  pipe = tmp_path / 'pipe'
  os.mkfifo(pipe)

  with pytest.raises(grpc.RpcError) as caught:
    prediction.Predict(predict_request('read', path=str(pipe)), timeout=0.5)

  assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
  # Both ends at once: whether or not the server got as far as to wait.
  both_ends = os.open(pipe, os.O_RDWR)
  pipe.unlink()
  os.close(both_ends)


def test_mixed_signatures_at_the_same_time_get_their_own_answers(prediction):
  def ask(i):
    if i % 2:
      request = predict_request('arithmetic', x=[float(i)])
      response = prediction.Predict(request, timeout=DEADLINE)
      return outputs_of(response)['product'] == [3.0 * i]
    request = question_request(toy_model.png(1 + i, 2))
    response = prediction.Predict(request, timeout=DEADLINE)
    return outputs_of(response)['answers'][0][0] == b'%dx2' % (1 + i)

  with futures.ThreadPoolExecutor(16) as pool:
    assert all(pool.map(ask, range(60)))
