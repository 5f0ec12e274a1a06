"""Tensors of a file, read one at a time."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class StoredTensor:
  """A tensor that is still in its file.

  Attributes:
    shape: of the tensor.
    read: gives its values, in the dtype of the file.
  """

  shape: tuple[int, ...]
  read: Callable[[], np.ndarray]


Tensors = Mapping[str, StoredTensor]


def in_memory(arrays: Mapping[str, np.ndarray]) -> dict[str, StoredTensor]:
  """Arrays as stored tensors."""
  return {
    name: StoredTensor(tuple(array.shape), lambda array=array: array)
    for name, array in arrays.items()
  }


def bfloat16_to_float32(raw: bytes) -> np.ndarray:
  """Little-endian bfloat16, the upper halves of float32 numbers."""
  halves = np.frombuffer(raw, '<u2').astype(np.uint32)
  return (halves << 16).view(np.float32)
