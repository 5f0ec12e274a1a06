"""Question answering as it is exported: from bytes and text to answers."""

import numpy as np
import pytest
import tensorflow as tf

from serving import decoding, regions, signatures
from serving.detector import open_detector
from serving.saved_model import ServedModel
from tests.serving import served
from vlbert_tf import elements
from vlbert_tf.tasks import base, saved
from vlbert_tf.tasks.vqa import VqaModel

QUESTION = 'Is it red?'
BOX, PADDING = served.BOX, served.PADDING


@pytest.fixture(scope='module')
def model():
  """The model as training has it."""
  inputs = {
    **base.dummy_inputs(served.architecture()),
    elements.ANSWER_POSITION: tf.zeros([1], tf.int32),
  }
  network = VqaModel(served.architecture(), len(served.ANSWERS))
  return served.noisy(base.built(network, inputs, 0))


@pytest.fixture(scope='module')
def call(model, tmp_path_factory):
  """The export, with a detector inside that was an export itself."""
  folder = tmp_path_factory.mktemp('export')
  halves = served.halves()
  tf.saved_model.save(
    halves.root, str(folder / 'halves'), signatures=halves.signatures
  )
  trained = served.trained(saved.VQA, model, ['answer'])
  module = ServedModel(trained, open_detector(str(folder / 'halves')))
  return served.saved(module, folder / 'vqa')


def _on_boxes(call, images, questions, boxes, name='answer_on_boxes'):
  return call(name, image=images, question=questions, boxes=boxes)


def _elements(pixels, boxes):
  """What the model reads of `QUESTION`, written by hand."""
  return {
    elements.WORD_IDS: tf.constant([[2, 5, 6, 7, 8, 3, 4, 3, 0]]),
    elements.WORD_MASK: tf.constant([[True] * 8 + [False]]),
    elements.SEGMENT_IDS: tf.constant([[0] * 6 + [1, 1, 0]]),
    elements.IMAGE: tf.constant(pixels[None], tf.float32),
    elements.IMAGE_SIZE: tf.constant([[24.0, 32.0]]),
    elements.BOXES: tf.constant([boxes]),
    elements.ROI_MASK: tf.constant([[True] * len(boxes)]),
    elements.ANSWER_POSITION: tf.constant([6]),
  }


def test_the_answer_is_that_of_the_model_on_the_same_elements(call, model):
  encoded, pixels = served.png(32, 24, 1)  # at its final size already

  answer = _on_boxes(call, [encoded], [QUESTION], [[BOX]])

  outputs = model(_elements(pixels, [BOX]), return_attention=True)
  probabilities = tf.nn.softmax(outputs[elements.ANSWER_LOGITS])[0].numpy()
  order = np.argsort(-probabilities)
  expected = [served.ANSWERS[i].encode() for i in order]
  assert answer['status'].tolist() == [b'']
  assert answer['answers'][0].tolist() == expected
  np.testing.assert_allclose(
    answer['scores'][0], probabilities[order], atol=1e-5
  )
  np.testing.assert_allclose(
    answer['attention'], outputs[elements.ANSWER_ATTENTION], atol=1e-5
  )
  np.testing.assert_array_equal(answer['boxes'], [[BOX]])


def test_attention_comes_of_each_layer_and_head(call, model):
  encoded, pixels = served.png(32, 24, 1)
  boxes = [BOX, served.OTHER_BOX]

  found = _on_boxes(call, [encoded], [QUESTION], [boxes], 'attend_on_boxes')

  states = model.backbone(_elements(pixels, boxes), return_attention=True)
  expected = [of[0, :, 6, 9:11].numpy() for of in states.attention]
  assert found['attention'].shape == (1, 2, 2, 2)
  np.testing.assert_allclose(found['attention'][0], expected, atol=1e-5)
  # QUESTION of `_elements` with its separators; the last place is padding.
  words = [of[0, :, :9, 9:11].numpy() for of in states.attention]
  words = np.stack(words) * ([[1.0]] * 8 + [[0.0]])
  np.testing.assert_allclose(found['word_attention'][0], words, atol=1e-5)
  pieces = found['pieces'][0].tolist()
  assert [pieces[i] for i in (0, 5, 6, 7, 8)] == [
    b'[CLS]', b'[SEP]', b'[MASK]', b'[SEP]', b'',
  ]  # fmt: skip


def test_a_detector_inside_finds_the_boxes_of_raw_requests(call):
  encoded, _ = served.png(40, 30, 3)
  halves = [[0.0, 0.0, 20.0, 30.0], [20.0, 0.0, 40.0, 30.0]]

  raw = call('serving_default', image=[encoded], question=[QUESTION])

  given = _on_boxes(call, [encoded], [QUESTION], [halves])
  np.testing.assert_array_equal(raw['boxes'], [halves])
  for name in ('scores', 'attention'):
    np.testing.assert_allclose(raw[name], given[name], atol=1e-6)
  assert call('detect', image=[encoded])['count'].tolist() == [2]
  assert call('categories')['categories'].tolist() == [b'left', b'right']


def test_a_batch_answers_as_its_members_do_alone(call):
  first, second = served.png(32, 24, 1)[0], served.png(30, 50, 2)[0]
  boxes = [BOX, [0.0, 10.0, 30.0, 50.0]]

  together = _on_boxes(
    call, [first, second], [QUESTION, 'is it?'], [[BOX, PADDING], boxes]
  )
  alone = [
    _on_boxes(call, [first], [QUESTION], [[BOX]]),
    _on_boxes(call, [second], ['is it?'], [boxes]),
  ]

  for row, single in enumerate(alone):
    for name in ('scores', 'attention'):
      found = together[name][row, : single[name].shape[1]]
      np.testing.assert_allclose(found, single[name][0], atol=1e-5)
  assert together['attention'].shape == (2, 2)
  assert together['attention'][0, 1] == 0.0


def test_boxes_beyond_the_image_are_cut_to_it(call):
  encoded, _ = served.png(32, 24, 1)

  cut = _on_boxes(call, [encoded], [QUESTION], [[[4.0, 3.0, 99.0, 99.0]]])
  exact = _on_boxes(call, [encoded], [QUESTION], [[[4.0, 3.0, 32.0, 24.0]]])

  np.testing.assert_array_equal(cut['scores'], exact['scores'])


def test_rows_that_break_a_rule_say_which_and_leave_the_others_alone(call):
  good = served.png(32, 24, 1)[0]
  broken = [
    (b'no image', QUESTION, [BOX], decoding.NOT_AN_IMAGE),
    (good[:-40], QUESTION, [BOX], decoding.NOT_AN_IMAGE),
    (b'', QUESTION, [BOX], decoding.NOT_AN_IMAGE),
    (good, '', [BOX], 'A question must contain a word.'),
    (good, 'is ' * 6, [BOX], 'A question may have at most 5 word pieces.'),
    (good, QUESTION, [[9.0, 9.0, 4.0, 20.0]], regions.NOT_A_BOX),
    (good, QUESTION, [[9.0, 9.0, np.nan, 20.0]], regions.NOT_A_BOX),
    (good, QUESTION, [[40.0, 3.0, 60.0, 20.0]], regions.OUTSIDE),
    (good, QUESTION, [], regions.NO_BOX),
    (good, QUESTION, [BOX] * 4, 'An image may have at most 3 boxes.'),
  ]
  rows = [(good, QUESTION, [BOX], ''), *broken, (good, 'it?', [BOX] * 3, '')]

  found = _on_boxes(
    call,
    [row[0] for row in rows],
    [row[1] for row in rows],
    [(row[2] + [PADDING] * 4)[:4] for row in rows],
  )

  assert [s.decode() for s in found['status']] == [row[3] for row in rows]
  assert (found['answers'][1:-1] == b'').all()
  assert (found['scores'][1:-1] == 0).all()
  assert (found['boxes'][1:-1] == signatures.PADDING_COORDINATE).all()
  for row in (0, -1):
    alone = _on_boxes(call, [good], [rows[row][1]], [rows[row][2]])
    np.testing.assert_allclose(
      found['scores'][row], alone['scores'][0], atol=1e-5
    )


def test_inputs_with_other_numbers_of_rows_are_refused(call):
  encoded, _ = served.png(32, 24, 1)

  with pytest.raises(tf.errors.InvalidArgumentError, match='as many rows'):
    _on_boxes(call, [encoded], [QUESTION] * 2, [[BOX]])


def test_the_signatures_are_those_that_client_and_server_know(call):
  assert set(call.contracts) == set(call.loaded.signatures)
  for name, contract in call.contracts.items():
    exported = call.loaded.signatures[name]
    inputs = exported.structured_input_signature[1]
    assert inputs.keys() == contract.inputs.keys()
    for key, field in contract.inputs.items():
      assert inputs[key].dtype.name == field.dtype
      assert tuple(inputs[key].shape) == field.shape
    assert exported.structured_outputs.keys() == contract.outputs.keys()
    for key, field in contract.outputs.items():
      assert exported.structured_outputs[key].dtype.name == field.dtype
      rank = exported.structured_outputs[key].shape.rank
      assert rank == len(field.shape)
  on_boxes = call.contracts['answer_on_boxes']
  assert on_boxes.inputs == signatures.VQA.inputs
  assert on_boxes.outputs == signatures.VQA.outputs
