"""NumPy's archives and pickles: what is read, and what is refused."""

import os
import pickle
import zipfile

import numpy as np
import pytest

from vlbert_tf.checkpoints import numpy_files

ARRAYS = {
  'a.weight': np.arange(6, dtype=np.float32).reshape(2, 3),
  'turned': np.arange(6, dtype='>f4').reshape(2, 3).T,
  'half': np.array([1.0, 2.5], np.float16),
  'steps': np.array(7, np.int64),
}


class _Call:
  """Pickles as a call of a function."""

  def __init__(self, function, *values):
    self.call = function, values

  def __reduce__(self):
    return self.call


@pytest.mark.parametrize('protocol', [0, 2, 3, 4, 5])
def test_pickled_arrays_are_read(tmp_path, protocol):
  path = tmp_path / 'weights.pkl'
  content = {'model': ARRAYS, '__author__': 'nobody', 'epoch': 3}
  path.write_bytes(pickle.dumps(content, protocol))

  tensors = numpy_files.read_pickle(str(path))

  assert tensors.keys() == ARRAYS.keys()
  for name, array in ARRAYS.items():
    assert tensors[name].shape == array.shape
    np.testing.assert_array_equal(tensors[name].read(), array)


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_archives_are_read(tmp_path, save):
  path = str(tmp_path / 'weights.npz')
  save(path, **ARRAYS)

  tensors = numpy_files.read_npz(path)

  for name, array in ARRAYS.items():
    assert tensors[name].shape == array.shape
    np.testing.assert_array_equal(tensors[name].read(), array)


def test_a_pickle_that_calls_a_function_is_not_executed(tmp_path):
  marker = tmp_path / 'executed'
  path = tmp_path / 'weights.pkl'
  for call in (
    _Call(os.system, f'touch {marker}'),
    _Call(eval, '1'),
    _Call(np.load, 'x.npy'),
  ):
    for content in ({'a': call}, {'model': {**ARRAYS, 'a': call}}):
      path.write_bytes(pickle.dumps(content))

      with pytest.raises(ValueError, match='which is not executed'):
        numpy_files.read_pickle(str(path))
  assert not marker.exists()


def test_damaged_pickles_are_refused(tmp_path):
  path = tmp_path / 'weights.pkl'
  whole = pickle.dumps(ARRAYS, 2)
  for content in (b'', whole[:-20], whole[: len(whole) // 2], b'no pickle'):
    path.write_bytes(content)

    with pytest.raises(ValueError, match='must be complete and hold arrays'):
      numpy_files.read_pickle(str(path))
  path.write_bytes(pickle.dumps({'epoch': 3}))
  with pytest.raises(ValueError, match='must hold named arrays'):
    numpy_files.read_pickle(str(path))
  objects = {'a': np.array([{}], object)}
  path.write_bytes(pickle.dumps(objects, 2))
  with pytest.raises(ValueError, match='holds O8, not numbers'):
    numpy_files.read_pickle(str(path))


def test_a_shape_that_the_bytes_do_not_fill_is_refused(tmp_path):
  path = tmp_path / 'weights.pkl'
  whole = pickle.dumps({'a': np.zeros([2, 3], np.float32)}, 2)
  # (2, 3) becomes (2, 255).
  claimed = whole.replace(b'K\x02K\x03\x86', b'K\x02K\xff\x86')
  assert claimed != whole
  path.write_bytes(claimed)

  with pytest.raises(ValueError, match=r'shape \(2, 255\) has 24 bytes'):
    numpy_files.read_pickle(str(path))


def test_damaged_archives_are_refused(tmp_path):
  path = tmp_path / 'weights.npz'
  np.savez(str(path), **ARRAYS)
  whole = path.read_bytes()
  for length in (0, 30, len(whole) // 2, len(whole) - 10):
    path.write_bytes(whole[:length])

    with pytest.raises(ValueError, match='must be complete'):
      numpy_files.read_npz(str(path))
  np.savez(str(path), a=np.array([{}], object))
  with pytest.raises(ValueError, match='not numbers'):
    numpy_files.read_npz(str(path))
  np.savez_compressed(str(path), a=np.zeros([4 << 20], np.float32))
  with pytest.raises(ValueError, match='unfold to'):
    numpy_files.read_npz(str(path))
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('a.npy', b'no array')
  with pytest.raises(ValueError, match='is no array'):
    numpy_files.read_npz(str(path))
