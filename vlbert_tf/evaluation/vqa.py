"""The official VQA v2 accuracy, result files, and the blind baseline."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from vlbert_tf.evaluation import json_files
from vlbert_tf.text.answers import normalize_answer


@dataclasses.dataclass(frozen=True)
class VqaAccuracy:
  """Accuracies in per cent.

  Attributes:
    overall: over all questions.
    by_answer_type: over those of each type of answer.
    by_question_type: over those of each type of question.
    questions: how many there are.
  """

  overall: float
  by_answer_type: dict[str, float]
  by_question_type: dict[str, float]
  questions: int

  def as_dict(self) -> dict:
    """All fields, for JSON."""
    return dataclasses.asdict(self)


def question_accuracy(prediction: str, answers: Sequence[str]) -> float:
  """Accuracy of one answer (VL-BERT §4.2.2).

  Each person in turn is left out; the answer counts min(1, matches / 3)
  among the others; the mean of these is the accuracy. All answers are
  normalised first. (The program that the benchmark's authors published leaves
  out this step where the ten people typed the very same; the two differ only
  where a model then answers the same in another spelling.)

  Args:
    prediction: the answer to judge.
    answers: of ten people; at least one.

  Returns:
    In [0, 1].
  """
  given = Counter(normalize_answer(answer) for answer in answers)
  matches = given[normalize_answer(prediction)]
  people = len(answers)
  left_out_matches = matches * min(1.0, (matches - 1) / 3)
  left_out_others = (people - matches) * min(1.0, matches / 3)
  return (left_out_matches + left_out_others) / people


def evaluate_results(results: str, annotations: str) -> VqaAccuracy:
  """Judges a result file.

  Args:
    results: JSON, `[{"question_id", "answer"}]`.
    annotations: the official annotations of the same questions.

  Returns:
    The accuracies.

  Raises:
    ValueError: a file is missing or of another form, or the questions of the
      two differ.
  """
  predictions = read_results(results)
  rows = _read_annotations(annotations, 'answers')
  known = {row['question_id'] for row in rows}
  json_files.check_same_ids(results, predictions.keys(), known)
  by_answer, by_question = defaultdict(list), defaultdict(list)
  everything = []
  for row in rows:
    answers = [given['answer'] for given in row['answers']]
    accuracy = question_accuracy(predictions[row['question_id']], answers)
    everything.append(accuracy)
    by_answer[row.get('answer_type', '')].append(accuracy)
    by_question[row.get('question_type', '')].append(accuracy)
  return VqaAccuracy(
    overall=_percent(everything),
    by_answer_type={k: _percent(v) for k, v in sorted(by_answer.items())},
    by_question_type={k: _percent(v) for k, v in sorted(by_question.items())},
    questions=len(everything),
  )


def write_results(path: str, answers: Iterable[tuple[int, str]]) -> int:
  """Writes a result file that the benchmark's server accepts.

  Args:
    path: of the JSON file.
    answers: question ids with answers.

  Returns:
    How many were written.
  """
  rows = [{'question_id': number, 'answer': text} for number, text in answers]
  return json_files.write(path, rows)


def read_results(path: str) -> dict[int, str]:
  """Reads a result file.

  Args:
    path: of the JSON file.

  Returns:
    Answers by question id.

  Raises:
    ValueError: it is missing, of another form, or answers a question twice.
  """
  rows = json_files.read(path)
  for row in rows if isinstance(rows, list) else [rows]:
    if (
      not isinstance(row, dict)
      or not isinstance(row.get('question_id'), int)
      or not isinstance(row.get('answer'), str)
    ):
      raise ValueError(
        'A result file is a list of {"question_id": number, "answer": text}. '
        f'Received: {path}, with {str(row)[:80]}.'
      )
  answers = {row['question_id']: row['answer'] for row in rows}
  json_files.check_unique(path, len(rows), len(answers))
  return answers


def most_frequent_answers(
  train_annotations: str, test_annotations: str
) -> list[tuple[int, str]]:
  """Answers that see no image: the most frequent one of each question type.

  Args:
    train_annotations: official annotations to count in.
    test_annotations: of the questions to answer; only their types are read.

  Returns:
    Question ids with answers. A type that was not seen in training gets the
    most frequent answer of all.

  Raises:
    ValueError: a file is missing or of another form.
  """
  by_type, overall = defaultdict(Counter), Counter()
  fields = ('question_type', 'multiple_choice_answer')
  for row in _read_annotations(train_annotations, *fields):
    answer = row['multiple_choice_answer']
    by_type[row['question_type']][answer] += 1
    overall[answer] += 1

  def best(counter: Counter) -> str:
    return min(counter, key=lambda answer: (-counter[answer], answer))

  return [
    (row['question_id'], best(by_type.get(row['question_type']) or overall))
    for row in _read_annotations(test_annotations, 'question_type')
  ]


def _read_annotations(path: str, *fields: str) -> list[dict]:
  """Rows of official annotations, each with these fields, each id once."""
  content = json_files.read(path)
  rows = content.get('annotations') if isinstance(content, dict) else None
  if not isinstance(rows, list) or not rows:
    raise ValueError(
      'An official VQA file is an object with a list "annotations". '
      f'Received: {path}.'
    )
  for row in rows:
    # An id may be 0.
    if row.get('question_id') is None or not all(map(row.get, fields)):
      raise ValueError(
        f'An annotation has question_id, {", ".join(fields)}. '
        f'Received: {path}, with {str(row)[:80]}.'
      )
  ids = {row['question_id'] for row in rows}
  if len(ids) != len(rows):
    raise ValueError(
      'Annotations hold each question once. '
      f'Received: {path}, {len(rows)} rows of {len(ids)} questions.'
    )
  return rows


def _percent(accuracies: list[float]) -> float:
  return round(100 * sum(accuracies) / max(len(accuracies), 1), 2)
