"""Word pieces and the sequences they make (VL-BERT §3.2, fig. 1 and 2)."""

import pytest
import tensorflow as tf

from vlbert_tf.text import sequence
from vlbert_tf.text.tagged import tokenize_tagged
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


def _cut_one_by_one(text, rois, most):
  """The longer side loses one after the other; the whole image counts."""
  rois += 1
  while text + rois > most:
    if rois > text:
      rois -= 1
    else:
      text -= 1
  return text, rois - 1


@pytest.mark.parametrize('most', [8, 9])
def test_caption_and_rois_are_cut_together_the_longer_side_first(most):
  # With [CLS], [SEP] and the whole image: 9 + 2, 6 + 5, 3 + 9, 9 + 9, 5 + 3.
  pieces = (7, 4, 1, 7, 3)
  rois = (1, 4, 8, 8, 2)
  captions = tf.ragged.constant([[WHAT] * n for n in pieces], tf.int32)

  result, left = sequence.caption_beside_rois(
    captions, tf.constant(rois), TOKENIZER, 16, most
  )

  expected = {8: [(6, 1), (4, 3), (3, 4), (4, 3), (5, 2)],
              9: [(7, 1), (4, 4), (3, 5), (4, 4), (5, 2)]}[most]  # fmt: skip
  texts = result.word_ids.row_lengths().numpy().tolist()
  assert list(zip(texts, left.numpy().tolist(), strict=True)) == expected
  assert expected == [
    _cut_one_by_one(n + 2, r, most) for n, r in zip(pieces, rois, strict=True)
  ]
  for ids, length in zip(result.word_ids.to_list(), texts, strict=True):
    assert ids == [CLS, *[WHAT] * (length - 2), SEP]
  shorter = [t < n + 2 for t, n in zip(texts, pieces, strict=True)]
  assert result.cut.numpy().tolist() == shorter


def test_a_text_alone_has_a_longest_length_beside_rois_as_well():
  result, left = sequence.caption_beside_rois(
    _tokenize('what color is the'), tf.constant([3]), TOKENIZER, 4, 64
  )

  assert result.word_ids.to_list() == [[CLS, WHAT, COLOR, SEP]]
  assert (left.numpy().tolist(), result.cut.numpy().tolist()) == ([3], [True])


def _tagged(text, *tags):
  return tokenize_tagged(
    tf.constant([text]), tf.constant([' '.join(map(str, tags))]), TOKENIZER
  )


def test_all_pieces_of_a_word_point_where_it_points():
  pieces = _tagged('what cube is?', 0, 7, 3)

  assert pieces.ids.to_list() == [[WHAT, CU, BE, IS, MARK]]
  assert pieces.tags.to_list() == [[0, 7, 7, 3, 3]]


@pytest.mark.parametrize(
  ('max_length', 'first', 'second'),
  [
    (12, [WHAT, COLOR, IS, THE, CU], [THE, CU, BE]),
    # The longer section is cut first, then both.
    (9, [WHAT, COLOR, IS], [THE, CU, BE]),
    (7, [WHAT, COLOR], [THE, CU]),
  ],
)
def test_context_and_candidate_share_what_fits(max_length, first, second):
  result, rois = sequence.choice_sequence(
    _tagged('what color is the cu', 0, 0, 0, 0, 2),
    _tagged('the cube', 1, 0),
    TOKENIZER,
    max_length,
  )

  assert result.word_ids.to_list() == [[CLS, *first, SEP, *second, SEP]]
  segments = [0] * (len(first) + 2) + [1] * (len(second) + 1)
  assert result.segment_ids.to_list() == [segments]
  words = [False, *[True] * len(first), False, *[True] * len(second), False]
  assert result.is_word.to_list() == [words]
  places = {WHAT: 0, COLOR: 0, IS: 0, THE: 0, CU: 2}
  assert rois.to_list() == [
    [0, *(places[w] for w in first), 0, *[1, 0, 0][: len(second)], 0]
  ]
  assert result.cut.numpy().tolist() == [max_length < 11]


def test_left_and_right_change_places_as_whole_words():
  texts = ['left of the Right one', 'bright leftover', '']

  swapped = sequence.swap_left_right(tf.constant(texts)).numpy()

  assert [text.decode() for text in swapped] == [
    'right of the left one',
    'bright leftover',
    '',
  ]
