"""Weights and arrays of the authors' implementation; see tests/golden."""

import json
import pathlib

import numpy as np

from tests.golden import seeded_weights
from vlbert_tf.checkpoints import torch_files

FOLDER = pathlib.Path(__file__).parents[1] / 'golden'


def state_dict(name: str) -> dict[str, np.ndarray]:
  manifest = json.loads((FOLDER / name / 'manifest.json').read_text())
  return {
    parameter: seeded_weights.tensor(seeded_by, shape, manifest['seed'])
    for parameter, shape, seeded_by in manifest['parameters']
  }


def arrays(name: str, kind: str) -> dict[str, np.ndarray]:
  return dict(np.load(FOLDER / name / f'{kind}.npz'))


def write_model(path: pathlib.Path, weights, prefix: str = '') -> str:
  """A file of the form of the authors' own."""
  torch_files.write(str(path), {prefix + k: v for k, v in weights.items()})
  return str(path)
