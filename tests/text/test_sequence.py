"""Word pieces and the sequences they make (VL-BERT §3.2, fig. 1 and 2)."""

import tensorflow as tf

from vlbert_tf.text import sequence
from vlbert_tf.text.tokenizer import WordPieceTokenizer

VOCABULARY = [
  '[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]',
  'what', 'color', 'is', 'the', 'cu', '##be', '?', 'cafe', '[', ']', 'mask',
]  # fmt: skip
PAD, UNK, CLS, SEP, MASK = range(5)
WHAT, COLOR, IS, THE, CU, BE, MARK, CAFE = range(5, 13)

TOKENIZER = WordPieceTokenizer(VOCABULARY)


def _tokenize(*texts):
  return TOKENIZER.tokenize(tf.constant(list(texts)))


def test_text_is_lower_cased_stripped_of_accents_and_split_into_pieces():
  pieces = _tokenize('What COLOR is the cube?', 'Café', 'zebra', '')

  assert pieces.to_list() == [
    [WHAT, COLOR, IS, THE, CU, BE, MARK],
    [CAFE],
    [UNK],
    [],
  ]


def test_a_literal_mask_in_the_text_is_not_the_special_word():
  assert MASK not in _tokenize('[MASK]').to_list()[0]


def test_a_caption_stands_between_cls_and_sep_in_segment_a():
  result = sequence.caption_sequence(
    _tokenize('the cube', 'the'), TOKENIZER, 16
  )

  assert result.word_ids.to_list() == [[CLS, THE, CU, BE, SEP], [CLS, THE, SEP]]
  assert result.segment_ids.to_list() == [[0] * 5, [0] * 3]
  assert result.is_word.to_list()[0] == [False, True, True, True, False]
  assert result.cut.numpy().tolist() == [False, False]


def test_the_answer_is_one_mask_in_segment_b():
  result, position = sequence.question_sequence(
    _tokenize('what color is the cube?', 'what'), TOKENIZER, 16
  )

  assert result.word_ids.to_list() == [
    [CLS, WHAT, COLOR, IS, THE, CU, BE, MARK, SEP, MASK, SEP],
    [CLS, WHAT, SEP, MASK, SEP],
  ]
  assert result.segment_ids.to_list() == [[0] * 9 + [1, 1], [0, 0, 0, 1, 1]]
  assert position.numpy().tolist() == [9, 3]
  # The answer's place is no word of the question.
  assert result.is_word.to_list()[1] == [False, True, False, False, False]


def test_a_long_question_loses_its_last_words_and_says_so():
  result, position = sequence.question_sequence(
    _tokenize('what color is the cube?', 'what'), TOKENIZER, 7
  )

  assert result.word_ids.to_list()[0] == [CLS, WHAT, COLOR, IS, SEP, MASK, SEP]
  assert position.numpy().tolist() == [5, 3]
  assert result.cut.numpy().tolist() == [True, False]


def test_a_caption_that_just_fits_is_not_cut():
  exact = sequence.caption_sequence(_tokenize('the cube'), TOKENIZER, 5)
  shorter = sequence.caption_sequence(_tokenize('the cube'), TOKENIZER, 4)

  assert exact.cut.numpy().tolist() == [False]
  assert shorter.cut.numpy().tolist() == [True]
  assert shorter.word_ids.to_list() == [[CLS, THE, CU, SEP]]
