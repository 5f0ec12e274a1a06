"""What tasks say of examples, judged by hand-worked numbers."""

import math
import types

import numpy as np
import pytest
import tensorflow as tf

from vlbert_tf import elements
from vlbert_tf.tasks import judging, refcoco, vcr, vqa
from vlbert_tf.tasks.detection import DetectionTask
from vlbert_tf.tasks.pretraining import PretrainingTask

WORDS = '[PAD] [UNK] [CLS] [SEP] [MASK] why is cat ##s red the ball 2'.split()
DATA = types.SimpleNamespace(global_batch_size=4)


def trained(kind, batch, weights, tmp_path, **attributes):
  """A task of a class, whose split is one batch."""
  vocabulary = tmp_path / 'vocab.txt'
  vocabulary.write_text('\n'.join(WORDS) + '\n')
  tensors = {name: tf.constant(value) for name, value in batch.items()}

  class Task(kind):
    def __init__(self):
      vars(self).update(attributes)
      self._task_config = types.SimpleNamespace(
        vocab_file=str(vocabulary), answer_loss='softmax', name='vlbert/it'
      )

    task_config = property(lambda self: self._task_config)
    open_split = examples_in = lambda self, _: 2
    build_inputs = lambda self, _: [tensors]  # noqa: E731
    categories = lambda self: ('cat', 'ball')  # noqa: E731

    def label_weights(self, batch):
      return {name: tf.constant(value) for name, value in weights.items()}

  return Task()


def ids(*rows):
  """Numbers of words, and which of them are no padding."""
  length = max(len(row.split()) for row in rows)
  numbers = [[WORDS.index(word) for word in row.split()] for row in rows]
  padded = [row + [0] * (length - len(row)) for row in numbers]
  mask = [[k < len(row) for k in range(length)] for row in numbers]
  return np.array(padded, np.int32), np.array(mask)


def logits(*shares):
  return np.log(np.array(shares, np.float32))


def test_answers_have_the_official_type_of_their_question(tmp_path):
  batch = {
    vqa.QUESTION_ID: [70, 71, 72],
    vqa.QUESTION: [b'Why is it red?', b'How many cats?', b'padding'],
    vqa.QUESTION_TYPE: [b'why', b'', b''],
    elements.ANSWER_LABEL: [0, -1, 0],
    elements.ANSWER_SCORES: np.float32([[0.9, 0.3], [0.0, 0.6], [0, 0]]),
  }
  task = trained(
    vqa.VqaTask, batch, {'answer_loss': [1.0, 1.0, 0.0]}, tmp_path,
    answers=('paint', '2'),
  )  # fmt: skip
  outputs = {
    elements.ANSWER_LOGITS: logits([0.25, 0.75], [0.4, 0.6], [0.5, 0.5])
  }

  (section,) = judging.judge(task, lambda _: outputs, DATA)

  assert [one.item for one in section.judged] == ['question 70', 'question 71']
  first, second = section.judged
  assert (first.answer, first.truth, second.truth) == ('2', 'paint', '')
  assert (first.confidence, first.accuracy) == pytest.approx((0.75, 0.3))
  assert (second.confidence, second.accuracy) == pytest.approx((0.6, 0.6))
  assert first.types['type of question'] == 'why'
  assert second.types['type of question'] == 'how many'
  assert first.types['type of answer'] == 'other'


def test_an_expression_is_right_when_more_than_half_overlaps(tmp_path):
  # Two expressions on one image of 10 by 20; the third region is padding.
  batch = {
    refcoco.EXPRESSION_ID: [5, 6],
    refcoco.QUERY: [b'the red ball', b'cat'],
    elements.BOXES: np.float32([[[0, 0, 10, 10], [10, 0, 20, 10], [0] * 4]]),
    elements.ROI_MASK: [[True, True, False]],
    elements.IMAGE_SIZE: np.float32([[10, 20]]),
    # Most of the first region: IoU 0.6. A half of the second is not enough.
    elements.TARGET_BOX: np.float32([[0, 0, 6, 10], [10, 0, 15, 10]]),
  }
  weights = {'roi_loss': np.float32([[1, 1, 0], [1, 1, 0]])}
  task = trained(refcoco.RefcocoTask, batch, weights, tmp_path)
  scores = np.float32([[math.log(3), -1, 99], [-1, 0, 99]])

  (section,) = judging.judge(
    task, lambda _: {elements.ROI_LOGITS: scores}, DATA
  )

  first, second = section.judged
  assert (first.answer, first.truth, first.accuracy) == (
    'region 1', 'region 1', 1.0,
  )  # fmt: skip
  # 3 to 1.
  assert (first.confidence, second.confidence) == pytest.approx((0.75, 0.5))
  assert (second.answer, second.truth, second.accuracy) == (
    'region 2', 'region 2', 0.0,
  )  # fmt: skip
  # 60 and 50 of 200 pixels.
  assert first.types == {
    'number of words': '3',
    'number of regions': '1 to 2',
    'size of the object, % of the image': 'more than 20',
  }
  assert second.types == first.types | {'number of words': '1'}


def test_a_choice_is_told_in_words_again(tmp_path):
  texts = [
    f'[CLS] why is cat ##s red [SEP] {answer} [SEP]'
    for answer in ('the ball', 'cat', 'cat ##s', '2')
  ]
  words, mask = ids(*texts)
  batch = {
    vcr.QUESTION_ID: [b'val-3'],
    elements.WORD_IDS: words,
    elements.WORD_MASK: mask,
    elements.CANDIDATE_LABEL: [2],
  }
  task = trained(vcr.VcrTask, batch, {'candidate_loss': [1.0]}, tmp_path)
  outputs = {elements.CANDIDATE_LOGITS: logits([0.6, 0.2, 0.1, 0.1])}

  (section,) = judging.judge(task, lambda _: outputs, DATA)

  (one,) = section.judged
  assert (one.text, one.answer, one.truth) == (
    'why is cats red', 'the ball', 'cats',
  )  # fmt: skip
  assert one.confidence == pytest.approx(0.6)
  assert (one.accuracy, one.item) == (0.0, 'question val-3')
  assert one.types == {'first word of the question': 'why'}


def test_what_pre_training_hides_is_told_by_kind_and_category(tmp_path):
  words, mask = ids('[CLS] the [MASK] [SEP]', '[CLS] [MASK] ball [SEP]')
  shares = np.full((2, 2, len(WORDS)), 0.01, np.float32)
  shares[0, 0, WORDS.index('ball')] = 1 - 0.01 * (len(WORDS) - 1)
  shares[1, 0, WORDS.index('2')] = 1 - 0.01 * (len(WORDS) - 1)
  hidden = [[WORDS.index('ball'), 0], [WORDS.index('the'), 0]]
  batch = {
    elements.EXAMPLE_ID: [b'a#0', b'b#1'],
    elements.WORD_IDS: words,
    elements.WORD_MASK: mask,
    elements.MASKED_WORD_IDS: hidden,
    elements.ROI_CATEGORIES: [[2, 1], [1, 1]],
    elements.RELATED: [1.0, 0.0],
  }
  weights = {
    'masked_word_loss': np.float32([[1, 0], [1, 0]]),
    'masked_roi_loss': np.float32([[1, 1], [0, 0]]),
    'relationship_loss': np.float32([1, 1]),
  }
  task = trained(PretrainingTask, batch, weights, tmp_path)
  outputs = {
    elements.MASKED_WORD_LOGITS: np.log(shares),
    elements.ROI_CATEGORY_LOGITS: logits(
      [[0.1, 0.2, 0.7], [0.1, 0.3, 0.6]], [[0.2, 0.2, 0.6], [0.2, 0.2, 0.6]]
    ),
    # Three to one for, and as much for a caption of another image.
    elements.RELATIONSHIP_LOGITS: np.float32([math.log(3), math.log(3)]),
  }

  sections = judging.judge(task, lambda _: outputs, DATA)

  found = {section.heading: section.judged for section in sections}
  assert [(o.answer, o.accuracy, o.types) for o in found['Masked words']] == [
    ('ball', 1.0, {'kind of word': 'content word'}),
    ('2', 0.0, {'kind of word': 'function word'}),
  ]
  assert found['Masked words'][0].confidence == pytest.approx(0.88)
  assert [
    (o.answer, o.accuracy, o.types['category']) for o in found['Masked regions']
  ] == [('ball', 1.0, 'ball'), ('ball', 0.0, 'cat')]
  assert [(o.accuracy, o.item) for o in found['Captions']] == [
    (1.0, 'a#0'),
    (0.0, 'b#1'),
  ]
  assert [o.confidence for o in found['Captions']] == pytest.approx([0.75] * 2)


def test_a_detector_is_refused(tmp_path):
  task = trained(DetectionTask, {}, {}, tmp_path)

  with pytest.raises(ValueError, match='A report is on answers, choices'):
    judging.judge(task, lambda _: {}, DATA)


def test_values_are_told_by_their_range():
  ends = (1, 2, 5)

  assert [judging.range_of(value, ends) for value in (1, 2, 3, 5, 6)] == [
    '1', '2', '3 to 5', '3 to 5', 'more than 5',
  ]  # fmt: skip
