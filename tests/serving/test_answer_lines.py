"""Answers as a person reads them."""

import pytest

from serving import answers
from serving.answer_lines import lines

BOXES = [[1.0, 2.0, 3.5, 4.0], [5.0, 6.0, 7.0, 8.0]]
KNOWN = {'boxes': BOXES, 'model_version': 1}


@pytest.mark.parametrize(
  ('answer', 'expected'),
  [
    (
      answers.Grounding(index=1, scores=[0.25, 0.875], **KNOWN),
      [' 87.5 %  5,6,7,8', ' 25.0 %  1,2,3.5,4'],
    ),
    (
      answers.Decision(probabilities=[0.1, 0.2, 0.65, 0.05], **KNOWN),
      [
        ' 65.0 %  candidate 3',
        ' 20.0 %  candidate 2',
        ' 10.0 %  candidate 1',
        '  5.0 %  candidate 4',
      ],
    ),
    (
      answers.FilledText(
        words=[
          [answers.Scored(text='red', score=0.5)],
          [answers.Scored(text='bus', score=1.0)],
        ],
        **KNOWN,
      ),
      [' 50.0 %  [MASK] 1: red', '100.0 %  [MASK] 2: bus'],
    ),
    (
      answers.Match(score=0.031, **KNOWN),
      ['  3.1 %  the caption describes the image'],
    ),
  ],
  ids=['ground', 'choose', 'fill_mask', 'match'],
)
def test_an_answer_is_a_line_for_each_possibility(answer, expected):
  assert lines(answer) == expected
