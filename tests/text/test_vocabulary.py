"""Vocabularies: read, checked, learned."""

import json

import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver

from vlbert_tf import learn_vocabulary
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
  path = str(tmp_path / 'new' / 'vocab.txt')
  vocabulary.write_vocabulary(path, words)
  assert vocabulary.read_vocabulary(path) == words


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


@pytest.mark.parametrize(
  ('name', 'content', 'texts'),
  [
    ('a.txt', 'one cat\ntwo', ['one cat', 'two']),
    ('a.tsv', 'a cat\thttp://x/1.jpg\na dog\t2.jpg', ['a cat', 'a dog']),
    ('a.json', '{"questions": [{"question": "Why?"}, {}]}', ['Why?', '']),
  ],
)
def test_sentences_are_read_from_files_of_three_kinds(
  tmp_path, name, content, texts
):
  path = tmp_path / name
  path.write_text(content)

  assert learn_vocabulary.read_texts(str(path)) == texts


def _run_program(**values):
  flags.FLAGS(['vlbert-learn-vocabulary'])
  with flagsaver.flagsaver(**values):
    learn_vocabulary.main([])


def test_the_program_learns_from_captions_and_questions(tmp_path):
  captions, questions = tmp_path / 'train.tsv', tmp_path / 'questions.json'
  captions.write_text('a red ball on sand\thttp://x/1.jpg\n' * 9)
  rows = [{'question': 'what color is it?'}] * 9
  questions.write_text(json.dumps({'questions': rows}))
  output = str(tmp_path / 'vocab.txt')

  _run_program(input=[str(captions), str(questions)], output=output, size=60)

  words = vocabulary.read_vocabulary(output)
  assert {'red', 'ball', 'color', '?'} <= set(words)
  assert 'http' not in words


def test_the_program_names_the_missing_file_and_writes_nothing(tmp_path):
  output = tmp_path / 'vocab.txt'

  with pytest.raises(ValueError, match='/none.tsv'):
    _run_program(input=['/none.tsv'], output=str(output))

  assert not output.exists()


def test_berts_own_vocabulary_is_read(fixtures):
  words = vocabulary.read_vocabulary(str(fixtures / 'bert' / 'vocab.txt'))

  assert len(words) == 30_522
  assert (words.index('[CLS]'), words.index('[MASK]')) == (101, 103)
