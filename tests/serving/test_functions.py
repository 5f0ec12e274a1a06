"""What is served beside answers, against the models as training has them."""

import numpy as np
import pytest
import tensorflow as tf

from serving import regions, texts, warmup
from serving.saved_model import ServedModel
from tests.serving import served
from vlbert_tf import elements
from vlbert_tf.tasks import base, refcoco, saved, vcr
from vlbert_tf.tasks.pretraining import PretrainingModel

BOXES = [served.BOX, served.OTHER_BOX]
PNG, PIXELS = served.png(32, 24, 1)
# '[CLS] is it red [SEP]' and what pads it.
WORD_IDS = [2, 5, 6, 7, 3, 0, 0, 0, 0]


def _elements(word_ids, **more):
  ids = np.array(word_ids, np.int32)
  return {
    elements.WORD_IDS: tf.constant(ids),
    elements.WORD_MASK: tf.constant(ids > 0),
    elements.SEGMENT_IDS: tf.zeros_like(ids),
    elements.IMAGE: tf.constant(PIXELS[None], tf.float32),
    elements.IMAGE_SIZE: tf.constant([[24.0, 32.0]]),
    elements.BOXES: tf.constant([BOXES]),
    elements.ROI_MASK: tf.constant([[True, True]]),
    **more,
  }


def _call(task, model, heads, folder, **changes):
  trained = served.trained(task, model, heads, **changes)
  return served.saved(ServedModel(trained), folder)


@pytest.fixture(scope='module')
def ground(tmp_path_factory):
  network = refcoco.RefcocoModel(served.architecture())
  model = served.noisy(
    base.built(network, base.dummy_inputs(served.architecture()), 0)
  )
  folder = tmp_path_factory.mktemp('refcoco')
  return _call(saved.REFCOCO, model, ['roi_score'], folder), model


def test_an_expression_is_grounded_in_the_box_of_highest_score(ground):
  call, model = ground

  found = call(
    'serving_default',
    image=[PNG, b'broken'],
    expression=['is it red'] * 2,
    boxes=[BOXES, BOXES],
  )

  logits = model(_elements([WORD_IDS]))[elements.ROI_LOGITS].numpy()[0]
  np.testing.assert_allclose(
    found['scores'][0], 1 / (1 + np.exp(-logits)), atol=1e-5
  )
  assert found['index'].tolist() == [logits.argmax(), -1]
  np.testing.assert_array_equal(
    found['box'], [BOXES[logits.argmax()], served.PADDING]
  )


def test_padding_is_never_grounded(ground):
  call, _ = ground
  boxes = [[served.PADDING, served.PADDING, BOXES[1]]]

  found = call('ground', image=[PNG], expression=['red'], boxes=np.array(boxes))

  assert found['index'].tolist() == [2]
  assert found['scores'][0, :2].tolist() == [0, 0]
  np.testing.assert_array_equal(found['box'], BOXES[1:])


def test_elements_are_embedded_as_the_encoder_leaves_them(ground):
  call, model = ground

  found = call('embed', image=[PNG], text=['is it red'], boxes=[BOXES])

  states = model.backbone(_elements([WORD_IDS]))
  pieces = [served.WORDS[i].encode() if i else b'' for i in WORD_IDS]
  assert found['pieces'][0].tolist() == pieces
  np.testing.assert_allclose(
    found['text_vectors'][0, :5], states.text[0, :5], atol=1e-5
  )
  assert (found['text_vectors'][0, 5:] == 0).all()
  np.testing.assert_allclose(found['roi_vectors'], states.rois, atol=1e-5)
  np.testing.assert_allclose(found['pooled'], states.text[:, 0], atol=1e-5)


@pytest.fixture(scope='module')
def choose(tmp_path_factory):
  inputs = base.dummy_inputs(served.architecture())
  for name in (elements.WORD_IDS, elements.WORD_MASK, elements.SEGMENT_IDS):
    inputs[name] = tf.repeat(inputs[name], 4, axis=0)
  network = vcr.VcrModel(served.architecture())
  model = served.noisy(base.built(network, inputs, 0))
  folder = tmp_path_factory.mktemp('vcr')
  return _call(saved.VCR, model, ['candidate'], folder, outlines=True), model


CHOICE = {
  'question': ['is it ?'],
  'question_tags': ['-1 1 -1'],
  'candidates': [['red', 'it', 'is it', 'red red']],
  'candidate_tags': [['0', '', '', '-1 1']],
}


def _choice_elements(**more):
  """What the model reads of `CHOICE`, written by hand."""
  question = [2, 5, 6, 8, 3]
  answers = [[7], [6], [5, 6], [7, 7]]
  rows = [(question + a + [3] + [0] * 9)[:9] for a in answers]
  rois = np.zeros([4, 9], np.int32)
  rois[:, 2] = 2
  rois[0, 5], rois[3, 6] = 1, 2
  inputs = _elements(rows, **more)
  second = np.cumsum(np.array(rows) == 3, axis=1) - (np.array(rows) == 3)
  inputs[elements.SEGMENT_IDS] = tf.constant(
    np.where(np.array(rows) > 0, second, 0), tf.int32
  )
  inputs[elements.WORD_ROI_INDEX] = tf.constant(rois)
  return inputs


def test_candidates_are_judged_with_the_boxes_that_words_name(choose):
  call, model = choose

  found = call('serving_default', image=[PNG], boxes=[BOXES], **CHOICE)

  logits = model(_choice_elements())[elements.CANDIDATE_LOGITS]
  assert found['status'].tolist() == [b'']
  np.testing.assert_allclose(
    found['probabilities'], tf.nn.softmax(logits), atol=1e-5
  )


def _outline(x1, y1, x2, y2):
  return f'[[[{x1}, {y1}], [{x2}, {y1}],[{x2}, {y2:.3f}], [{x1}, {y2}]] ]'


def test_candidates_are_judged_by_what_is_inside_of_outlines(choose):
  call, model = choose
  # BOX is 26 times 19 pixels from (4, 3) on, and its visual features are the
  # mean of 2 times 2 cells.
  left = _outline(4.0, 3, 17, 22)

  found = call(
    'choose_on_outlines',
    image=[PNG], boxes=[BOXES], outlines=[[left, '']], **CHOICE,
  )  # fmt: skip

  masks = np.ones([1, 2, 2, 2], np.float32)
  masks[0, 0, :, 1] = 0
  logits = model(
    _choice_elements(**{elements.ROI_CELL_MASKS: tf.constant(masks)})
  )[elements.CANDIDATE_LOGITS]
  assert found['status'].tolist() == [b'']
  np.testing.assert_allclose(
    found['probabilities'], tf.nn.softmax(logits), atol=1e-5
  )
  whole = call('choose', image=[PNG], boxes=[BOXES], **CHOICE)
  assert np.abs(found['probabilities'] - whole['probabilities']).max() > 1e-4
  np.testing.assert_array_equal(found['boxes'], whole['boxes'])


def test_each_row_says_what_is_wrong_with_its_outlines(choose):
  call, _ = choose
  wrong = regions.NOT_OUTLINES
  rows = [
    ('', '', ''),
    ('[]', ' [ [[0,0], [9.5,-0.1], [1e-05,9]] ,[[1,1]]] ', ''),
    ('', '[[1, 2], [3, 4]]', wrong),
    ('[[[1, 2], [3, 4, 5]]]', '', wrong),
    ('[[[1, 2], [3, nan]]]', '', wrong),
    ('[[[1, 2] [3, 4]]]', '', wrong),
    ('[[[1 2, 3], [3, 4]]]', '', wrong),
    ('[[[1, 2], [3, 4]]', '', wrong),
    ('', b'\xff', wrong),
    ('[[[1, 2]' + ',[1, 2]' * 40_000 + ']]', '', regions.LONG_OUTLINES),
  ]

  found = call(
    'choose_on_outlines',
    image=[PNG] * len(rows),
    boxes=[BOXES] * len(rows),
    outlines=[row[:2] for row in rows],
    **{name: value * len(rows) for name, value in CHOICE.items()},
  )

  assert [s.decode() for s in found['status']] == [row[2] for row in rows]
  whole = call('choose', image=[PNG], boxes=[BOXES], **CHOICE)
  np.testing.assert_allclose(
    found['probabilities'][:1], whole['probabilities'], atol=1e-5
  )
  assert (found['probabilities'][2:] == 0).all()


def test_warm_up_requests_have_outlines_with_an_inside_and_an_outside(choose):
  call, _ = choose
  name = 'choose_on_outlines'
  contracts = {name: call.contracts[name]}

  for asked in warmup.requests(contracts, served.SHAPE, [2]):
    found = call(name, **asked.inputs)
    inputs = {
      **asked.inputs,
      'outlines': np.full_like(asked.inputs['outlines'], ''),
    }
    whole = call(name, **inputs)
    assert found['status'].tolist() == [b''] * 2
    assert np.abs(found['probabilities'] - whole['probabilities']).max() > 1e-5


def test_outlines_are_as_many_as_boxes(choose):
  call, _ = choose

  with pytest.raises(tf.errors.InvalidArgumentError, match='have an outline'):
    call(
      'choose_on_outlines',
      image=[PNG],
      boxes=[BOXES],
      outlines=[['']],
      **CHOICE,
    )


def test_each_row_says_what_is_wrong_with_its_tags_and_candidates(choose):
  call, _ = choose
  rows = [
    ('is it', '-1 0', ['red'] * 4, [''] * 4, ''),
    ('is it', '-1', ['red'] * 4, [''] * 4, texts.NOT_TAGS),
    ('is it', '-1 x', ['red'] * 4, [''] * 4, texts.NOT_TAGS),
    ('is it', '-1 2', ['red'] * 4, [''] * 4, texts.UNKNOWN_TAG),
    ('is it', '-2 0', ['red'] * 4, [''] * 4, texts.UNKNOWN_TAG),
    ('is it', '', ['red'] * 4, ['', '', '', '1 1'], texts.NOT_TAGS),
    ('', '', ['red'] * 4, [''] * 4, 'A question must contain a word.'),
    (
      'is it', '', ['red', 'it', '', 'is'], [''] * 4,
      'A candidate must contain a word.',
    ),
    (
      'is it is', '', ['red', 'it', 'is ' * 4, 'is'], [''] * 4,
      'Question and candidate may have at most 6 word pieces together.',
    ),
  ]  # fmt: skip

  found = call(
    'choose',
    image=[PNG] * len(rows),
    boxes=[BOXES] * len(rows),
    question=[row[0] for row in rows],
    question_tags=[row[1] for row in rows],
    candidates=[row[2] for row in rows],
    candidate_tags=[row[3] for row in rows],
  )

  assert [s.decode() for s in found['status']] == [row[4] for row in rows]
  np.testing.assert_allclose(found['probabilities'][0].sum(), 1, atol=1e-5)
  assert (found['probabilities'][1:] == 0).all()


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
  inputs = {
    **base.dummy_inputs(served.architecture()),
    elements.MASKED_POSITIONS: tf.zeros([1, 1], tf.int32),
  }
  network = PretrainingModel(served.architecture())
  model = served.noisy(base.built(network, inputs, 0))
  heads = ['relationship', 'masked_word']
  folder = tmp_path_factory.mktemp('pretraining')
  return _call(saved.PRETRAINING, model, heads, folder), model


def test_masked_words_are_filled_in_where_mask_stands(pretrained):
  call, model = pretrained
  given = ['[MASK] it[MASK]?', 'is [MASK]', 'it', '[MASK]' * 8]

  found = call(
    'serving_default', image=[PNG] * 4, text=given, boxes=[BOXES] * 4
  )

  ids = [[2, 4, 6, 4, 8, 3, 0, 0, 0], [2, 5, 4, 3, 0, 0, 0, 0, 0]]
  statuses = [s.decode() for s in found['status']]
  too_long = 'A text may have at most 7 word pieces.'
  assert statuses == ['', '', texts.NO_MASK, too_long]
  for row, places in enumerate([[1, 3], [2]]):
    logits = model(
      _elements([ids[row]], masked_positions=tf.constant([places]))
    )[elements.MASKED_WORD_LOGITS][0]
    probabilities = tf.nn.softmax(logits).numpy()
    for number, of_mask in enumerate(probabilities):
      best = np.argsort(-of_mask)[:5]
      expected = [served.WORDS[i].encode() for i in best]
      assert found['words'][row, number].tolist() == expected
      np.testing.assert_allclose(
        found['scores'][row, number], of_mask[best], atol=1e-5
      )
  assert (found['words'][1, 1:] == b'').all()
  assert (found['words'][2:] == b'').all()


def test_a_caption_matches_as_much_as_the_model_finds_it_related(pretrained):
  call, model = pretrained

  found = call(
    'match', image=[PNG] * 2, caption=['is it red', ''], boxes=[BOXES] * 2
  )

  logits = model(
    _elements([WORD_IDS], masked_positions=tf.zeros([1, 1], tf.int32))
  )[elements.RELATIONSHIP_LOGITS]
  np.testing.assert_allclose(found['score'][:1], tf.sigmoid(logits), atol=1e-5)
  assert found['score'][1] == 0
  assert found['status'][1] == b'A caption must contain a word.'
