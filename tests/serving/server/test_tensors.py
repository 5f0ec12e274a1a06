"""Tensors of requests and answers, against TensorFlow's own functions."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from serving.server import tensors

VALUES = [
  np.float32([[1.5, -2.0, 3.0]]),
  np.float32(7.0),
  np.zeros([2, 0, 3], np.float32),
  np.array([[True], [False]]),
  np.array([[3, -5]], np.int64),
  np.array([2, 3], np.uint8),
  np.array([1.5, -3.0], tf.bfloat16.as_numpy_dtype),
  np.array([[b'a\0b\0', b''], ['é'.encode(), b'\xff']], object),
  np.array(b'one\0', object),
  np.zeros([0, 2], object),
]


def _signature(array, shape):
  dtype = tf.constant(array).dtype
  return meta_graph_pb2.SignatureDef(
    inputs={
      'x': meta_graph_pb2.TensorInfo(
        dtype=dtype.as_datatype_enum,
        tensor_shape=tf.TensorShape(shape).as_proto(),
      )
    }
  )


def _same(found, array):
  assert found.dtype == array.dtype
  assert found.shape == array.shape
  assert found.tolist() == array.tolist()


@pytest.mark.parametrize('array', VALUES, ids=str)
def test_an_output_is_read_by_tensorflow_as_it_was(array):
  proto = tensor_pb2.TensorProto()

  tensors.write_output(tf.constant(array), proto)

  _same(tf.make_ndarray(proto), array)


@pytest.mark.parametrize('array', VALUES, ids=str)
def test_an_input_that_tensorflow_wrote_is_read_as_it_was(array):
  packed = tf.make_tensor_proto(array)
  read = tensors.read_inputs(_signature(array, array.shape), {'x': packed})

  assert read['x'].dtype == tf.constant(array).dtype
  _same(tf.make_ndarray(tf.make_tensor_proto(read['x'])), array)


def test_listed_values_are_read_and_the_last_stands_for_those_left_out():
  shape = tf.TensorShape([2, 2]).as_proto()
  listed = tensor_pb2.TensorProto(
    dtype=tf.float32.as_datatype_enum, tensor_shape=shape, float_val=[1, 2]
  )
  one = tensor_pb2.TensorProto(
    dtype=tf.string.as_datatype_enum, tensor_shape=shape, string_val=[b'x']
  )

  number = tensors.read_inputs(_signature(np.float32(0), [2, 2]), {'x': listed})
  text = tensors.read_inputs(_signature(np.array(b''), [2, 2]), {'x': one})

  assert number['x'].numpy().tolist() == [[1, 2], [2, 2]]
  assert text['x'].numpy().tolist() == [[b'x', b'x']] * 2


@pytest.mark.parametrize(
  ('wanted', 'fits'),
  [
    ([2, 3], True),
    ([None, 3], True),
    ([None, None], True),
    (None, True),
    ([2, 4], False),
    ([2], False),
    ([2, 3, 1], False),
  ],
)
def test_a_shape_is_held_against_the_signature(wanted, fits):
  array = np.zeros([2, 3], np.float32)
  inputs = {'x': tf.make_tensor_proto(array)}
  signature = _signature(array, wanted)

  if fits:
    assert tensors.read_inputs(signature, inputs)['x'].shape == [2, 3]
  else:
    with pytest.raises(
      tf.errors.InvalidArgumentError, match='must have the sh'
    ):
      tensors.read_inputs(signature, inputs)


def test_a_text_packed_like_numbers_is_refused():
  proto = tf.make_tensor_proto(np.array([b'a', b'b'], object))
  proto.ClearField('string_val')
  proto.tensor_content = b'ab'

  with pytest.raises(tf.errors.InvalidArgumentError, match='parsing error: x'):
    tensors.read_inputs(_signature(np.array([b'']), [None]), {'x': proto})
