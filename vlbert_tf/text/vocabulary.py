"""Vocabularies of word pieces: read, checked, and learned from one's texts."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence

import tensorflow as tf
import tensorflow_text as tf_text

from vlbert_tf.text.tokenizer import CLS, MASK, PAD, SEP, UNKNOWN

SPECIAL_WORDS = (PAD, UNKNOWN, CLS, SEP, MASK)

_TEXTS_OF_A_PAGE = 1000


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
    # Nothing but \n ends a line: word pieces may hold Unicode's separators.
    words = file.read().replace('\r\n', '\n').removesuffix('\n').split('\n')
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


def write_vocabulary(path: str, words: Sequence[str]) -> None:
  """Writes a vocabulary file, one word piece a line.

  Args:
    path: of the file; its folder is made where there is none.
    words: word pieces by id.
  """
  tf.io.gfile.makedirs(os.path.dirname(path) or '.')
  with tf.io.gfile.GFile(path, 'w') as file:
    file.write(''.join(f'{word}\n' for word in words))


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
  # Here, for it takes seconds, and only this function needs it.
  from keras_nlp import tokenizers

  texts = [text for text in texts if text.strip()]
  if not texts or size <= len(SPECIAL_WORDS):
    raise ValueError(
      'A vocabulary is learned from at least one text and has room for more '
      f'than the {len(SPECIAL_WORDS)} special words. '
      f'Received: {len(texts)} texts with words, size {size}.'
    )
  # The first step of the tokenizer that will use the pieces. keras_nlp's own
  # lower-casing rewrites more (ß, …), and it would keep words with a
  # non-breaking space in them.
  normalizer = tf_text.FastBertNormalizer(lower_case_nfd_strip_accents=True)
  # Words are counted, wherever they stand; what costs is each element of the
  # data set.
  pages = [
    '\n'.join(texts[start : start + _TEXTS_OF_A_PAGE])
    for start in range(0, len(texts), _TEXTS_OF_A_PAGE)
  ]
  return tokenizers.compute_word_piece_vocabulary(
    tf.data.Dataset.from_tensor_slices(normalizer.normalize(pages)),
    vocabulary_size=size,
    lowercase=False,
    reserved_tokens=list(SPECIAL_WORDS),
  )
