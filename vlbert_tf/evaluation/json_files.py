"""JSON files of results: read, written, and held against what is asked."""

import json
from collections.abc import Collection
from typing import Any

import tensorflow as tf


def read(path: str) -> Any:
  """The content of a JSON file.

  Raises:
    ValueError: it is missing or no JSON.
  """
  if not tf.io.gfile.exists(path):
    raise ValueError(f'There is no file {path}. Check its path.')
  with tf.io.gfile.GFile(path) as file:
    try:
      return json.loads(file.read())
    except ValueError as error:
      raise ValueError(
        f'Results and annotations are JSON. Received: {path}, and {error}.'
      ) from error


def write(path: str, rows: list) -> int:
  """Writes rows, and says how many."""
  with tf.io.gfile.GFile(path, 'w') as file:
    file.write(json.dumps(rows))
  return len(rows)


def check_unique(path: str, rows: int, ids: int) -> None:
  """Fails where some of the rows have the same id.

  Raises:
    ValueError: an item is answered twice.
  """
  if ids != rows:
    raise ValueError(
      'A result file answers each question once. '
      f'Received: {path}, {rows} answers to {ids} questions.'
    )


def check_same_ids(path: str, answered: Collection, asked: Collection) -> None:
  """Fails unless a result file answers all that was asked and nothing else.

  Raises:
    ValueError: an answer is missing, or is to no question.
  """
  missing = set(asked) - set(answered)
  unknown = set(answered) - set(asked)
  if missing or unknown:
    raise ValueError(
      'A result file answers each question of the annotations once. '
      f'Received: {path}, where {len(missing)} questions have no answer '
      f'(first: {sorted(missing)[:3]}) and {len(unknown)} are not in the '
      f'annotations (first: {sorted(unknown)[:3]}).'
    )
