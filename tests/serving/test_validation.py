"""Exports that answer otherwise than they must, worked by hand."""

import re

import numpy as np
import pytest

from serving import validation

SCORES = np.array([[0.5, 0.3, 0.2]], np.float32)
ANSWERS = np.array([[b'yes', b'no', b'maybe']], object)


def _difference(expected, **changes):
  return validation.difference(expected, {**expected, **changes}, 1e-3)


def test_equal_answers_do_not_differ():
  expected = {'scores': SCORES, 'answers': ANSWERS}

  assert _difference(expected) == ''
  assert _difference(expected, scores=SCORES + 9e-4) == ''
  # Outputs that nothing is known of may be whatever is finite.
  assert _difference(expected, more=np.ones([2])) == ''


@pytest.mark.parametrize(
  ('changes', 'told'),
  [
    ({'scores': SCORES + 0.25}, r'scores at \(0, 0\) is 0\.75, not 0\.5\.'),
    ({'scores': SCORES[:, :2]}, r'scores has the shape \(1, 2\)'),
    ({'answers': ANSWERS[:, ::-1]}, r"answers at \(0, 0\) is b'maybe'"),
    ({'scores': SCORES * np.nan}, 'scores holds numbers that are not finite'),
    ({'more': np.array([np.inf])}, 'more holds numbers'),
    ({'status': np.array([b'', b'A rule.'])}, r"status is \[b'', b'A rule"),
  ],
)
def test_what_differs_is_told(changes, told):
  expected = {'scores': SCORES, 'answers': ANSWERS}

  sentence = _difference(expected, **changes)

  assert re.search(told, sentence)


def test_a_missing_output_is_told():
  told = validation.difference({'scores': SCORES}, {}, 1e-3)

  assert told == 'there is no output scores.'


def test_which_of_two_equal_scores_comes_first_is_chance():
  scores = np.array([[0.4, 0.4, 0.2]], np.float32)
  swapped = np.array([[b'no', b'yes', b'maybe']], object)
  expected = {'scores': scores, 'answers': ANSWERS}

  assert _difference(expected, answers=swapped) == ''
  others = np.array([[b'no', b'yes', b'other']], object)
  # The last may have been as good as one that did not come back.
  assert _difference(expected, answers=others) == ''
  clear = {'scores': SCORES, 'answers': ANSWERS}
  assert _difference(clear, answers=swapped) != ''


def test_the_chosen_box_may_be_either_of_two_equal_ones():
  equal = {
    'scores': np.array([[0.2, 0.7, 0.7]], np.float32),
    'index': np.array([1], np.int32),
  }

  assert _difference(equal, index=np.array([2], np.int32)) == ''
  equal['scores'] = np.array([[0.2, 0.8, 0.7]], np.float32)
  assert 'index' in _difference(equal, index=np.array([2], np.int32))
