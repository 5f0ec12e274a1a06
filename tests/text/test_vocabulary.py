"""Vocabularies: read, checked, learned."""

import pytest
import tensorflow as tf

from vlbert_tf.text import vocabulary
from vlbert_tf.text.tokenizer import WordPieceTokenizer

SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']


def _write(tmp_path, words):
  path = tmp_path / 'vocab.txt'
  path.write_text('\n'.join(words) + '\n')
  return str(path)


def test_ids_are_line_numbers(tmp_path):
  words = vocabulary.read_vocabulary(_write(tmp_path, [*SPECIAL, 'a', '##b']))

  assert words.index('[MASK]') == 4
  assert words[5:] == ['a', '##b']


@pytest.mark.parametrize(
  ('words', 'message'),
  [
    (SPECIAL[:3] + ['a'], r'must contain \[SEP\], \[MASK\]'),
    ([*SPECIAL, 'a', 'b', 'a'], r"with \['a'\] more than once"),
  ],
)
def test_a_broken_vocabulary_is_refused(tmp_path, words, message):
  with pytest.raises(ValueError, match=message):
    vocabulary.read_vocabulary(_write(tmp_path, words))


def test_a_missing_vocabulary_is_named():
  with pytest.raises(ValueError, match='/none/vocab.txt, which does not exist'):
    vocabulary.read_vocabulary('/none/vocab.txt')


def test_learned_pieces_cover_their_texts_and_unseen_words(tmp_path):
  texts = ['A café in Paris.', 'two cafés in two streets', 'paris streets'] * 20

  words = vocabulary.learn_vocabulary(texts, 60)

  assert words[:5] == SPECIAL
  assert len(words) <= 60
  tokenizer = WordPieceTokenizer(words)
  unknown = words.index('[UNK]')
  pieces = tokenizer.tokenize(tf.constant([*texts, 'a cafe in a street']))
  assert unknown not in pieces.flat_values.numpy()


def test_nothing_is_learned_from_nothing():
  with pytest.raises(ValueError, match='Received: 1 texts, size 50'):
    vocabulary.learn_vocabulary([' '], 50)


def test_berts_own_vocabulary_is_read(fixtures):
  words = vocabulary.read_vocabulary(str(fixtures / 'bert' / 'vocab.txt'))

  assert len(words) == 30_522
  assert (words.index('[CLS]'), words.index('[MASK]')) == (101, 103)
