"""Boxes and outlines as users write them."""

import json

import pytest

from serving import box_list


def test_boxes_are_read_from_text():
  assert box_list.read_boxes('1,2,3,4; 5.5,6,7,8;') == [
    [1.0, 2.0, 3.0, 4.0],
    [5.5, 6.0, 7.0, 8.0],
  ]


def test_boxes_are_read_from_a_file(tmp_path):
  path = tmp_path / 'boxes.json'
  path.write_text(json.dumps([[1, 2, 3, 4.5]]))

  assert box_list.read_boxes(str(path)) == [[1.0, 2.0, 3.0, 4.5]]


def test_no_boxes_are_none():
  assert box_list.read_boxes('') is None


@pytest.mark.parametrize('text', ['1,2,three,4', 'boxes'])
def test_boxes_that_are_no_numbers_are_refused(text):
  with pytest.raises(ValueError, match=f'Received: {text}'):
    box_list.read_boxes(text)


@pytest.mark.parametrize('content', ['{"a": 1}', '[1, 2, 3, 4]', 'no JSON'])
def test_a_file_of_something_else_is_refused(tmp_path, content):
  path = tmp_path / 'boxes.json'
  path.write_text(content)

  with pytest.raises(ValueError, match='Boxes must be'):
    box_list.read_boxes(str(path))


def test_outlines_are_read_from_a_file(tmp_path):
  path = tmp_path / 'outlines.json'
  path.write_text('[[[[1, 2], [3, 4.5], [0, 9]]], []]')

  assert box_list.read_outlines(str(path)) == [
    [[[1.0, 2.0], [3.0, 4.5], [0.0, 9.0]]], []
  ]  # fmt: skip
  assert box_list.read_outlines('') is None


@pytest.mark.parametrize('content', ['[[1, 2]]', '{"a": [["x"]]}', 'no JSON'])
def test_a_file_that_holds_no_outlines_is_refused(tmp_path, content):
  path = tmp_path / 'outlines.json'
  path.write_text(content)

  with pytest.raises(ValueError, match='Outlines must be'):
    box_list.read_outlines(str(path))
