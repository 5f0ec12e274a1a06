"""Vocabularies: read, checked, learned."""

import pytest
import tensorflow as tf

from vlbert_tf.text import vocabulary
from vlbert_tf.text.tokenizer import WordPieceTokenizer

SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']


def _write(tmp_path, words):
  path = tmp_path / 'vocab.txt'
  path.write_text(''.join(f'{word}\n' for word in words))
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
    ([*SPECIAL, '', 'a', ''], r"with \[''\] more than once"),
    ([], r'must contain \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK\]'),
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


# Punctuation as BERT parts it, scripts without spaces, letters with accents and
# letters that only look so, white space and control characters of all kinds.
UNEVEN = [
  'a-b c_d $5 ^e `f` g’s “h” i…j',
  '中文字 日本 éàø straße İstanbul ﬁne ½',
  'k\u00a0l m\u2028n o\x85p q\x00r s\u200bt \ufffdu v\u00adw\tx\ny',
]


def test_every_learning_text_is_covered_and_the_file_reads_back(tmp_path):
  words = vocabulary.learn_vocabulary(UNEVEN * 20, 400)

  pieces = WordPieceTokenizer(words).tokenize(tf.constant(UNEVEN))
  assert words.index('[UNK]') not in pieces.flat_values.numpy()
  assert vocabulary.read_vocabulary(_write(tmp_path, words)) == words


def test_texts_are_parted_and_cleaned_as_bert_does():
  words = vocabulary.learn_vocabulary(
    ['The CAFÉ-owner paid $20'] * 20 + ['cafe\u00a0owner'] * 20, 100
  )

  # Frequent words become pieces of their own.
  assert {'cafe', 'owner', '-', '$', 'the'} <= set(words)
  assert not [w for w in words if w.lower() != w and w not in SPECIAL]


def test_windows_line_ends_are_read(tmp_path):
  path = tmp_path / 'vocab.txt'
  path.write_bytes('\r\n'.join([*SPECIAL, 'a', '']).encode())

  assert vocabulary.read_vocabulary(str(path)) == [*SPECIAL, 'a']


def test_nothing_is_learned_from_nothing():
  with pytest.raises(ValueError, match='Received: 0 texts with words, size 50'):
    vocabulary.learn_vocabulary([' '], 50)


def test_berts_own_vocabulary_is_read(fixtures):
  words = vocabulary.read_vocabulary(str(fixtures / 'bert' / 'vocab.txt'))

  assert len(words) == 30_522
  assert (words.index('[CLS]'), words.index('[MASK]')) == (101, 103)
