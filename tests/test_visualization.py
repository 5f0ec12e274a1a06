"""Pictures, by the pixels that they must have."""

import io

import numpy as np
import PIL.Image
import pytest

from vlbert_tf import visualization

BLACK = np.zeros([60, 90, 3], np.uint8)
BOXES = np.array([[5.0, 5.0, 40.0, 40.0], [50.0, 20.0, 85.0, 55.0]], np.float32)


def drawn(function, *arguments, **options):
  """The picture that a function draws, float `[H, W, 3]` in [0, 1]."""
  file = io.BytesIO()
  position = options.pop('position', len(arguments))
  function(*arguments[:position], file, *arguments[position:], **options)
  file.seek(0)
  return np.asarray(PIL.Image.open(file).convert('RGB')) / 255


def yellow(picture):
  """How many pixels have the color of what is strong."""
  return int(
    (
      (picture[..., 0] > 0.85)
      & (picture[..., 1] > 0.6)
      & (picture[..., 2] < 0.35)
    ).sum()
  )


def test_the_strongest_box_is_marked_and_a_weak_one_is_not():
  alike = drawn(visualization.draw_boxes, BLACK, BOXES)
  first = drawn(
    visualization.draw_boxes, BLACK, BOXES, weights=np.array([1.0, 0.1])
  )

  assert yellow(alike) > 1.5 * yellow(first) > 0
  # What is marked lies to the left.
  columns = np.where((first[..., 0] > 0.85) & (first[..., 2] < 0.35))[1]
  assert columns.max() < first.shape[1] / 2


def test_labels_are_as_many_as_boxes():
  with pytest.raises(ValueError, match='Received: 1 labels, 2 boxes'):
    visualization.draw_boxes(BLACK, BOXES, io.BytesIO(), labels=['ball'])


def test_attention_is_rescaled_over_all_heads():
  attention = np.array([[[0.1, 0.3]], [[0.5, 0.2]]])

  intensity = visualization.rescale_attention(attention)

  np.testing.assert_allclose(intensity, [[[0, 0.5]], [[1, 0.25]]])


def test_a_line_leads_from_a_word_to_what_it_attends_to():
  def purple(share):
    attention = np.array([[[1.0 - share, share]], [[0.0, 1.0]]])
    picture = drawn(
      visualization.draw_attention, BLACK, BOXES, ['ball'], attention
    )
    of_head_0 = picture[:, : picture.shape[1] // 2]
    line = (of_head_0[..., 0] > 0.4) & (of_head_0[..., 1] < 0.3)
    return np.where(line)[1]

  left, right = purple(0.0), purple(1.0)
  # The word stands in the middle, above both boxes.
  assert len(left)
  assert len(right)
  assert left.mean() < right.mean()


def test_attention_of_another_size_is_refused():
  with pytest.raises(ValueError, match=r'\[heads, words, boxes\]'):
    visualization.draw_attention(
      BLACK, BOXES, ['ball'], np.zeros([2, 2, 2]), io.BytesIO()
    )


def test_curves_of_one_quantity_share_a_plot():
  steps = [1, 2, 3]
  curve = (steps, [3.0, 2.0, 1.0])

  two = drawn(
    visualization.draw_curves, {'train/loss': curve, 'validation/loss': curve}
  )
  apart = drawn(visualization.draw_curves, {'loss': curve, 'accuracy': curve})

  assert apart.shape[1] == 2 * two.shape[1]


def test_answers_are_drawn_in_a_grid():
  question = visualization.AnsweredQuestion(
    image=BLACK,
    boxes=BOXES,
    attention=np.array([0.1, 0.9], np.float32),
    question='What is it?',
    answer='ball',
    score=0.8,
    truth='ball',
  )

  one = drawn(visualization.draw_answers, [question], columns=1)
  four = drawn(visualization.draw_answers, [question] * 4)

  assert four.shape[0] == 2 * one.shape[0]
  assert four.shape[1] == 3 * one.shape[1]
