"""One's own questions, one JSON object a line."""

import json

import pytest

from vlbert_tf.data.annotations import Drop, Question, Region
from vlbert_tf.data.readers import own

NAN = float('nan')
BOXES = [{'box': [1, 2, 30, 40], 'label': 'cup', 'score': 0.5}]


def _read(tmp_path, *lines, categories=('object', 'cup')):
  path = tmp_path / 'mine.jsonl'
  path.write_text(
    '\n'.join(
      line if isinstance(line, str) else json.dumps(line) for line in lines
    )
  )
  items = list(own.read_images(str(path), '/i', categories))
  drops = [item for item in items if isinstance(item, Drop)]
  return [item for item in items if not isinstance(item, Drop)], drops


def test_lines_come_together_by_image(tmp_path):
  (first, second), drops = _read(
    tmp_path,
    {'image': 'a/1.jpg', 'question': 'Open?', 'answers': ['Yes', 'yes', 'no']},
    {'image': 'a/2.jpg', 'question': 'Who?', 'id': 70},
    {'image': 'a/1.jpg', 'question': 'What?', 'boxes': BOXES},
  )

  assert drops == []
  assert (first.image_id, first.image_path) == ('a/1.jpg', '/i/a/1.jpg')
  assert first.questions == (
    Question(1, 'Open?', answers=(('yes', 2), ('no', 1))),
    Question(3, 'What?'),
  )
  assert first.regions == (Region((1.0, 2.0, 30.0, 40.0), 2, 0.5),)
  assert second.questions == (Question(70, 'Who?'),)


@pytest.mark.parametrize(
  'line',
  [
    '{',
    '[]',
    {'question': 'x'},
    {'image': '../x.jpg', 'question': 'x'},
    {'image': 'x.jpg', 'question': ' '},
    {'image': 'x.jpg', 'question': 'x', 'id': 1},
    {'image': 'x.jpg', 'question': 'x', 'answers': ['a'] * 11},
    {'image': 'x.jpg', 'question': 'x', 'answers': [3]},
    {'image': 'x.jpg', 'question': 'x', 'boxes': [{'box': [1, 2, 3]}]},
    {'image': 'x.jpg', 'question': 'x', 'boxes': [{'box': [1, 2, NAN, 4]}]},
    {
      'image': 'x.jpg',
      'question': 'x',
      'boxes': [{'box': [1, 2, 3, 4], 'label': 'cat'}],
    },
  ],
)
def test_a_bad_line_is_set_aside_with_its_number(tmp_path, line):
  images, drops = _read(tmp_path, {'image': '1.jpg', 'question': 'Ok?'}, line)

  assert [image.count for image in images] == [1]
  (drop,) = drops
  assert (drop.item, drop.reason) == ('line 2 of mine.jsonl', 'line_malformed')
  assert drop.annotations == 1
