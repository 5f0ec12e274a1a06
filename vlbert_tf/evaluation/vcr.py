"""VCR: result files with the leaderboard's columns, and their accuracy."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from vlbert_tf.evaluation import json_files

CANDIDATES = 4
_ID = 'annot_id'
_ANSWER = 'answer'
_RATIONALES = tuple(f'rationale_conditioned_on_a{k}' for k in range(CANDIDATES))
GROUPS = (_ANSWER, *_RATIONALES)

# Probabilities of four candidates, by question and by group of columns.
Results = dict[str, dict[str, list[float]]]


@dataclasses.dataclass(frozen=True)
class VcrAccuracy:
  """Accuracies in per cent; None where the files do not say.

  Attributes:
    answer: Q→A.
    rationale: QA→R, given the right answer.
    both: Q→AR: questions with the right answer and the right rationale.
    questions: how many there are.
  """

  answer: float | None
  rationale: float | None
  both: float | None
  questions: int

  def as_dict(self) -> dict:
    """All fields by the names that the benchmark has for them, for JSON."""
    return {
      'Q->A': self.answer,
      'QA->R': self.rationale,
      'Q->AR': self.both,
      'questions': self.questions,
    }


def evaluate_results(results: Sequence[str], annotations: str) -> VcrAccuracy:
  """Judges the result files of one or both sub-tasks.

  Args:
    results: paths of CSV files of the same questions.
    annotations: JSON lines with labels, such as `val.jsonl`; lines that are
      not usable are left out, as `vlbert-build-examples` does.

  Returns:
    The accuracies.

  Raises:
    ValueError: a file is missing or of another form, or a question with
      labels has no prediction.
  """
  labels = _read_labels(annotations)
  predictions: Results = {}
  for path in results:
    predictions = joined(predictions, read_results(path))
  json_files.check_same_ids(
    ', '.join(results), predictions.keys() & labels.keys(), labels.keys()
  )
  answers, rationales = [], []
  for question, (answer, rationale) in labels.items():
    groups = predictions[question]
    if _ANSWER in groups:
      answers.append(_best(groups[_ANSWER]) == answer)
    if _RATIONALES[answer] in groups:
      rationales.append(_best(groups[_RATIONALES[answer]]) == rationale)
  complete = len(answers) == len(rationales) == len(labels)
  return VcrAccuracy(
    answer=_percent(answers, len(labels)),
    rationale=_percent(rationales, len(labels)),
    both=_percent(
      [a and r for a, r in zip(answers, rationales, strict=True)], len(labels)
    )
    if complete
    else None,
    questions=len(labels),
  )


def write_results(
  path: str,
  probabilities: Iterable[tuple[str, str, Sequence[float]]],
  others: Results | None = None,
) -> int:
  """Writes a result file; with both sub-tasks it is a submission.

  Args:
    path: of the CSV file.
    probabilities: question id, group of columns, four probabilities.
    others: of the other sub-task, to be joined.

  Returns:
    How many questions were written.

  Raises:
    ValueError: the two are not of the same questions.
  """
  rows: Results = {}
  for question, group, values in probabilities:
    rows.setdefault(question, {})[group] = list(values)
  if others:
    json_files.check_same_ids('--join', others.keys(), rows.keys())
    rows = joined(rows, others)
  present = [g for g in GROUPS if any(g in row for row in rows.values())]
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerow([_ID, *(name for g in present for name in _columns(g))])
  for question, groups in rows.items():
    writer.writerow(
      [question, *(f'{p:.6f}' for g in present for p in groups[g])]
    )
  with tf.io.gfile.GFile(path, 'w') as file:
    file.write(text.getvalue())
  return len(rows)


def read_results(path: str) -> Results:
  """Reads a result file, of one sub-task or of both.

  Args:
    path: of the CSV file.

  Returns:
    Probabilities by question and group of columns.

  Raises:
    ValueError: it is missing, of another form, or answers a question twice.
  """
  if not tf.io.gfile.exists(path):
    raise ValueError(f'There is no file {path}. Check its path.')
  with tf.io.gfile.GFile(path) as file:
    reader = csv.DictReader(io.StringIO(file.read()))
  rows = list(reader)
  names = reader.fieldnames or []
  present = [g for g in GROUPS if set(_columns(g)) <= set(names)]
  if _ID not in names or not present:
    raise ValueError(
      f'A result file has the columns {_ID} and answer_0 ... answer_3, or '
      'rationale_conditioned_on_a0_0 ... rationale_conditioned_on_a3_3. '
      f'Received: {path}, with {", ".join(names[:4])}.'
    )
  found = {row[_ID]: _values(path, row, present) for row in rows}
  json_files.check_unique(path, len(rows), len(found))
  return found


def joined(first: Results, second: Results) -> Results:
  """Groups of columns of both, question by question."""
  return {
    question: {**first.get(question, {}), **second.get(question, {})}
    for question in [*first, *(q for q in second if q not in first)]
  }


def _columns(group: str) -> list[str]:
  return [f'{group}_{k}' for k in range(CANDIDATES)]


def _values(path: str, row: Mapping[str, str], groups: Sequence[str]):
  try:
    values = {g: [float(row[name]) for name in _columns(g)] for g in groups}
  except (TypeError, ValueError) as error:
    raise ValueError(
      f'Probabilities are numbers. Received: {path}, question {row[_ID]}: '
      f'{error}.'
    ) from error
  if not all(math.isfinite(p) for group in values.values() for p in group):
    raise ValueError(
      'Probabilities must be finite. '
      f'Received: {path}, question {row[_ID]}. Train again: it has diverged.'
    )
  return values


def _read_labels(path: str) -> dict[str, tuple[int, int]]:
  """Labels of answer and rationale by question."""
  if not tf.io.gfile.exists(path):
    raise ValueError(f'There is no file {path}. Check its path.')
  labels = {}
  with tf.io.gfile.GFile(path) as file:
    for line in file.read().split('\n'):
      try:
        row = json.loads(line)
        pair = row['answer_label'], row['rationale_label']
        if all(label in range(CANDIDATES) for label in pair):
          labels.setdefault(row[_ID], pair)
      except (KeyError, TypeError, ValueError):
        continue
  if not labels:
    raise ValueError(
      'Annotations must have an answer_label and a rationale_label in their '
      f'lines. Received: {path}, where none has. Test files have no labels: '
      'they are judged by the leaderboard.'
    )
  return labels


def _best(probabilities: Sequence[float]) -> int:
  return max(range(CANDIDATES), key=probabilities.__getitem__)


def _percent(right: list[bool], questions: int) -> float | None:
  if len(right) < questions:
    return None
  return round(100 * sum(right) / max(questions, 1), 2)
