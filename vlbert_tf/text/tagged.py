"""Texts of which some words point at objects: word pieces keep the pointer."""

from typing import NamedTuple

import tensorflow as tf

from vlbert_tf.text.tokenizer import WordPieceTokenizer


class TaggedPieces(NamedTuple):
  """Word pieces of a batch of texts.

  Attributes:
    ids: int32 `[B, (n)]`, ragged.
    tags: int32 `[B, (n)]`, ragged, what the word of each piece points at.
  """

  ids: tf.RaggedTensor
  tags: tf.RaggedTensor


def tokenize_tagged(
  words: tf.Tensor, tags: tf.Tensor, tokenizer: WordPieceTokenizer
) -> TaggedPieces:
  """Tokenizes; all pieces of a word get its tag.

  Args:
    words: string `[B]`, words with spaces between them.
    tags: string `[B]`, as many numbers as there are words.
    tokenizer: splits words.

  Returns:
    The pieces, the same as of the text as a whole.
  """
  by_text = tf.strings.split(words)
  numbers = tf.strings.to_number(tf.strings.split(tags).values, tf.int32)
  pieces = tokenizer.tokenize(by_text.values)
  repeated = tf.RaggedTensor.from_row_splits(
    tf.repeat(numbers, pieces.row_lengths()), pieces.row_splits
  )

  def of_texts(ragged):
    nested = tf.RaggedTensor.from_row_splits(ragged, by_text.row_splits)
    return nested.merge_dims(1, 2)

  return TaggedPieces(of_texts(pieces), of_texts(repeated))
