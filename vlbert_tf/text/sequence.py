"""Sections of text in one sequence: [CLS] … [SEP] … [SEP] (VL-BERT §3.2)."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from vlbert_tf import elements
from vlbert_tf.text.tokenizer import WordPieceTokenizer


class TextSequence(NamedTuple):
  """Text of a batch, special words included.

  Attributes:
    word_ids: int32 `[B, (n)]`, ragged.
    segment_ids: int32 `[B, (n)]`, ragged.
    is_word: bool `[B, (n)]`, ragged; False on special words.
    cut: bool `[B]`, True where words were left out to fit the model.
  """

  word_ids: tf.RaggedTensor
  segment_ids: tf.RaggedTensor
  is_word: tf.RaggedTensor
  cut: tf.Tensor


def caption_sequence(
  captions: tf.RaggedTensor, tokenizer: WordPieceTokenizer, max_length: int
) -> TextSequence:
  """`[CLS] caption [SEP]`, all of segment A.

  Args:
    captions: int32 `[B, (n)]`, word pieces.
    tokenizer: gives the ids of the special words.
    max_length: longest sequence; longer captions lose their last words.

  Returns:
    The sequences.
  """
  return _join([captions], [elements.SEGMENT_A], tokenizer, max_length - 2)


def question_sequence(
  questions: tf.RaggedTensor, tokenizer: WordPieceTokenizer, max_length: int
) -> tuple[TextSequence, tf.Tensor]:
  """`[CLS] question [SEP] [MASK] [SEP]`; [MASK] holds the answer's place.

  Args:
    questions: int32 `[B, (n)]`, word pieces.
    tokenizer: gives the ids of the special words.
    max_length: longest sequence; longer questions lose their last words.

  Returns:
    The sequences, and the place of [MASK], int32 `[B]` (VL-BERT fig. 2).
  """
  rows = questions.nrows(out_type=tf.int32)
  mask = tf.RaggedTensor.from_tensor(tf.fill([rows, 1], tokenizer.mask_id))
  sequence = _join(
    [questions, mask],
    [elements.SEGMENT_A, elements.SEGMENT_B],
    tokenizer,
    max_length - 4,
  )
  length = tf.cast(sequence.word_ids.row_lengths(), tf.int32)
  return sequence, length - 2


def swap_left_right(texts: tf.Tensor) -> tf.Tensor:
  """Puts 'right' for 'left' and the other way round, as whole words.

  Args:
    texts: string `[...]`.

  Returns:
    string `[...]`, lower-case where a word was swapped.
  """
  marked = tf.strings.regex_replace(texts, r'(?i)\bleft\b', '\x01')
  swapped = tf.strings.regex_replace(marked, r'(?i)\bright\b', 'left')
  return tf.strings.regex_replace(swapped, '\x01', 'right')


def _join(
  sections: Sequence[tf.RaggedTensor],
  segments: Sequence[int],
  tokenizer: WordPieceTokenizer,
  words_that_fit: int,
) -> TextSequence:
  """Joins sections, of which the first is cut where it is too long."""
  first = sections[0]
  cut = first.row_lengths() > words_that_fit
  sections = [first[:, :words_that_fit], *sections[1:]]
  rows = first.nrows(out_type=tf.int32)
  word_ids, segment_ids, is_word = [], [], []

  def append(ids, segment, word):
    word_ids.append(ids)
    segment_ids.append(tf.ones_like(ids) * segment)
    is_word.append(tf.cast(tf.ones_like(ids) * int(word), tf.bool))

  def special(word_id):
    return tf.RaggedTensor.from_tensor(tf.fill([rows, 1], word_id))

  append(special(tokenizer.cls_id), segments[0], False)
  for number, (ids, segment) in enumerate(zip(sections, segments, strict=True)):
    # Later sections are special words themselves: the answer's [MASK].
    append(ids, segment, number == 0)
    append(special(tokenizer.sep_id), segment, False)
  return TextSequence(
    word_ids=tf.concat(word_ids, axis=1),
    segment_ids=tf.concat(segment_ids, axis=1),
    is_word=tf.concat(is_word, axis=1),
    cut=cut,
  )
