"""A table applied to weights: all accounted for, or nothing is kept."""

import dataclasses
import fnmatch
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tf_keras

from vlbert_tf.checkpoints.stored import Tensors
from vlbert_tf.checkpoints.tables import Row


@dataclasses.dataclass(frozen=True)
class Table:
  """How the weights of a source become ours.

  Attributes:
    rows: names, and how they correspond.
    ignored: patterns of source names that are not used, each with a reason.
    may_be_new: patterns of our variables that a source need not fill.
  """

  rows: tuple[Row, ...]
  ignored: Mapping[str, str]
  may_be_new: tuple[str, ...]


@dataclasses.dataclass
class Report:
  """What became of every name.

  Attributes:
    used: paths of our variables, each with its source names.
    ignored: source names, each with the reason.
    new: paths of our variables that keep their initial values.
  """

  used: dict[str, list[str]]
  ignored: dict[str, str]
  new: list[str]

  def lines(self) -> list[str]:
    """The report for people; equal reasons share a line."""
    lines = [
      f'{len(self.used)} variables filled from '
      f'{sum(map(len, self.used.values()))} tensors.'
    ]
    for reason in sorted(set(self.ignored.values())):
      names = [name for name, why in self.ignored.items() if why == reason]
      lines.append(f'{len(names)} ignored, {reason}: {names[0]} …')
    lines += [f'New, drawn at random: {path}' for path in self.new]
    return lines


def fill(model: tf_keras.Model, tensors: Tensors, table: Table) -> Report:
  """Puts the weights of a source into a model.

  Args:
    model: whose variables exist.
    tensors: of the source.
    table: for the source and the model.

  Returns:
    What became of every name.

  Raises:
    ValueError: a name is in no list, a variable stays empty that must not, a
      shape does not fit, or a number is not finite. The model is then partly
      filled and must not be used.
  """
  variables = model.get_weight_paths()
  report = Report({}, {}, [])
  for row in table.rows:
    present = [name for name in row.sources if name in tensors]
    if not present:
      continue
    missing = sorted(set(row.sources) - set(present))
    if missing:
      raise ValueError(
        f'A checkpoint must hold all parts of {row.targets[0]}. '
        f'Received: {present[0]} without {missing[0]}.'
      )
    _assign(row, variables, tensors)
    report.used.update({path: list(row.sources) for path in row.targets})
  _account_for_rest(report, variables, tensors, table)
  return report


def _assign(
  row: Row, variables: Mapping[str, tf.Variable], tensors: Tensors
) -> None:
  arrays = [_finite(name, tensors) for name in row.sources]
  targets = [variables.get(path) for path in row.targets]
  if any(variable is None for variable in targets):
    raise ValueError(
      'A checkpoint must fit the model that it is converted to. '
      f'Received: {row.sources[0]}, for which the model has no place.'
    )
  try:
    loaded = row.form.load(*arrays)
  except ValueError:
    loaded = [np.empty(0)] * len(targets)
  for variable, value in zip(targets, loaded, strict=True):
    if row.form.fills_first_rows and value.shape[1:] == variable.shape[1:]:
      value = np.concatenate([value, variable.numpy()[len(value) :]])
    if tuple(variable.shape) != value.shape:
      shapes = ', '.join(
        f'{name} {list(tensors[name].shape)}' for name in row.sources
      )
      raise ValueError(
        'A checkpoint must have the shapes of the model that it is converted '
        f'to. Received: {shapes}, for {row.targets[0]} '
        f'{list(variable.shape)}.'
      )
    variable.assign(value)


def _finite(name: str, tensors: Tensors) -> np.ndarray:
  """Values in float32; half precision becomes single."""
  array = np.asarray(tensors[name].read(), np.float32)
  if not np.isfinite(array).all():
    raise ValueError(
      'Weights must be finite numbers. '
      f'Received: {name} with {int((~np.isfinite(array)).sum())} that are not. '
      'The training that wrote them has diverged.'
    )
  return array


def _account_for_rest(report, variables, tensors, table: Table) -> None:
  used = {name for names in report.used.values() for name in names}
  for name in tensors:
    if name in used:
      continue
    reasons = [
      reason
      for pattern, reason in table.ignored.items()
      if fnmatch.fnmatchcase(name, pattern)
    ]
    if not reasons:
      raise ValueError(
        'Every tensor of a checkpoint must be known to its table. '
        f'Received: {name} {list(tensors[name].shape)}, which is not. '
        'Check --from.'
      )
    report.ignored[name] = reasons[0]
  for path in variables:
    if path in report.used:
      continue
    if not any(fnmatch.fnmatchcase(path, p) for p in table.may_be_new):
      raise ValueError(
        'A checkpoint must fill the whole model. '
        f'Received: no tensor for {path} {list(variables[path].shape)}.'
      )
    report.new.append(path)


def extract(
  model: tf_keras.Model, table: Table
) -> tuple[dict[str, np.ndarray], list[str]]:
  """The weights of a model under the names of a source.

  Args:
    model: filled.
    table: for the source and the model.

  Returns:
    Arrays by name, and paths of our variables that the source has no name for.
  """
  variables = model.get_weight_paths()
  arrays, saved = {}, set()
  for row in table.rows:
    if not all(path in variables for path in row.targets):
      continue
    values = row.form.save(*(variables[path].numpy() for path in row.targets))
    arrays.update(zip(row.sources, values, strict=True))
    saved.update(row.targets)
  return arrays, [path for path in variables if path not in saved]
