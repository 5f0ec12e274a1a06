"""Targets of a question from its human answers."""

import numpy as np
import pytest
import tensorflow as tf

from vlbert_tf import elements
from vlbert_tf.tasks import vqa
from vlbert_tf.tasks.vqa import answer_targets


def _leave_one_out(answers, candidate):
  """The official accuracy of a candidate, counted person by person."""
  scores = []
  for left_out in range(len(answers)):
    others = answers[:left_out] + answers[left_out + 1 :]
    scores.append(min(1.0, others.count(candidate) / 3))
  return np.mean(scores)


@pytest.mark.parametrize('count', range(1, 11))
def test_a_soft_score_is_the_accuracy_that_the_answer_would_get(count):
  answers = ['x'] * count + ['y'] * (10 - count)
  counts = [c for c in (count, 10 - count) if c]

  _, scores = answer_targets(
    tf.range(len(counts)), tf.constant(counts, tf.int64), 4
  )

  assert abs(scores[0] - _leave_one_out(answers, 'x')) < 1e-6


def test_the_label_is_the_most_frequent_answer():
  label, scores = answer_targets(
    tf.constant([5, 2, 7]), tf.constant([3, 6, 1], tf.int64), 8
  )

  assert label == 2
  np.testing.assert_allclose(scores, [0, 0, 1, 0, 0, 0.9, 0, 0.3], atol=1e-6)


def test_an_answer_outside_the_vocabulary_has_zero_targets():
  label, scores = answer_targets(
    tf.constant([-1, 1]), tf.constant([9, 1], tf.int64), 3
  )

  assert label == -1
  np.testing.assert_allclose(scores, [0, 0.3, 0], atol=1e-6)


def test_a_question_without_answers_has_zero_targets():
  label, scores = answer_targets(
    tf.zeros([0], tf.int32), tf.zeros([0], tf.int64), 3
  )

  assert label == -1
  assert scores.numpy().tolist() == [0, 0, 0]


def _losses(tmp_path, **changes):
  """Of one question, three answers, logits (0, ln 3, 0)."""
  (tmp_path / 'vocab.txt').write_text('[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n')
  (tmp_path / 'answers.txt').write_text('yes\nno\nmaybe\n')
  task = vqa.VqaTask(
    vqa.VqaConfig(
      vocab_file=str(tmp_path / 'vocab.txt'),
      answers_file=str(tmp_path / 'answers.txt'),
      **changes,
    )
  )
  batch = {
    elements.ANSWER_LABEL: tf.constant([1]),
    elements.ANSWER_SCORES: tf.constant([[0.3, 1.0, 0.0]]),
    elements.EXAMPLE_WEIGHT: tf.ones([1]),
  }
  outputs = {elements.ANSWER_LOGITS: tf.constant([[0.0, np.log(3.0), 0.0]])}
  outputs = {name: tf.cast(x, tf.float32) for name, x in outputs.items()}
  return task.compute_losses(batch, outputs)['answer_loss']


def test_the_loss_of_the_paper_is_that_of_the_most_frequent_answer(tmp_path):
  assert float(_losses(tmp_path).total) == pytest.approx(np.log(5 / 3))


def test_the_loss_of_the_released_code_is_that_of_all_soft_scores(tmp_path):
  loss = _losses(tmp_path, answer_loss='sigmoid')

  # σ(0) is ½ whatever the score; σ(ln 3) is ¾ against 1.
  assert float(loss.total) == pytest.approx(2 * np.log(2) + np.log(4 / 3))
  assert float(loss.count) == 1


def test_an_unknown_loss_names_the_known_ones(tmp_path):
  with pytest.raises(ValueError, match="softmax, sigmoid. Received: 'hinge'"):
    _losses(tmp_path, answer_loss='hinge')
