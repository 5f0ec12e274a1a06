"""Ten answers of a question as ten people would give them.

Mostly nine or ten agree with the truth. Others err as people do: a near
color, another word, one more or one less, an article or a capital.
"""

import collections

import numpy as np

from vlbert_tf.data.scenes import wording
from vlbert_tf.data.scenes.questions import Question
from vlbert_tf.data.scenes.wording import pick

ANSWERS_PER_QUESTION = 10
# How many of the ten say something else than the true answer.
_DISSENT_WEIGHTS = (0.42, 0.27, 0.2, 0.11)
_NEAR = {
  'red': ('dark red', 'orange', 'maroon'),
  'orange': ('red', 'brown', 'yellow'),
  'yellow': ('gold', 'orange'),
  'green': ('dark green', 'teal'),
  'blue': ('dark blue', 'purple'),
  'purple': ('blue', 'violet'),
  'white': ('gray', 'silver'),
  'black': ('dark gray', 'gray'),
  'cube': ('box', 'square'),
  'ball': ('sphere', 'circle'),
  'cylinder': ('can', 'tube'),
  'cone': ('triangle', 'pyramid'),
  'ring': ('donut', 'circle'),
  'star': ('flower', 'five points'),
  'cross': ('plus', 'plus sign'),
  'heart': ('love', 'leaf'),
  'moon': ('crescent', 'banana'),
  'matte': ('plain', 'smooth', 'plastic'),
  'metal': ('shiny', 'metallic', 'steel'),
  'striped': ('stripes', 'lines'),
  'dotted': ('dots', 'spots', 'polka dot'),
  'small': ('little', 'medium'),
  'large': ('big', 'medium'),
  'wood': ('wooden', 'planks'),
  'tile': ('tiles', 'stone'),
  'sand': ('dirt', 'sandy'),
  'cloth': ('fabric', 'carpet'),
  'stone': ('rock', 'concrete'),
  'left': ('left side', 'far left'),
  'right': ('right side', 'far right'),
  'middle': ('center', 'in the middle'),
  'yes': ('no', 'maybe', 'I think so'),
  'no': ('yes', 'not sure', 'none'),
}


def human_answers(
  question: Question, rng: np.random.Generator
) -> list[dict[str, object]]:
  """The `answers` of an official VQA annotation.

  Args:
    question: its true answer is the most frequent one of the ten.
    rng: who dissents, and how.

  Returns:
    Ten of `{answer, answer_confidence, answer_id}`, ids from 1.
  """
  dissenters = int(rng.choice(len(_DISSENT_WEIGHTS), p=_DISSENT_WEIGHTS))
  places = set(rng.permutation(ANSWERS_PER_QUESTION)[:dissenters].tolist())
  answers = []
  for place in range(ANSWERS_PER_QUESTION):
    differs = place in places
    text = _other_answer(question.answer, rng) if differs else question.answer
    answers.append(
      {
        'answer': text,
        'answer_confidence': _confidence(differs, rng),
        'answer_id': place + 1,
      }
    )
  return answers


def most_frequent(answers: list[dict[str, object]]) -> str:
  """The answer given most often; the first of them if several are."""
  counts = collections.Counter(each['answer'] for each in answers)
  return counts.most_common(1)[0][0]


def _other_answer(true, rng):
  if rng.random() < 0.3:
    return _same_answer_otherwise(true, rng)
  if true.isdigit():
    number = max(int(true) + (1 if rng.random() < 0.5 else -1), 0)
    return str(number)
  return pick(rng, _NEAR[true])


def _same_answer_otherwise(true, rng):
  """What the official evaluation takes for the same answer."""
  if true.isdigit():
    return 'none' if true == '0' else wording.NUMBER_WORDS[int(true)]
  if true in wording.SHAPE_WORDS:
    return pick(rng, (wording.with_article(true), true.capitalize()))
  return pick(rng, (true.capitalize(), f'{true}.'))


def _confidence(differs, rng):
  """'yes', 'maybe' or 'no': how sure a person said to be."""
  sure, unsure = (0.35, 0.8) if differs else (0.86, 0.98)
  roll = rng.random()
  if roll < sure:
    return 'yes'
  return 'maybe' if roll < unsure else 'no'
