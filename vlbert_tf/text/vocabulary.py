"""Vocabularies of word pieces: read, checked, and learned from one's texts."""

import unicodedata
from collections import Counter
from collections.abc import Iterable

import tensorflow as tf

from vlbert_tf.text.tokenizer import CLS, MASK, PAD, SEP, UNKNOWN

SPECIAL_WORDS = (PAD, UNKNOWN, CLS, SEP, MASK)


def read_vocabulary(path: str) -> list[str]:
  """Reads a vocabulary file, one word piece a line, as BERT's.

  Args:
    path: of `vocab.txt`.

  Returns:
    Word pieces; the id of each is its place.

  Raises:
    ValueError: there is no such file, a special word is missing, or a line
      stands twice.
  """
  if not tf.io.gfile.exists(path):
    raise ValueError(
      'A vocabulary is a text file with one word piece a line. '
      f'Received: {path}, which does not exist. '
      'Pass the vocab.txt that came with the checkpoint.'
    )
  with tf.io.gfile.GFile(path) as file:
    words = file.read().splitlines()
  missing = [word for word in SPECIAL_WORDS if word not in words]
  if missing:
    raise ValueError(
      f'A vocabulary must contain {", ".join(missing)}, special words of '
      f'BERT. Received: {path}, {len(words)} words, first {words[:3]}. '
      'Pass the vocab.txt that came with the checkpoint.'
    )
  twice = [word for word, count in Counter(words).items() if count > 1]
  if twice:
    raise ValueError(
      'A vocabulary holds each word piece once: its line is its id. '
      f'Received: {path}, with {twice[:3]} more than once.'
    )
  return words


def learn_vocabulary(texts: Iterable[str], size: int) -> list[str]:
  """Learns word pieces from texts, for models that start from nothing.

  Args:
    texts: one sentence each.
    size: most word pieces, the special words included.

  Returns:
    The special words, then the pieces.

  Raises:
    ValueError: there is no text, or the size leaves no room.
  """
  from keras_nlp import tokenizers

  cleaned = [_cleaned(text) for text in texts]
  if not any(cleaned) or size <= len(SPECIAL_WORDS):
    raise ValueError(
      'A vocabulary is learned from at least one text and has room for more '
      f'than the {len(SPECIAL_WORDS)} special words. '
      f'Received: {len(cleaned)} texts, size {size}.'
    )
  return tokenizers.compute_word_piece_vocabulary(
    tf.data.Dataset.from_tensor_slices(cleaned),
    vocabulary_size=size,
    lowercase=True,
    reserved_tokens=list(SPECIAL_WORDS),
  )


def _cleaned(text: str) -> str:
  """Without accents, which BERT's uncased tokenizer strips as well."""
  decomposed = unicodedata.normalize('NFD', text.strip().lower())
  return ''.join(c for c in decomposed if unicodedata.category(c) != 'Mn')
