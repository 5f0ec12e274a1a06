"""Pseudo-random checkpoint values by parameter name: no weights are stored."""

import zlib

import numpy as np


def tensor(name, shape, seed):
  """The value of a parameter: float32, or int64 for a batch counter."""
  rng = np.random.RandomState((zlib.crc32(name.encode()) ^ seed) & 0x7FFFFFFF)
  leaf = name.rsplit('.', 1)[-1]
  if leaf == 'num_batches_tracked':
    return np.zeros(shape, np.int64)
  values = rng.standard_normal(shape).astype(np.float32)
  if leaf == 'running_var':
    return 1.0 + 0.1 * np.abs(values)
  if leaf == 'running_mean':
    return 0.05 * values
  if len(shape) == 4:  # convolution kernel
    return values * np.float32(np.sqrt(2.0 / np.prod(shape[1:])))
  if leaf == 'weight' and len(shape) == 1:  # normalisation scale
    return 1.0 + 0.05 * values
  return 0.05 * values
