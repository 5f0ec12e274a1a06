"""Rows of a conversion table, and their expansion over layers and blocks."""

import dataclasses
from collections.abc import Iterable, Iterator

from vlbert_tf.checkpoints.forms import SAME, Form


@dataclasses.dataclass(frozen=True)
class Row:
  """One line of a table.

  Attributes:
    sources: names in the other library.
    targets: paths of our variables in the model.
    form: how arrays of the one become arrays of the other.
  """

  sources: tuple[str, ...]
  targets: tuple[str, ...]
  form: Form = SAME


def row(sources: str, targets: str, form: Form = SAME) -> Row:
  """A row from names that are separated by spaces."""
  return Row(tuple(sources.split()), tuple(targets.split()), form)


def expand(rows: Iterable[Row], **places) -> Iterator[Row]:
  """Fills `{name}` in all names of rows.

  Args:
    rows: with places like `{layer}`.
    **places: what to put there.

  Yields:
    The rows, filled.
  """
  for each in rows:
    yield Row(
      tuple(name.format(**places) for name in each.sources),
      tuple(name.format(**places) for name in each.targets),
      each.form,
    )


def count(names: Iterable[str], prefix: str) -> int:
  """How many numbers follow a prefix in names: 12 for layer.0 to layer.11."""
  numbers = {
    int(name[len(prefix) :].split('.')[0].split('/')[0])
    for name in names
    if name.startswith(prefix)
  }
  return max(numbers, default=-1) + 1
