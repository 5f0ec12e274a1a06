"""NumPy arrays in .npz archives and in pickles, without running anything.

A pickle can call any function that it names; here it can name the few that
make arrays, which are replaced by checks of sizes.
"""

import ast
import codecs
import os
import pickle
import zipfile
from typing import Any

import numpy as np

from vlbert_tf.checkpoints.stored import StoredTensor

# Weights hardly compress; what unfolds to far more is an attack.
_MOST_UNFOLDING = 8
_SMALL = 1 << 20

_KINDS = frozenset('f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1'.split())


def read_npz(path: str) -> dict[str, StoredTensor]:
  """The arrays of an archive of `numpy.savez`.

  Args:
    path: of the file.

  Returns:
    Tensors by name.

  Raises:
    ValueError: the file is damaged, unfolds to far more than it is, or holds
      Python objects.
  """
  try:
    with zipfile.ZipFile(path) as archive:
      total = sum(member.file_size for member in archive.infolist())
      allowed = _MOST_UNFOLDING * os.path.getsize(path) + _SMALL
      if total > allowed:
        raise zipfile.BadZipFile(
          f'its members unfold to {total} bytes, more than {allowed}'
        )
      shapes = {
        name.removesuffix('.npy'): _header(archive, name)
        for name in archive.namelist()
      }
  except (
    OSError, zipfile.BadZipFile, EOFError, SyntaxError, TypeError, KeyError,
    ValueError,
  ) as error:  # fmt: skip
    raise ValueError(
      'An archive of arrays must be complete and hold numbers alone. '
      f'Received: {path}: {error or type(error).__name__}. '
      'Fetch it again, and compare its size.'
    ) from error
  return {
    name: StoredTensor(shape, lambda name=name: _member(path, name))
    for name, shape in shapes.items()
  }


def _header(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
  """Shape of a member, whose bytes must be as many as it claims."""
  with archive.open(name) as member:
    start = member.read(8)
    if start[:6] != b'\x93NUMPY':
      raise zipfile.BadZipFile(f'{name} is no array')
    length = int.from_bytes(member.read(2 if start[6] == 1 else 4), 'little')
    header = ast.literal_eval(member.read(length).decode('latin1'))
    begin = member.tell()
  shape, kind = header['shape'], np.dtype(header['descr'])
  if kind.str[1:] not in _KINDS:
    raise zipfile.BadZipFile(f'{name} holds {kind}, not numbers')
  size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
  if archive.getinfo(name).file_size != begin + size:
    raise zipfile.BadZipFile(f'{name} is not as long as it says')
  return tuple(shape)


def _member(path: str, name: str) -> np.ndarray:
  try:
    with np.load(path, allow_pickle=False) as archive:
      return archive[name]
  except (OSError, zipfile.BadZipFile, EOFError, ValueError) as error:
    raise ValueError(
      f'An archive of arrays must be complete. Received: {path}, of which '
      f'{name} is damaged. Fetch it again.'
    ) from error


def read_pickle(path: str) -> dict[str, StoredTensor]:
  """The arrays of a pickled dict.

  Args:
    path: of a pickle of `{name: array}`, or of a dict that holds one as
      `model`, as Detectron's files do.

  Returns:
    Tensors by name; other values are left out.

  Raises:
    ValueError: the file is damaged, names a function, or holds no arrays.
  """
  try:
    with open(path, 'rb') as file:
      content = _Unpickler(file, encoding='latin1').load()
  except (
    OSError, pickle.UnpicklingError, EOFError, KeyError, IndexError, TypeError,
    AttributeError, ValueError, UnicodeError, ImportError,
  ) as error:  # fmt: skip
    raise ValueError(
      'A pickle of weights must be complete and hold arrays alone. '
      f'Received: {path}: {error or type(error).__name__}. '
      'Fetch it again, and compare its size.'
    ) from error
  if isinstance(content, dict) and isinstance(content.get('model'), dict):
    content = content['model']
  arrays = content if isinstance(content, dict) else {}
  tensors = {
    str(name): StoredTensor(value.shape, value.values)
    for name, value in arrays.items()
    if isinstance(value, _Array) and value.raw is not None
  }
  if not tensors:
    raise ValueError(
      'A pickle of weights must hold named arrays. '
      f'Received: {path}, without any.'
    )
  return tensors


class _Dtype:
  """Stands for numpy.dtype: kind and byte order, numbers alone."""

  def __init__(self, kind: str, *_):
    if kind not in _KINDS:
      raise pickle.UnpicklingError(f'it holds {kind}, not numbers')
    self.kind = kind
    self.order = '<'

  def __setstate__(self, state):
    self.order = '>' if state[1] == '>' else '<'

  @property
  def numpy(self) -> np.dtype:
    return np.dtype(self.order + self.kind)


class _Array:
  """Stands for numpy.ndarray; numbers are unpacked when asked for."""

  def __init__(self, *_):
    self.raw = None
    self.shape: tuple[int, ...] = ()
    self.order = 'C'
    self.dtype = None

  def __setstate__(self, state):
    _, shape, dtype, is_fortran, raw = state
    self.fill(raw, dtype, shape, 'F' if is_fortran else 'C')

  def fill(self, raw, dtype: _Dtype, shape, order: str) -> '_Array':
    """Takes bytes that must be as many as the shape says."""
    if isinstance(raw, str):
      raw = raw.encode('latin1')
    size = dtype.numpy.itemsize
    for length in shape:
      size *= int(length)
    if len(raw) != size:
      raise pickle.UnpicklingError(
        f'an array of shape {tuple(shape)} has {len(raw)} bytes, not {size}'
      )
    self.raw, self.dtype, self.order = bytes(raw), dtype, order
    self.shape = tuple(map(int, shape))
    return self

  def values(self) -> np.ndarray:
    """The array."""
    flat = np.frombuffer(self.raw, self.dtype.numpy)
    return flat.reshape(self.shape, order=self.order)


def _latin1(text: str, encoding: str) -> bytes:
  """Stands for _codecs.encode, with which bytes are written in protocol 2."""
  if codecs.lookup(encoding).name != 'iso8859-1':
    raise pickle.UnpicklingError(f'it encodes in {encoding}')
  return text.encode('latin1')


def _from_buffer(raw, dtype: _Dtype, shape, order: str) -> _Array:
  """Stands for numpy's reading of protocol 5."""
  return _Array().fill(raw, dtype, shape, order)


_NAMES = {
  ('numpy', 'ndarray'): _Array,
  ('numpy', 'dtype'): _Dtype,
  ('_codecs', 'encode'): _latin1,
  ('collections', 'OrderedDict'): dict,
  # The first is its name before NumPy 2.
  **{
    (f'numpy.{core}.multiarray', '_reconstruct'): _Array
    for core in ('core', '_core')
  },
  **{
    (f'numpy.{core}.numeric', '_frombuffer'): _from_buffer
    for core in ('core', '_core')
  },
}


class _Unpickler(pickle.Unpickler):
  """Makes arrays and plain containers, and calls nothing else."""

  def find_class(self, module: str, name: str) -> Any:
    if (module, name) in _NAMES:
      return _NAMES[module, name]
    raise pickle.UnpicklingError(
      f'it names {module}.{name}, which is not executed'
    )
