"""PyTorch's .pth, .bin and .model files, without PyTorch.

A file is a pickle of dicts whose tensors point into storages beside it, in a
zip archive (since PyTorch 1.6) or one after the other in the file (before).
Unpickling can call any function that a file names; here it can name the few
that make tensors and no others, so a file cannot execute anything.
"""

import collections
import io
import os
import pickle
import struct
import zipfile
from typing import Any, BinaryIO

import numpy as np

from vlbert_tf.checkpoints.stored import StoredTensor, bfloat16_to_float32

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Names and places of tensors, not their values: far more than any model has.
_LONGEST_PICKLE = 256 << 20

_DTYPES = {
  'DoubleStorage': '<f8',
  'FloatStorage': '<f4',
  'HalfStorage': '<f2',
  'BFloat16Storage': 'bfloat16',
  'LongStorage': '<i8',
  'IntStorage': '<i4',
  'ShortStorage': '<i2',
  'CharStorage': '<i1',
  'ByteStorage': '<u1',
  'BoolStorage': '|b1',
}

_NUMBERS = {k: v for k, v in _DTYPES.items() if v != 'bfloat16'}


def read(path: str) -> dict[str, StoredTensor]:
  """The state dict of a file.

  Args:
    path: of a file that `torch.save` wrote: a state dict, or a dict that holds
      one as `state_dict` or `model`.

  Returns:
    Tensors by name; other values are left out.

  Raises:
    ValueError: the file is truncated, compressed, names a function, or holds
      no tensors.
  """
  try:
    if zipfile.is_zipfile(path):
      content = _read_zip(path)
    else:
      content = _read_legacy(path)
  except (
    pickle.UnpicklingError, zipfile.BadZipFile, EOFError, struct.error,
    KeyError, IndexError, TypeError, AttributeError,
  ) as error:  # fmt: skip
    raise ValueError(
      'A PyTorch file must be complete and hold tensors alone. '
      f'Received: {path}: {error or type(error).__name__}. '
      'Fetch it again, and compare its size.'
    ) from error
  for name in ('state_dict', 'model'):
    if isinstance(content, dict) and isinstance(content.get(name), dict):
      content = content[name]
  tensors = content.items() if isinstance(content, dict) else ()
  tensors = {k: v for k, v in tensors if isinstance(v, StoredTensor)}
  if not tensors:
    raise ValueError(
      'A PyTorch file must hold a state dict. '
      f'Received: {path}, without any named tensor.'
    )
  return tensors


class _Storage:
  """Where the numbers of one or more tensors lie."""

  def __init__(self, dtype: str, count: int):
    self.dtype = dtype
    self.count = count
    self.source = None  # Gives the bytes.

  @property
  def item_size(self) -> int:
    return 2 if self.dtype == 'bfloat16' else np.dtype(self.dtype).itemsize

  def numbers(self) -> np.ndarray:
    raw = self.source()
    if len(raw) != self.count * self.item_size:
      raise ValueError(
        f'A storage of {self.count} numbers must have '
        f'{self.count * self.item_size} bytes. Received: {len(raw)}. '
        'The file is damaged; fetch it again.'
      )
    if self.dtype == 'bfloat16':
      return bfloat16_to_float32(raw)
    return np.frombuffer(raw, self.dtype)


class _RebuildTensor:
  """Stands for torch._utils._rebuild_tensor_v2."""

  __slots__ = ()

  def __call__(self, storage, offset, size, stride, *_):
    size, stride = tuple(map(int, size)), tuple(map(int, stride))
    count = int(np.prod(size, dtype=np.int64))
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    # Strides of 0 would let a small file claim a huge tensor.
    if count and not (
      0 <= offset <= last < storage.count
      and min(stride, default=0) >= 0
      and count <= storage.count
    ):
      raise pickle.UnpicklingError(
        f'a tensor of shape {size} lies outside its storage'
      )

    def values():
      numbers = storage.numbers()[offset:]
      if not count:
        return np.zeros(size, numbers.dtype)
      steps = tuple(s * numbers.itemsize for s in stride)
      view = np.lib.stride_tricks.as_strided(numbers, size, steps)
      return np.ascontiguousarray(view).reshape(size)

    return StoredTensor(size, values)


class _RebuildParameter:
  """Stands for torch._utils._rebuild_parameter."""

  __slots__ = ()

  def __call__(self, data, *_):
    return data


class _Unpickler(pickle.Unpickler):
  """Makes tensors and plain containers, and calls nothing else."""

  def __init__(self, file: BinaryIO, storages: dict[str, _Storage]):
    super().__init__(file, encoding='utf-8')
    self._storages = storages

  def find_class(self, module: str, name: str) -> Any:
    if (module, name) == ('collections', 'OrderedDict'):
      return collections.OrderedDict
    if module == 'torch' and name in _DTYPES:
      return _DTYPES[name]
    if (module, name) == ('torch', 'Size'):
      return tuple
    if module == 'torch._utils':
      if name in ('_rebuild_tensor_v2', '_rebuild_tensor'):
        return _RebuildTensor()
      if name == '_rebuild_parameter':
        return _RebuildParameter()
    raise pickle.UnpicklingError(
      f'it names {module}.{name}, which is not executed'
    )

  def persistent_load(self, pid: Any) -> _Storage:
    kind, dtype, key, _, count = pid[:5]
    if kind != 'storage' or dtype not in _DTYPES.values():
      raise pickle.UnpicklingError(f'it refers to {kind!r}, not to a storage')
    return self._storages.setdefault(str(key), _Storage(dtype, int(count)))


def _read_zip(path: str) -> Any:
  archive = zipfile.ZipFile(path)
  members = archive.infolist()
  stored = all(m.compress_type == zipfile.ZIP_STORED for m in members)
  total = sum(member.file_size for member in members)
  # PyTorch compresses nothing; what unfolds to more than it is, is an attack.
  if not stored or total > os.path.getsize(path):
    raise zipfile.BadZipFile(
      f'its members unfold to {total} bytes, more than the file has'
    )
  places = [m.filename for m in members if m.filename.endswith('/data.pkl')]
  if len(places) != 1:
    raise zipfile.BadZipFile('it holds no data.pkl')
  folder = places[0][: -len('data.pkl')]
  if f'{folder}byteorder' in archive.namelist() and (
    archive.read(f'{folder}byteorder') != b'little'
  ):
    raise zipfile.BadZipFile('it was written on a big-endian machine')
  if archive.getinfo(places[0]).file_size > _LONGEST_PICKLE:
    raise zipfile.BadZipFile('its list of tensors is too long')
  storages: dict[str, _Storage] = {}
  content = _Unpickler(io.BytesIO(archive.read(places[0])), storages).load()
  for key, storage in storages.items():
    member = f'{folder}data/{key}'
    archive.getinfo(member)
    storage.source = lambda member=member: archive.read(member)
  return content


def _read_legacy(path: str) -> Any:
  storages: dict[str, _Storage] = {}
  with open(path, 'rb') as file:
    if _Unpickler(file, {}).load() != _LEGACY_MAGIC:
      raise pickle.UnpicklingError('it is no PyTorch file')
    _Unpickler(file, {}).load()  # Version of the format.
    if not _Unpickler(file, {}).load().get('little_endian', True):
      raise pickle.UnpicklingError('it was written on a big-endian machine')
    content = _Unpickler(file, storages).load()
    keys = _Unpickler(file, {}).load()
    place, end = file.tell(), os.path.getsize(path)
    for key in keys:
      file.seek(place)
      (count,) = struct.unpack('<q', file.read(8))
      storage = storages[str(key)]
      length = count * storage.item_size
      if count != storage.count or place + 8 + length > end:
        raise EOFError('it ends before its tensors do')
      storage.source = lambda at=place + 8, n=length: _part(path, at, n)
      place += 8 + length
  return content


def _part(path: str, place: int, length: int) -> bytes:
  with open(path, 'rb') as file:
    file.seek(place)
    return file.read(length)


def write(path: str, arrays: dict[str, np.ndarray]) -> None:
  """Writes `{'state_dict': arrays}` as `torch.save` would.

  Args:
    path: of the file.
    arrays: by name.
  """
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as archive:
    archive.writestr('archive/data.pkl', _pickled(arrays))
    archive.writestr('archive/byteorder', 'little')
    for key, array in enumerate(arrays.values()):
      archive.writestr(
        f'archive/data/{key}', np.ascontiguousarray(array).tobytes()
      )
    archive.writestr('archive/version', '3\n')


def _pickled(arrays: dict[str, np.ndarray]) -> bytes:
  """Protocol 2, opcode by opcode: `pickle` would have to import PyTorch."""
  items = b''.join(
    _text(name) + _tensor(key, array)
    for key, (name, array) in enumerate(arrays.items())
  )
  state = b'ccollections\nOrderedDict\n)R(' + items + b'u'
  return b'\x80\x02}' + _text('state_dict') + state + b's.'


def _tensor(key: int, array: np.ndarray) -> bytes:
  kind = {np.dtype(v).str: k for k, v in _NUMBERS.items()}[array.dtype.str]
  strides = np.cumprod([1, *array.shape[:0:-1]])[::-1] if array.ndim else []
  storage = (
    b'('
    + _text('storage')
    + b'ctorch\n' + kind.encode() + b'\n'
    + _text(str(key)) + _text('cpu') + _number(array.size)
    + b'tQ'
  )  # fmt: skip
  return (
    b'ctorch._utils\n_rebuild_tensor_v2\n('
    + storage
    + _number(0) + _tuple(array.shape) + _tuple(strides)
    + b'\x89ccollections\nOrderedDict\n)RtR'
  )  # fmt: skip


def _text(value: str) -> bytes:
  encoded = value.encode()
  return b'X' + struct.pack('<I', len(encoded)) + encoded


def _number(value: int) -> bytes:
  return b'J' + struct.pack('<i', int(value))


def _tuple(values) -> bytes:
  return b'(' + b''.join(_number(value) for value in values) + b't'
