"""What a trained task says of each example of a split, and what is right."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from vlbert_tf import boxes, elements
from vlbert_tf.data import pipeline
from vlbert_tf.data.record_kinds import CANDIDATES
from vlbert_tf.evaluation import report, word_kinds
from vlbert_tf.evaluation.report import Judged
from vlbert_tf.tasks import base, inference, refcoco, vcr, vqa
from vlbert_tf.tasks.pretraining import PretrainingTask
from vlbert_tf.tasks.refcoco import RefcocoTask
from vlbert_tf.tasks.vcr import VcrTask
from vlbert_tf.tasks.vqa import VqaTask
from vlbert_tf.text.vocabulary import read_vocabulary

Arrays = Mapping[str, np.ndarray]

_SEPARATOR = '[SEP]'
# Upper ends of ranges, by what they are ranges of; the last has no end.
_WORDS = (1, 2, 3, 5, 8)
_REGIONS = (2, 5, 10, 20)
SHARES = (1, 5, 20)  # of objects, % of the image
_NOUNS = {
  'Answers': 'questions',
  'Expressions': 'expressions',
  'Choices': 'questions',
  'Masked words': 'words',
  'Masked regions': 'regions',
  'Captions': 'captions',
}


def judge(
  task: base.VlBertTask, model: tf_keras.Model, data: pipeline.DataConfig
) -> list[report.Section]:
  """Judges every example of a split.

  Args:
    task: of the model; any but detection.
    model: with its trained weights.
    data: the split; `is_training` must be off.

  Returns:
    One section for each thing that the task predicts.

  Raises:
    ValueError: nothing of the kind can be told of the task.
  """
  judges = [each for kind, each in _JUDGES.items() if isinstance(task, kind)]
  if not judges:
    raise ValueError(
      'A report is on answers, choices, expressions or captions. Received: a '
      f'model for {task.task_config.name}. Detectors are judged by '
      '`detections.judge`.'
    )
  step = tf.function(model, autograph=False)
  found = defaultdict(list)
  for number, batch in enumerate(inference.with_progress(task, data)):
    outputs = step(batch)
    arrays = {
      name: value.numpy() for name, value in (*batch.items(), *outputs.items())
    }
    weights = {k: v.numpy() for k, v in task.label_weights(batch).items()}
    first = number * data.global_batch_size
    for heading, judged in judges[0](task, arrays, weights, first):
      found[heading].append(judged)
  return [
    report.Section(heading=heading, noun=_NOUNS[heading], judged=judged)
    for heading, judged in found.items()
  ]


def range_of(value: float, ends: Sequence[int]) -> str:
  """The range that a value lies in: `1`, `2 to 5`, `more than 5`.

  Args:
    value: above 0.
    ends: upper ends, included.
  """
  starts = (0, *ends)
  for below, end in zip(starts, ends, strict=False):
    if value <= end:
      return str(end) if end == below + 1 else f'{below + 1} to {end}'
  return f'more than {ends[-1]}'


def _answers(
  task: VqaTask, arrays: Arrays, weights: Arrays, first: int
) -> Iterator[tuple[str, Judged]]:
  """Answers by their official types, or by words where there are none."""
  logits = arrays[elements.ANSWER_LOGITS]
  probabilities = inference.answer_probabilities(task, logits).numpy()
  for i, row in enumerate(probabilities):
    if not weights['answer_loss'][i]:
      continue
    best, label = row.argmax(), arrays[elements.ANSWER_LABEL][i]
    question = arrays[vqa.QUESTION][i].decode()
    truth = task.answers[label] if label >= 0 else ''
    official = arrays[vqa.QUESTION_TYPE][i].decode()
    yield (
      'Answers',
      Judged(
        place=first + i,
        item=f'question {arrays[vqa.QUESTION_ID][i]}',
        text=question,
        answer=task.answers[best],
        confidence=float(row[best]),
        accuracy=float(arrays[elements.ANSWER_SCORES][i, best]),
        truth=truth,
        types={
          'type of answer': report.answer_type(truth),
          'type of question': official or report.first_words(question),
        },
      ),
    )


def _expressions(
  task: RefcocoTask, arrays: Arrays, weights: Arrays, first: int
) -> Iterator[tuple[str, Judged]]:
  del task
  logits = arrays[elements.ROI_LOGITS]
  # Several expressions can share an image.
  group = len(logits) // len(arrays[elements.BOXES])
  for i, scores in enumerate(logits):
    real = arrays[elements.ROI_MASK][i // group]
    if not weights['roi_loss'][i].any():
      continue
    rois = arrays[elements.BOXES][i // group]
    target = arrays[elements.TARGET_BOX][i]
    overlap = boxes.iou(rois, target[None])[:, 0]
    best = np.where(real, scores, -np.inf).argmax()
    height, width = arrays[elements.IMAGE_SIZE][i // group]
    area = (target[2] - target[0]) * (target[3] - target[1])
    query = arrays[refcoco.QUERY][i].decode()
    share = range_of(100 * area / (height * width), SHARES)
    yield (
      'Expressions',
      Judged(
        place=first + i,
        item=f'expression {arrays[refcoco.EXPRESSION_ID][i]}',
        text=query,
        answer=f'region {best + 1}',
        confidence=float(tf.sigmoid(scores[best])),
        accuracy=float(overlap[best] > refcoco.MIN_IOU),
        truth=f'region {np.where(real, overlap, -1.0).argmax() + 1}',
        types={
          'number of words': range_of(len(query.split()), _WORDS),
          'number of regions': range_of(real.sum(), _REGIONS),
          'size of the object, % of the image': share,
        },
      ),
    )


def _choices(
  task: VcrTask, arrays: Arrays, weights: Arrays, first: int
) -> Iterator[tuple[str, Judged]]:
  words = np.array(read_vocabulary(task.task_config.vocab_file))
  probabilities = tf.nn.softmax(arrays[elements.CANDIDATE_LOGITS]).numpy()
  for i, row in enumerate(probabilities):
    if not weights['candidate_loss'][i]:
      continue
    label, best = arrays[elements.CANDIDATE_LABEL][i], row.argmax()
    question, candidates = choice_texts(arrays, i, words)
    yield (
      'Choices',
      Judged(
        place=first + i,
        item=f'question {arrays[vcr.QUESTION_ID][i].decode()}',
        text=question,
        answer=candidates[best],
        confidence=float(row[best]),
        accuracy=float(best == label),
        truth=candidates[label],
        types={'first word of the question': report.first_words(question, 1)},
      ),
    )


def choice_texts(
  arrays: Arrays, row: int, words: np.ndarray
) -> tuple[str, list[str]]:
  """A question of multiple choice and its candidates, from word pieces.

  Args:
    arrays: a batch, in which the candidates of a question stand side by side.
    row: of the question.
    words: the vocabulary.
  """
  found = []
  for k in range(row * CANDIDATES, (row + 1) * CANDIDATES):
    mask = arrays[elements.WORD_MASK][k]
    pieces = ' '.join(words[arrays[elements.WORD_IDS][k][mask]][1:])
    found.append(pieces.replace(' ##', '').split(_SEPARATOR))
  return found[0][0].strip(), [parts[1].strip() for parts in found]


def _hidden(
  task: PretrainingTask, arrays: Arrays, weights: Arrays, first: int
) -> Iterator[tuple[str, Judged]]:
  """Words, regions and captions, as far as they count in the losses."""
  words = np.array(read_vocabulary(task.task_config.vocab_file))
  names = np.array(('background', *task.categories()))
  texts = [
    ' '.join(words[ids[mask]][1:-1])
    for ids, mask in zip(
      arrays[elements.WORD_IDS], arrays[elements.WORD_MASK], strict=True
    )
  ]
  for heading, kind, logits, labels, weight, names_of in (
    (
      'Masked words',
      'kind of word',
      elements.MASKED_WORD_LOGITS,
      elements.MASKED_WORD_IDS,
      weights['masked_word_loss'],
      words,
    ),
    (
      'Masked regions',
      'category',
      elements.ROI_CATEGORY_LOGITS,
      elements.ROI_CATEGORIES,
      weights['masked_roi_loss'],
      names,
    ),
  ):
    for i, k in zip(*np.nonzero(weight), strict=True):
      row = tf.nn.softmax(arrays[logits][i, k]).numpy()
      truth = str(names_of[arrays[labels][i, k]])
      kind_of = word_kinds.word_kind if names_of is words else str
      yield (
        heading,
        Judged(
          place=first + int(i),
          item=arrays[elements.EXAMPLE_ID][i].decode(),
          text=texts[i],
          answer=str(names_of[row.argmax()]),
          confidence=float(row.max()),
          accuracy=float(row.argmax() == arrays[labels][i, k]),
          truth=truth,
          types={kind: kind_of(truth)},
        ),
      )
  yield from _captions(arrays, weights, first, texts)


def _captions(
  arrays: Arrays, weights: Arrays, first: int, texts: Sequence[str]
) -> Iterator[tuple[str, Judged]]:
  said = {True: 'describes the image', False: 'describes another image'}
  scores = tf.sigmoid(arrays[elements.RELATIONSHIP_LOGITS]).numpy()
  for i, score in enumerate(scores):
    if not weights['relationship_loss'][i]:
      continue
    answer, truth = score > 0.5, arrays[elements.RELATED][i] > 0.5
    yield (
      'Captions',
      Judged(
        place=first + i,
        item=arrays[elements.EXAMPLE_ID][i].decode(),
        text=texts[i],
        answer=said[bool(answer)],
        confidence=float(max(score, 1 - score)),
        accuracy=float(answer == truth),
        truth=said[bool(truth)],
        types={'truth': said[bool(truth)]},
      ),
    )


_JUDGES = {
  VqaTask: _answers,
  RefcocoTask: _expressions,
  VcrTask: _choices,
  PretrainingTask: _hidden,
}
