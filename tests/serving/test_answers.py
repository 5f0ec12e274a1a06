"""Requests and answers of every function, against TensorFlow's own messages."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from serving import answers, images, messages, requests, signatures
from tests.serving import toy_model

IMAGE = images.read_image(toy_model.png(7, 5))
BOXES = [[0.0, 0.0, 2.0, 3.0], [1.0, 1.0, 2.0, 4.0]]
PADDED = [*BOXES, [-1.0] * 4]

REQUESTS = [
  requests.Question(image=IMAGE, text='what?', boxes=BOXES),
  requests.Expression(image=IMAGE, text='the left one', boxes=BOXES),
  requests.Choice(
    image=IMAGE,
    text='why is person here',
    tags=[-1, -1, 0, -1],
    candidates=['a', 'b', 'c d', 'e'],
    candidate_tags=[[], [1], [-1, 0], []],
    boxes=BOXES,
  ),
  requests.MaskedText(image=IMAGE, text='a [MASK]', boxes=BOXES),
  requests.Caption(image=IMAGE, text='a dog', boxes=BOXES),
  requests.Passage(image=IMAGE, text='a dog', boxes=BOXES),
]


def parsed(tensors):
  """Tensors as TensorFlow reads them."""
  request = messages.PredictRequest()
  for key, value in tensors.items():
    request.inputs.add(key=key, value=value)
  message = predict_pb2.PredictRequest.FromString(request.SerializeToString())
  return {k: tf.make_ndarray(v) for k, v in message.inputs.items()}


def response(version=3, **outputs):
  message = predict_pb2.PredictResponse()
  message.model_spec.version.value = version
  for name, value in {'status': [''], 'boxes': [PADDED], **outputs}.items():
    array = np.array(value)
    dtype = {'f': tf.float32, 'i': tf.int32}.get(array.dtype.kind, tf.string)
    message.outputs[name].CopyFrom(tf.make_tensor_proto(value, dtype))
  return messages.PredictResponse.FromString(message.SerializeToString())


def read(request, **outputs):
  (result,) = answers.read_response(response(**outputs), [request], [request])
  return result


@pytest.mark.parametrize('request_', REQUESTS, ids=lambda r: r.function)
@pytest.mark.parametrize('source', [signatures.BOXES, signatures.DETECTED])
def test_a_request_has_the_inputs_of_its_signature(request_, source):
  inputs = parsed(requests.tensors([request_] * 2, source == signatures.BOXES))

  expected = signatures.signature(request_.function, source, 'any').inputs
  assert set(inputs) == set(expected)
  for name, field in expected.items():
    assert (inputs[name].dtype == object) == (field.dtype == 'string')
    assert len(inputs[name].shape) == len(field.shape)
    assert len(inputs[name]) == 2


@pytest.mark.parametrize('request_', REQUESTS, ids=lambda r: r.function)
def test_an_answer_reads_outputs_of_its_signature(request_):
  outputs = signatures.signature(request_.function, 'boxes', 'any').outputs

  assert set(answers.OF_FUNCTION[request_.function].outputs) <= set(outputs)
  assert {'boxes', 'status'} <= set(outputs)


def test_texts_and_boxes_are_sent_row_by_row():
  inputs = parsed(requests.tensors([REQUESTS[2]], with_boxes=True, slots=3))

  assert inputs['question'].tolist() == [b'why is person here']
  assert inputs['question_tags'].tolist() == [b'-1 -1 0 -1']
  assert inputs['candidates'].tolist() == [[b'a', b'b', b'c d', b'e']]
  assert inputs['candidate_tags'].tolist() == [[b'', b'1', b'-1 0', b'']]
  assert inputs['boxes'].tolist() == [PADDED]
  assert inputs['image'].tolist() == [IMAGE.data]


def test_a_region_is_grounded():
  grounding = read(REQUESTS[1], index=[1], scores=[[0.25, 0.75, 0.0]])

  assert grounding == answers.Grounding(
    index=1, boxes=BOXES, scores=[0.25, 0.75], model_version=3
  )
  assert grounding.box == BOXES[1]


def test_a_candidate_is_chosen():
  decision = read(REQUESTS[2], probabilities=[[0.5, 0.25, 0.25, 0.0]])

  assert decision.probabilities == [0.5, 0.25, 0.25, 0.0]


def test_words_are_filled_in_for_each_mask_without_padding():
  filled = read(
    REQUESTS[3],
    words=[[['dog', 'cat'], ['', '']]],
    scores=[[[0.5, 0.25], [0.0, 0.0]]],
  )

  assert filled.words == [
    [answers.Scored(text='dog', score=0.5),
     answers.Scored(text='cat', score=0.25)]
  ]  # fmt: skip


def test_a_caption_is_matched():
  assert read(REQUESTS[4], score=[0.75]).score == 0.75


def test_vectors_come_without_padding():
  embedding = read(
    REQUESTS[5],
    pieces=[['[CLS]', 'a', '']],
    text_vectors=[[[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]],
    roi_vectors=[[[5.0, 6.0], [7.0, 8.0], [0.0, 0.0]]],
    pooled=[[1.0, 2.0]],
  )

  assert embedding.pieces == ['[CLS]', 'a']
  assert embedding.text_vectors == [[1, 2], [3, 4]]
  assert embedding.roi_vectors == [[5, 6], [7, 8]]
  assert embedding.pooled == [1, 2]


def test_a_row_with_a_status_is_a_refusal():
  refusal = read(REQUESTS[4], score=[0.0], status=['A rule.'])

  assert refusal == answers.Refusal(rule='A rule.')


def test_detected_boxes_come_without_padding():
  request = requests.Caption(image=IMAGE, text='a dog')

  assert read(request, score=[0.75]).boxes == BOXES


def test_a_response_of_another_signature_is_told():
  with pytest.raises(ValueError, match=r"must hold \['index', 'scores'\]"):
    read(REQUESTS[1], probabilities=[[0.5]])


@pytest.mark.parametrize(
  ('build', 'sentence'),
  [
    (lambda: requests.MaskedText(image=IMAGE, text='a'), r'contain \[MASK\]'),
    (lambda: requests.Caption(image=IMAGE, text=' '), 'A caption must have'),
    (lambda: requests.Passage(image=IMAGE, text=''), 'A text must have words'),
    (lambda: requests.Expression(image=IMAGE, text=''), 'An expression must'),
    (
      lambda: requests.Choice(image=IMAGE, text='a', candidates=['b']),
      'must have 4 candidates',
    ),
    (
      lambda: requests.Choice(
        image=IMAGE, text='a b', tags=[0], candidates=['c'] * 4
      ),
      'as many tags as words, or none. Received: 1 tags, 2 words',
    ),
    (
      lambda: requests.Choice(
        image=IMAGE, text='a', candidates=['c', ' ', 'd', 'e']
      ),
      'A candidate must have words',
    ),
  ],
)
def test_a_request_outside_the_rules_cannot_be_built(build, sentence):
  with pytest.raises(ValueError, match=sentence):
    build()
