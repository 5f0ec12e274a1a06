"""A SavedModel held against what it must answer, in a process of its own.

What the exporting process has loaded and registered cannot stand in for what
the files lack. `python -m serving.validation FOLDER CALLS` ends with 0 when
every call is answered as expected, else with the first difference.
"""

import os
import subprocess
import sys

import numpy as np

from serving.signatures import STATUS

# Of float32: a graph adds up in another order than single operations do. Half
# precision rounds each time, at 2⁻⁸ in relative terms or at 2⁻¹¹.
TOLERANCES = {'float32': 1e-4, 'bfloat16': 5e-2, 'float16': 1e-2}

_SECONDS = 3600

# Outputs in the order of `scores`, and outputs of the highest score.
_RANKED = ('answers', 'words', 'boxes', 'categories', 'appearance')
_CHOSEN = ('index', 'box')


def validate(folder: str, calls_file: str, dtype: str) -> None:
  """Checks a SavedModel in a fresh process.

  Args:
    folder: of the SavedModel.
    calls_file: that `calls.write` wrote.
    dtype: that the model computes in.

  Raises:
    ValueError: it does not load, or answers otherwise.
  """
  root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
  path = os.pathsep.join(filter(None, [root, os.environ.get('PYTHONPATH')]))
  done = subprocess.run(
    [sys.executable, '-m', 'serving.validation', folder, calls_file, dtype],
    env={**os.environ, 'PYTHONPATH': path},
    capture_output=True,
    text=True,
    timeout=_SECONDS,
    check=False,
  )
  if done.returncode:
    lines = done.stderr.strip().splitlines() or ['no word of why']
    raise ValueError(
      'An export must load in a fresh process and answer there as the trained '
      f'model does. Received: {lines[-1]} Nothing was written.'
    )


def difference(
  expected: dict[str, np.ndarray],
  outputs: dict[str, np.ndarray],
  tolerance: float,
) -> str:
  """What differs between two answers.

  Args:
    expected: the outputs that are known.
    outputs: all outputs.
    tolerance: of numbers, absolute and relative.

  Returns:
    A sentence, or '' when nothing differs.
  """
  for name, value in outputs.items():
    if value.dtype.kind == 'f' and not np.isfinite(value).all():
      return f'{name} holds numbers that are not finite.'
  if STATUS in outputs and (outputs[STATUS] != b'').any():
    return f'{STATUS} is {outputs[STATUS].tolist()}.'
  if missing := set(expected) - set(outputs):
    return f'there is no output {", ".join(sorted(missing))}.'
  for name, value in expected.items():
    found = outputs[name]
    if found.shape != value.shape:
      return f'{name} has the shape {found.shape}, not {value.shape}.'
    if value.dtype.kind == 'f':
      wrong = np.abs(found - value) > tolerance * (1.0 + np.abs(value))
    else:
      wrong = found != value
    wrong &= _is_certain(name, value.shape, expected.get('scores'), tolerance)
    if wrong.any():
      place = tuple(int(i) for i in np.argwhere(wrong)[0])
      return f'{name} at {place} is {found[place]}, not {value[place]}.'
  return ''


def _is_certain(
  name: str, shape: tuple[int, ...], scores: np.ndarray | None, tolerance: float
) -> np.ndarray:
  """Where an output follows from more than which of two equal scores is first.

  Args:
    name: of the output.
    shape: of the output.
    scores: that it may be ordered or chosen by, or None.
    tolerance: of scores.

  Returns:
    bool of the shape.
  """
  certain = np.ones(shape, bool)
  if scores is None or not scores.size:
    return certain
  ranked = -np.sort(-scores, axis=-1)
  apart = ranked[..., :-1] - ranked[..., 1:] > 2 * tolerance
  if name in _CHOSEN:
    settled = apart[..., 0] if apart.shape[-1] else np.ones(len(scores), bool)
  elif name in _RANKED and shape[: scores.ndim] == scores.shape:
    # What the last one might change places with did not come back.
    edge = np.zeros_like(apart[..., :1], shape=(*scores.shape[:-1], 1))
    settled = np.concatenate([~edge, apart], -1)
    settled &= np.concatenate([apart, edge], -1)
  else:
    return certain
  return certain & settled.reshape(
    settled.shape + (1,) * (len(shape) - settled.ndim)
  )


def _check(folder: str, calls_file: str, dtype: str) -> None:
  """Runs all calls.

  Raises:
    ValueError: an answer differs.
  """
  import tensorflow as tf

  # Registers the text operations of an exported graph; loading fails without.
  import tensorflow_text  # noqa: F401

  from serving import calls

  functions = tf.saved_model.load(folder).signatures
  for number, call in enumerate(calls.read(calls_file)):
    inputs = {name: tf.constant(value) for name, value in call.inputs.items()}
    found = functions[call.signature](**inputs)
    outputs = {name: value.numpy() for name, value in found.items()}
    told = difference(call.expected, outputs, TOLERANCES[dtype])
    if told:
      raise ValueError(f'Call {number}, {call.signature}: {told}')


def main(arguments: list[str]) -> int:
  """Checks, and says what is wrong on the last line of stderr."""
  try:
    _check(*arguments)
  except Exception as error:  # noqa: BLE001 - the last line of defence.
    print(
      f'{type(error).__name__}: {" ".join(str(error).split())}', file=sys.stderr
    )
    return 1
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
