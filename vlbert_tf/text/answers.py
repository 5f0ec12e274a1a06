"""Answers as the VQA metric sees them: normalised, and as a list of classes."""

import json
import re
from collections.abc import Mapping, Sequence

import tensorflow as tf

_ARTICLES = frozenset(['a', 'an', 'the'])
_NUMBER_WORDS = {
  word: str(number)
  for number, word in enumerate(
    'zero one two three four five six seven eight nine ten'.split()
  )
} | {'none': '0'}
# Contractions that the evaluation knows, in full.
_CONTRACTIONS = (
  "ain't aren't can't could've couldn't couldn't've didn't doesn't don't "
  "hadn't hadn't've hasn't haven't he'd he'd've he's how'd how'll how's isn't "
  "it'd it'd've it'll ma'am might've mightn't mightn't've must've mustn't "
  "needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've "
  "shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd "
  "someone'd've someone'll someone's something'd something'd've something'll "
  "that's there'd there'd've there're there's they'd they'd've they'll "
  "they're they've 'twas wasn't we'd've we've weren't what'll what're what's "
  "what've when's where'd where's where've who'd who'd've who'll who's who've "
  "why'll why're why's won't would've wouldn't wouldn't've y'all y'all'd've "
  "y'all'll you'd you'd've you'll you're you've"
).split()
# People type them with one apostrophe less. The evaluation also has one word
# the other way round, and everybody's numbers are made with it.
_APOSTROPHES = {
  word[:i] + word[i + 1 :]: word
  for word in _CONTRACTIONS
  for i, letter in enumerate(word)
  if letter == "'"
} | {"somebody'd": 'somebodyd'}
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_PERIOD = re.compile(r'\.(?!\d)')
_COMMA_IN_NUMBER = re.compile(r'\d,\d')


def normalize_answer(text: str) -> str:
  """Rewrites an answer by the rules of the VQA v2 evaluation.

  Lower case; punctuation removed, or made a space where it stands between
  words; number words as digits; articles dropped; apostrophes put back.

  Args:
    text: an answer, of a person or a model.

  Returns:
    The form in which answers are compared.
  """
  text = text.replace('\n', ' ').replace('\t', ' ').strip()
  text = _without_punctuation(text)
  words = []
  for word in text.lower().split():
    word = _NUMBER_WORDS.get(word, word)
    if word not in _ARTICLES:
      words.append(_APOSTROPHES.get(word, word))
  return ' '.join(words)


def _without_punctuation(text: str) -> str:
  result = text
  for mark in _PUNCTUATION:
    # Beside a space the mark goes; between letters it parts two words. A
    # comma inside a number makes all marks of the answer go.
    beside_space = f'{mark} ' in text or f' {mark}' in text
    if beside_space or _COMMA_IN_NUMBER.search(text):
      result = result.replace(mark, '')
    else:
      result = result.replace(mark, ' ')
  return _PERIOD.sub('', result)


def build_answer_vocabulary(
  counts: Mapping[str, int], min_occurrences: int = 9
) -> list[str]:
  """The answers that are frequent enough to be classes.

  Args:
    counts: normalised answers, with the number of questions for which each is
      the most frequent one.
    min_occurrences: fewest questions; 9 gives the 3,129 answers of VQA v2.

  Returns:
    Answers, the most frequent first, then by text.

  Raises:
    ValueError: none is frequent enough.
  """
  frequent = [a for a, count in counts.items() if count >= min_occurrences]
  if not frequent:
    raise ValueError(
      'At least one answer must occur in as many questions as asked for. '
      f'Received: {len(counts)} answers, none of which occurs in '
      f'{min_occurrences} questions. Lower --min_answer_occurrences.'
    )
  return sorted(frequent, key=lambda answer: (-counts[answer], answer))


def read_answer_vocabulary(path: str) -> list[str]:
  """Reads the list of answers: one a line, or the official JSON list.

  Args:
    path: text, or JSON where it ends in `.json`.

  Returns:
    K answers; the class of each is its place.

  Raises:
    ValueError: there is no such file, it is no list, or an answer stands
      twice.
  """
  if not tf.io.gfile.exists(path):
    raise ValueError(
      'Answers are listed in a file, one a line, or as a JSON list. '
      f'Received: {path}, which does not exist.'
    )
  with tf.io.gfile.GFile(path) as file:
    text = file.read()
  answers = json.loads(text) if path.endswith('.json') else text.splitlines()
  is_list = isinstance(answers, list)
  if not is_list or not all(isinstance(a, str) for a in answers):
    raise ValueError(
      f'A JSON file of answers holds one list of texts. Received: {path}.'
    )
  if not answers or len(set(answers)) != len(answers):
    raise ValueError(
      'A list of answers holds at least one, and each once: its place is its '
      f'class. Received: {path}, {len(answers)} answers, '
      f'{len(set(answers))} different ones.'
    )
  return answers


def answer_vocabulary_text(answers: Sequence[str]) -> str:
  """The text of a file that `read_answer_vocabulary` reads.

  Args:
    answers: in the order of their classes.
  """
  return ''.join(f'{answer}\n' for answer in answers)
