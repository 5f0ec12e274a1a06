"""What an export says of itself, beside its graph."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

import vlbert_tf
from serving import signatures
from serving.calls import Call
from serving.saved_model import ServedModel
from vlbert_tf.tasks.trained import Trained


def describe(
  contracts: Mapping[str, signatures.Signature], batch_sizes: Sequence[int]
) -> dict[str, Any]:
  """What is known of any export.

  Args:
    contracts: by the key of the signature.
    batch_sizes: that the export was warmed and checked with.

  Returns:
    Values for JSON.
  """
  return {
    'signatures': {
      name: {
        side: {
          field: {
            'dtype': tensor.dtype,
            'shape': list(tensor.shape),
            'meaning': tensor.meaning,
          }
          for field, tensor in getattr(contract, side).items()
        }
        for side in ('inputs', 'outputs')
      }
      for name, contract in contracts.items()
    },
    'batch_sizes': list(batch_sizes),
    'versions': {
      'vlbert_tf': vlbert_tf.__version__,
      'tensorflow': tf.__version__,
    },
  }


def describe_trained(trained: Trained, dtype: str) -> dict[str, Any]:
  """What is known of a model.

  Args:
    trained: the model.
    dtype: that it computes in.

  Returns:
    Values for JSON.
  """
  shape = trained.shape
  return {
    'task': trained.task,
    'dtype': dtype,
    'checkpoint': trained.checkpoint,
    'settings': trained.settings,
    'metrics': metrics_of_run(trained.checkpoint.rpartition('/')[0]),
    'vocabulary': _list_of_words(trained.vocabulary),
    'answers': _list_of_words(trained.answers),
    'text_buckets': list(shape.text_buckets),
    'roi_buckets': list(shape.roi_buckets),
    'image_sides': [shape.short_side, shape.long_side],
  }


def metrics_of_run(model_dir: str) -> dict[str, float]:
  """The last evaluation of a training run.

  Args:
    model_dir: folder that `vlbert-train` wrote.

  Returns:
    Values by name, and the `step` of the evaluation; empty where there was
    none.
  """
  found: dict[str, float] = {}
  for path in sorted(tf.io.gfile.glob(f'{model_dir}/validation/events.*')):
    for event in tf.compat.v1.train.summary_iterator(path):
      for value in event.summary.value:
        number = tf.make_ndarray(value.tensor)
        if number.size == 1 and np.isfinite(number).all():
          found[value.tag] = float(number)
          found['step'] = event.step
  return found


def rounding(
  calls: Sequence[Call], exact: ServedModel, rounded: ServedModel
) -> dict[str, dict[str, float]]:
  """How far two models of the same weights are apart.

  Args:
    calls: on which they are compared.
    exact: that computes in float32.
    rounded: that computes in another type.

  Returns:
    For each output, by `SIGNATURE.OUTPUT`: of numbers `largest_difference`
    and `mean_difference`, of texts `share_equal`.
  """
  pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
  for call in calls:
    inputs = {name: tf.constant(value) for name, value in call.inputs.items()}
    sides = [
      model.answer_eagerly(call.signature, inputs) for model in (exact, rounded)
    ]
    for name in sides[0]:
      pair = tuple(side[name].numpy().ravel() for side in sides)
      pairs.setdefault(f'{call.signature}.{name}', []).append(pair)
  return {
    name: _apart(*map(np.concatenate, zip(*values, strict=True)))
    for name, values in pairs.items()
    if not name.endswith(('.status', '.boxes'))
  }


def write(path: str, card: Mapping[str, Any]) -> None:
  """Writes a card as JSON."""
  with tf.io.gfile.GFile(path, 'w') as file:
    text = json.dumps(card, indent=1, sort_keys=True, default=str)
    file.write(f'{text}\n')


def _apart(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
  if first.dtype.kind != 'f':
    return {'share_equal': float(np.mean(first == second))}
  apart = np.abs(first - second)
  return {
    'largest_difference': float(apart.max(initial=0.0)),
    'mean_difference': float(apart.mean()) if apart.size else 0.0,
  }


def _list_of_words(words: Sequence[str]) -> dict[str, Any]:
  """Number and hash; the hash is that of a file with one word a line."""
  digest = hashlib.sha256(''.join(f'{word}\n' for word in words).encode())
  return {'count': len(words), 'sha256': digest.hexdigest() if words else ''}
