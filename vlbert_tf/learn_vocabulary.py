"""Learns a WordPiece vocabulary from one's own texts.

Example:
  vlbert-learn-vocabulary --input=captions.tsv,questions.json \\
      --output=vocab.txt --size=1500

An input is a table whose first column is a sentence (`.tsv`), a VQA questions
file (`.json`), or plain text with a sentence a line.
"""

from absl import flags, logging

from vlbert_tf import program

_INPUT = flags.DEFINE_list('input', [], 'Files of texts.')
_OUTPUT = flags.DEFINE_string('output', None, 'Vocabulary to write.')
_SIZE = flags.DEFINE_integer('size', 2000, 'Most word pieces.')


def main(argv: list[str]) -> None:
  """Reads texts, learns, writes the vocabulary."""
  del argv
  program.require(input=_INPUT.value, output=_OUTPUT.value)
  # TensorFlow takes seconds to import, and --help should not pay for it.
  from vlbert_tf.text import vocabulary

  texts = [text for path in _INPUT.value for text in read_texts(path)]
  words = vocabulary.learn_vocabulary(texts, _SIZE.value)
  vocabulary.write_vocabulary(_OUTPUT.value, words)
  logging.info(
    '%d word pieces of %d texts written to %s.',
    len(words),
    len(texts),
    _OUTPUT.value,
  )


def read_texts(path: str) -> list[str]:
  """The sentences of a file.

  Args:
    path: a table with a sentence in its first column (`.tsv`), VQA questions
      (`.json`), or plain text with a sentence a line.

  Returns:
    Sentences, as they stand there.

  Raises:
    ValueError: the file is missing or of another form.
  """
  from vlbert_tf.data.readers import files

  if path.endswith('.json'):
    rows = files.read_json(path, 'questions')['questions']
    return [files.clean_text(row.get('question')) for row in rows]
  lines = files.read_text(path).split('\n')
  if path.endswith('.tsv'):
    return [line.partition('\t')[0] for line in lines]
  return lines


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
