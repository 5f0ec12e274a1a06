"""Requests that break a rule cannot be made."""

import math

import pytest

from serving import images, requests
from tests.serving import toy_model


def question(text='what color?', boxes=None):
  image = images.read_image(toy_model.png(7, 5))
  return requests.Question(image=image, text=text, boxes=boxes)


@pytest.mark.parametrize('text', ['', ' \n'])
def test_an_empty_question_is_not_sent(text):
  with pytest.raises(ValueError, match='A question must have words'):
    question(text=text)


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
def test_a_box_without_area_is_not_sent(box):
  with pytest.raises(ValueError, match='four finite numbers') as caught:
    question(boxes=[(0, 0, 1, 1), box])

  assert f'Received: {list(box)}' in str(caught.value)


@pytest.mark.parametrize('box', [(7, 0, 9, 5), (0, 5, 7, 9), (-2, -2, 0, 0)])
def test_a_box_outside_the_image_is_not_sent(box):
  with pytest.raises(ValueError, match='must overlap its image'):
    question(boxes=[box])


def test_an_empty_list_of_boxes_is_not_sent():
  with pytest.raises(ValueError, match='at least one box'):
    question(boxes=[])


@pytest.mark.parametrize(
  ('outlines', 'rule'),
  [
    ([[]], 'Each box must have an outline'),
    ([[], [[(0, 0), (1, 1)]]], 'at least three points'),
    ([[], [[(0, 0), (1, 1), (2, math.inf)]]], 'at least three points'),
    ([[[(0, 0), (1, 1), (2, 3, 4)]], []], 'at least three points'),
  ],
)
def test_outlines_that_are_none_are_not_sent(outlines, rule):
  with pytest.raises(ValueError, match=rule):
    requests.Choice(
      image=question().image,
      boxes=[(0, 0, 1, 1), (1, 1, 2, 2)],
      text='is it',
      candidates=['red'] * 4,
      outlines=outlines,
    )
