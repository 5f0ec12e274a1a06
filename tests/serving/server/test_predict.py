"""Predict on this server: its limits, and the sentence for each mistake."""

import grpc
import pytest
from tensorflow_serving.apis import classification_pb2

from tests.serving import toy_model
from tests.serving.toy_requests import (
  BOXES,
  predict_request,
  question_request,
  refusal,
)

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def test_a_request_beyond_the_limit_is_refused(prediction):
  request = question_request(bytes(33 << 20))

  code, _ = refusal(prediction.Predict, request)

  assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_input_of_another_type_is_refused(prediction):
  code, details = refusal(
    prediction.Predict, predict_request('arithmetic', x=[1])
  )

  assert code is INVALID
  assert details == 'Input "x" must be float32. Received: int32.'


@pytest.mark.parametrize('boxes', [BOXES[0], [BOXES[0][:3]], 1.0])
def test_an_input_of_another_rank_or_width_is_refused(prediction, boxes):
  code, details = refusal(
    prediction.Predict, question_request(toy_model.png(2, 2), boxes=boxes)
  )

  assert code is INVALID
  assert 'Input "boxes" must have the shape [-1, -1, 4]' in details


@pytest.mark.parametrize('size', [-1, 3])
def test_a_tensor_whose_values_do_not_fill_its_shape_is_refused(
  prediction, size
):
  request = predict_request('arithmetic', x=[1.0, 2.0])
  request.inputs['x'].tensor_shape.dim[0].size = size

  code, details = refusal(prediction.Predict, request)

  assert code is INVALID
  assert details.startswith('tensor parsing error: x')


def test_a_few_bytes_cannot_ask_for_gigabytes(prediction):
  request = predict_request('arithmetic', x=[1.0])
  request.inputs['x'].tensor_shape.dim[0].size = 1 << 40

  code, details = refusal(prediction.Predict, request)

  assert code is INVALID
  assert 'at most 16777216 elements' in details


def test_an_unknown_data_type_is_refused(prediction):
  request = predict_request('arithmetic', x=[1.0])
  request.inputs['x'].dtype = 99

  code, details = refusal(prediction.Predict, request)

  assert code is INVALID
  assert 'unknown data type 99' in details


@pytest.mark.parametrize(
  'image', [b'', b'GIF89', toy_model.png(9, 9)[:30], toy_model.jpeg(9, 9)[:99]]
)
def test_a_corrupt_image_is_refused_in_the_words_of_the_graph(
  prediction, image
):
  code, details = refusal(prediction.Predict, question_request(image))

  assert code is INVALID
  assert details
  assert 'Graph execution error' not in details
  assert 'node' not in details


def test_a_long_sentence_still_arrives_with_its_code(prediction):
  request = predict_request('arithmetic', x=[1.0])
  request.model_spec.name = 'long' * 5000

  code, details = refusal(prediction.Predict, request)

  # Longer than 8 KB a status would be replaced by an error of the transport.
  assert code is grpc.StatusCode.NOT_FOUND
  assert len(details) < 1100


def test_methods_that_are_not_served_say_so(prediction):
  code, _ = refusal(
    prediction.Classify, classification_pb2.ClassificationRequest()
  )

  assert code is grpc.StatusCode.UNIMPLEMENTED
