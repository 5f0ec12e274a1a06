"""PyTorch's files: what is read, and what is refused."""

import collections
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from vlbert_tf.checkpoints import torch_files

ARRAYS = {
  'a.weight': np.arange(6, dtype=np.float32).reshape(2, 3),
  'steps': np.array(7, np.int64),
}


def _archive(path, pickled, storages=(), compression=zipfile.ZIP_STORED):
  with zipfile.ZipFile(path, 'w', compression) as archive:
    archive.writestr('x/data.pkl', pickled)
    for key, raw in enumerate(storages):
      archive.writestr(f'x/data/{key}', raw)
  return str(path)


def _tensor(storage, count, size, stride):
  """Opcodes of a dict with one tensor, `w`."""
  numbers = [
    b'(' + b''.join(b'K' + bytes([n]) for n in t) + b't' for t in (size, stride)
  ]
  return (
    b'\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n('
    b'(X\x07\x00\x00\x00storagectorch\n' + storage
    + b'\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK' + bytes([count]) + b'tQK\x00'
    + numbers[0] + numbers[1] + b'\x89ccollections\nOrderedDict\n)RtRs.'
  )  # fmt: skip


def test_what_was_written_is_read(tmp_path):
  path = str(tmp_path / 'x.model')
  torch_files.write(path, ARRAYS)

  tensors = torch_files.read(path)

  assert list(tensors) == list(ARRAYS)
  for name, array in ARRAYS.items():
    assert tensors[name].shape == array.shape
    np.testing.assert_array_equal(tensors[name].read(), array)


def test_pytorch_itself_agrees(tmp_path):
  torch = pytest.importorskip('torch')
  theirs, ours = str(tmp_path / 'theirs.pth'), str(tmp_path / 'ours.pth')
  state = {k: torch.from_numpy(v.copy()) for k, v in ARRAYS.items()}
  state['turned'] = torch.arange(6.0).reshape(2, 3).T
  state['half'] = torch.arange(3.0).to(torch.bfloat16)
  torch_files.write(ours, ARRAYS)
  for zipped in (True, False):
    torch.save(
      {'state_dict': collections.OrderedDict(state), 'epoch': 3},
      theirs,
      _use_new_zipfile_serialization=zipped,
    )
    tensors = torch_files.read(theirs)
    for name, value in state.items():
      np.testing.assert_array_equal(tensors[name].read(), value.float().numpy())

  loaded = torch.load(ours, weights_only=True)['state_dict']

  for name, array in ARRAYS.items():
    np.testing.assert_array_equal(loaded[name].numpy(), array)


def test_half_precision_and_strides_are_understood(tmp_path):
  halves = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], np.float16)
  # bfloat16 is the upper half of float32.
  brain = halves.astype(np.float32).view(np.uint32) >> 16
  for storage, raw in (
    (b'HalfStorage', halves.tobytes()),
    (b'BFloat16Storage', brain.astype('<u2').tobytes()),
  ):
    path = _archive(
      tmp_path / 'x.pth', _tensor(storage, 6, (2, 3), (1, 2)), [raw]
    )

    tensor = torch_files.read(path)['w']

    assert tensor.read().tolist() == [[1, 3, 5], [2, 4, 6]]


def test_the_format_before_zip_archives_is_read(tmp_path):
  path = tmp_path / 'old.pth'
  body = _tensor(b'FloatStorage', 6, (2, 3), (3, 1))
  header = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2),
            pickle.dumps({'little_endian': True}, 2)]  # fmt: skip
  raw = struct.pack('<q', 6) + ARRAYS['a.weight'].tobytes()
  # Version 2 of the pickled place of a storage has one more entry.
  body = body.replace(b'K\x06tQ', b'K\x06NtQ')
  path.write_bytes(b''.join([*header, body, pickle.dumps(['0'], 2), raw]))

  tensors = torch_files.read(str(path))

  np.testing.assert_array_equal(tensors['w'].read(), ARRAYS['a.weight'])
  path.write_bytes(path.read_bytes()[:-4])
  with pytest.raises(ValueError, match='ends before its tensors'):
    torch_files.read(str(path))


def test_a_pickle_that_calls_a_function_is_not_executed(tmp_path):
  marker = tmp_path / 'executed'
  call = b'cos\nsystem\n(X' + struct.pack('<I', len(f'touch {marker}'))
  call += f'touch {marker}'.encode() + b'tR.'
  for module in (b'cos\nsystem', b'cbuiltins\neval', b'ctorch\nload'):
    path = _archive(
      tmp_path / 'x.pth', b'\x80\x02' + call.replace(b'cos\nsystem', module)
    )

    with pytest.raises(ValueError, match='which is not executed'):
      torch_files.read(path)
  assert not os.path.exists(marker)


def test_truncated_files_are_refused(tmp_path):
  path = tmp_path / 'x.model'
  torch_files.write(str(path), ARRAYS)
  whole = path.read_bytes()
  for length in (0, 10, len(whole) // 2, len(whole) - 5):
    path.write_bytes(whole[:length])

    with pytest.raises(ValueError, match='must be complete'):
      torch_files.read(str(path))


def test_what_unfolds_to_more_than_it_is_is_refused(tmp_path):
  bomb = _archive(
    tmp_path / 'x.pth',
    _tensor(b'FloatStorage', 1, (1,), (1,)),
    [bytes(1 << 20)],
    zipfile.ZIP_DEFLATED,
  )
  repeated = _archive(
    tmp_path / 'y.pth',
    _tensor(b'FloatStorage', 1, (255, 255), (0, 0)),
    [b'0000'],
  )

  with pytest.raises(ValueError, match='unfold to'):
    torch_files.read(bomb)
  with pytest.raises(ValueError, match='outside its storage'):
    torch_files.read(repeated)
