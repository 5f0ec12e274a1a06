"""The safetensors format: a header of names and places, then the numbers."""

import json
import os
import struct

import numpy as np

from vlbert_tf.checkpoints.stored import StoredTensor, bfloat16_to_float32

_DTYPES = {
  'F64': '<f8', 'F32': '<f4', 'F16': '<f2', 'I64': '<i8', 'I32': '<i4',
  'I16': '<i2', 'I8': '<i1', 'U8': '<u1', 'BOOL': '|b1',
}  # fmt: skip
_LONGEST_HEADER = 100 << 20


def read(path: str) -> dict[str, StoredTensor]:
  """The tensors of a file.

  Args:
    path: of the file.

  Returns:
    Tensors by name.

  Raises:
    ValueError: the file is damaged.
  """
  size = os.path.getsize(path)
  try:
    with open(path, 'rb') as file:
      (length,) = struct.unpack('<Q', file.read(8))
      if length > min(_LONGEST_HEADER, size):
        raise ValueError(f'its header claims {length} bytes')
      header = json.loads(file.read(length))
    header.pop('__metadata__', None)
    return {
      name: _tensor(path, entry, 8 + length, size)
      for name, entry in header.items()
    }
  except (ValueError, KeyError, TypeError, struct.error) as error:
    raise ValueError(
      'A safetensors file must be complete. '
      f'Received: {path}: {error}. Fetch it again, and compare its size.'
    ) from error


def _tensor(path: str, entry: dict, start: int, size: int) -> StoredTensor:
  first, last = entry['data_offsets']
  dtype, shape = entry['dtype'], tuple(entry['shape'])
  item = 2 if dtype == 'BF16' else np.dtype(_DTYPES[dtype]).itemsize
  if not 0 <= first <= last <= size - start:
    raise ValueError('it ends before its tensors do')
  if last - first != item * int(np.prod(shape, dtype=np.int64)):
    raise ValueError(f'{last - first} bytes cannot have shape {list(shape)}')

  def values():
    with open(path, 'rb') as file:
      file.seek(start + first)
      raw = file.read(last - first)
    if dtype == 'BF16':
      return bfloat16_to_float32(raw).reshape(shape)
    return np.frombuffer(raw, _DTYPES[dtype]).reshape(shape)

  return StoredTensor(shape, values)


def write(path: str, arrays: dict[str, np.ndarray]) -> None:
  """Writes float32 arrays.

  Args:
    path: of the file.
    arrays: by name.
  """
  header, place = {}, 0
  for name, array in arrays.items():
    header[name] = {
      'dtype': 'F32',
      'shape': list(array.shape),
      'data_offsets': [place, place + array.nbytes],
    }
    place += array.nbytes
  encoded = json.dumps(header).encode()
  encoded += b' ' * (-len(encoded) % 8)
  with open(path, 'wb') as file:
    file.write(struct.pack('<Q', len(encoded)) + encoded)
    for array in arrays.values():
      file.write(np.ascontiguousarray(array, '<f4').tobytes())
