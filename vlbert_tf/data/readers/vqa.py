"""VQA v2.0: questions on images, with the answers of ten people.

Questions on Visual Genome's images, or anybody's own, work in the same form.
"""

import collections
from collections.abc import Iterator
from typing import Any

from vlbert_tf.data.annotations import Drop, ImageAnnotations, Question
from vlbert_tf.data.readers import files
from vlbert_tf.data.readers.coco import Instances, images_with_texts
from vlbert_tf.text.answers import normalize_answer

MIN_ANSWERS = 1
MAX_ANSWERS = 10


def read_images(
  questions: str,
  annotations: str | None,
  images: dict[int, str],
  instances: Instances,
) -> Iterator[ImageAnnotations | Drop]:
  """Reads a split of VQA.

  Args:
    questions: path of the questions' JSON file.
    annotations: path of the answers' JSON file; None where they are not
      public, as for the official test split.
    images: paths by image number; see `files.images_by_number`.
    instances: boxes by COCO's image ids.

  Yields:
    Images in the order of their first question, and what was set aside.

  Raises:
    ValueError: a file is missing or malformed as a whole.
  """
  rows = files.read_json(questions, 'questions')['questions']
  answers: dict[int, Any] | None = None
  if annotations is not None:
    answers, drops = _answers_by_question(annotations)
    yield from drops
  by_image: dict[int, list[Question]] = {}
  seen: set[int] = set()
  for number, row in enumerate(rows):
    question, drop = _question(number, row, answers, seen)
    if question is None:
      yield drop
    else:
      by_image.setdefault(int(row['image_id']), []).append(question)
  for orphan in sorted(set(answers or ()) - seen):
    yield Drop(
      f'question {orphan}',
      'annotation_without_question',
      'It has answers, and is not among the questions.',
      annotations=1,
    )
  yield from images_with_texts('questions', by_image, images, instances)


def _answers_by_question(path: str) -> tuple[dict[int, Any], list[Drop]]:
  answers: dict[int, Any] = {}
  drops = []
  rows = files.read_json(path, 'annotations')['annotations']
  for number, row in enumerate(rows):
    try:
      question_id = int(row['question_id'])
    except (KeyError, TypeError, ValueError) as error:
      detail = f'{type(error).__name__}: {error}'
      drops.append(
        Drop(f'annotation row {number}', 'annotation_malformed', detail)
      )
      continue
    if question_id in answers:
      drops.append(
        Drop(
          f'annotation row {number}',
          'annotation_duplicate',
          f'Question {question_id} was answered before.',
        )
      )
    answers.setdefault(question_id, row)
  return answers, drops


def _question(
  number: int, row: Any, answers: dict[int, Any] | None, seen: set[int]
) -> tuple[Question | None, Drop | None]:
  """A question of the file, or why it is set aside."""

  def drop(item, reason, detail):
    return None, Drop(item, reason, detail, annotations=1)

  try:
    question_id, image_id = int(row['question_id']), int(row['image_id'])
  except (KeyError, TypeError, ValueError) as error:
    detail = f'{type(error).__name__}: {error}'
    return drop(f'question row {number}', 'question_malformed', detail)
  if question_id in seen:
    detail = f'Question {question_id} came before.'
    return drop(f'question row {number}', 'question_duplicate', detail)
  seen.add(question_id)
  name = f'question {question_id}'
  text = files.clean_text(row.get('question'))
  if not text:
    return drop(name, 'question_empty', 'It has no words.')
  if answers is None:
    return Question(question_id, text), None
  if question_id not in answers:
    detail = 'It is not among the annotations.'
    return drop(name, 'question_without_annotation', detail)
  annotation = answers[question_id]
  if annotation.get('image_id', image_id) != image_id:
    detail = f'Images {image_id} and {annotation["image_id"]}.'
    return drop(name, 'annotation_of_another_image', detail)
  given = counted_answers(annotation.get('answers'))
  total = sum(count for _, count in given)
  if total < MIN_ANSWERS:
    return drop(name, 'too_few_answers', 'It has no answer that is a text.')
  if total > MAX_ANSWERS:
    return drop(name, 'too_many_answers', f'{total}; at most {MAX_ANSWERS}.')
  return Question(
    question_id,
    text,
    files.clean_text(annotation.get('question_type')),
    files.clean_text(annotation.get('answer_type')),
    given,
  ), None


def counted_answers(answers: Any) -> tuple[tuple[str, int], ...]:
  """Distinct normalised answers with counts, as `Question` holds them.

  Args:
    answers: `[{"answer": text}]`; rows without a text are left out.
  """
  rows = answers if isinstance(answers, list) else []
  texts = [
    normalize_answer(files.clean_text(row['answer']))
    for row in rows
    if isinstance(row, dict) and isinstance(row.get('answer'), str)
  ]
  counts = collections.Counter(texts)
  return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
