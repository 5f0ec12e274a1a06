"""Answers as the VQA metric compares them, and lists of answers."""

import json

import pytest

from vlbert_tf.text import answers


@pytest.mark.parametrize(
  ('raw', 'normalized'),
  [
    ('Yes', 'yes'),
    (' a  dog ', 'dog'),
    ('The dog on an apple', 'dog on apple'),
    ('two', '2'),
    ('None', '0'),
    ('dont', "don't"),
    ('its', 'its'),
    ("couldnt've", "couldn't've"),
    ("couldn'tve", "couldn't've"),
    ('im', 'im'),
    ("somebody'd", 'somebodyd'),
    # Articles go before contractions are put back, number words before both.
    ('The one thats', "1 that's"),
    ('(a)', ''),
    ('one,two', '1 2'),
    # One dash beside a space, or a comma in a number, and marks leave no space.
    ('x-y -z', 'xy z'),
    ('1,000 dogs-cats', '1000 dogscats'),
    ('U.S.A.', 'usa'),
    ('$5.00', '$5.00'),
    ('5:30', '5:30'),
  ],
)
def test_answers_are_compared_in_one_form(raw, normalized):
  assert answers.normalize_answer(raw) == normalized


def test_the_vocabulary_holds_frequent_answers_in_order_of_frequency():
  counts = {'yes': 30, 'no': 31, 'red': 9, 'blue': 9, 'teal': 8}

  assert answers.build_answer_vocabulary(counts) == ['no', 'yes', 'blue', 'red']


def test_a_vocabulary_without_frequent_answers_is_refused():
  with pytest.raises(ValueError, match='none of which occurs in 9'):
    answers.build_answer_vocabulary({'yes': 8})


def test_lists_are_read_as_text_and_as_json(tmp_path):
  text, as_json = tmp_path / 'answers.txt', tmp_path / 'answers.json'
  text.write_text(answers.answer_vocabulary_text(['yes', 'no', 'hot dog']))
  as_json.write_text(json.dumps(['', 'yes', 'no']))

  assert answers.read_answer_vocabulary(str(text)) == ['yes', 'no', 'hot dog']
  assert answers.read_answer_vocabulary(str(as_json)) == ['', 'yes', 'no']


@pytest.mark.parametrize(
  ('name', 'content', 'message'),
  [
    ('a.txt', 'yes\nno\nyes\n', '3 answers, 2 different ones'),
    ('a.txt', '', '0 answers'),
    ('a.json', '{"yes": 0}', 'holds one list of texts'),
  ],
)
def test_what_is_no_list_of_answers_is_refused(
  tmp_path, name, content, message
):
  path = tmp_path / name
  path.write_text(content)

  with pytest.raises(ValueError, match=message):
    answers.read_answer_vocabulary(str(path))


def test_a_missing_list_is_named():
  with pytest.raises(ValueError, match='/none.txt, which does not exist'):
    answers.read_answer_vocabulary('/none.txt')


def test_the_official_list_has_3129_answers(fixtures):
  path = fixtures / 'vqa' / 'trainval_label2ans.json'

  official = answers.read_answer_vocabulary(str(path))

  assert len(official) == 3129
  assert {'yes', 'no', '2', 'white'} <= set(official)
