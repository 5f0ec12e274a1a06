"""Our messages against the official ones: the same bytes both ways."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from serving import messages


def test_a_request_is_read_by_the_official_message():
  ours = messages.PredictRequest(
    model_spec={
      'name': 'toy',
      'version': {'value': 7},
      'signature_name': 'serving_default',
    }
  )
  image = messages.string_tensor([b'\xff\x00', b''], [2])
  boxes = messages.float_tensor([0.5, -1.0, 3e38], [1, 3])
  ours.inputs.add(key='image', value=image)
  ours.inputs.add(key='boxes', value=boxes)

  official = predict_pb2.PredictRequest.FromString(ours.SerializeToString())

  assert official.model_spec.name == 'toy'
  assert official.model_spec.version.value == 7
  assert official.model_spec.signature_name == 'serving_default'
  assert set(official.inputs) == {'image', 'boxes'}
  read = {k: tf.make_ndarray(v) for k, v in official.inputs.items()}
  assert read['image'].tolist() == [b'\xff\x00', b'']
  assert read['boxes'].dtype == np.float32
  assert read['boxes'].tolist() == [[0.5, -1.0, pytest.approx(3e38, rel=1e-6)]]


@pytest.mark.parametrize(
  ('value', 'expected'),
  [
    ([[0.25, 0.5], [1.0, -2.0]], [0.25, 0.5, 1.0, -2.0]),
    ([0.5], [0.5]),
    ([[b'red', b'two dogs']], [b'red', b'two dogs']),
    ([[b'']], [b'']),
  ],
)
def test_an_official_answer_is_read(value, expected):
  official = predict_pb2.PredictResponse()
  official.model_spec.version.value = 3
  official.outputs['y'].CopyFrom(tf.make_tensor_proto(value))

  ours = messages.PredictResponse.FromString(official.SerializeToString())

  (output,) = ours.outputs
  assert output.key == 'y'
  assert messages.tensor_values(output.value) == expected
  assert ours.model_spec.version.value == 3


def test_an_empty_tensor_is_read():
  proto = tf.make_tensor_proto(np.zeros([1, 0], np.float32))

  ours = messages.Tensor.FromString(proto.SerializeToString())

  assert messages.tensor_values(ours) == []


def test_a_repeated_last_value_may_be_sent_once():
  proto = tf.make_tensor_proto(0.5, shape=[2, 2])
  assert len(proto.float_val) == 1

  ours = messages.Tensor.FromString(proto.SerializeToString())

  assert messages.tensor_values(ours) == [0.5] * 4


def test_long_integers_are_no_answer():
  proto = tf.make_tensor_proto([1, 2], tf.int64)

  with pytest.raises(ValueError, match='Received: data type 9'):
    messages.tensor_values(
      messages.Tensor.FromString(proto.SerializeToString())
    )


@pytest.mark.parametrize('dtype', [np.float32, np.int32])
@pytest.mark.parametrize('shape', [[6], [2, 3], [1, 3, 2], [2, 0, 3]])
def test_rows_are_nested_as_the_shape_says(dtype, shape):
  array = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
  listed = tf.make_tensor_proto(array)
  packed = tf.make_tensor_proto(array)
  packed.tensor_content = array.tobytes()

  for proto in (listed, packed):
    ours = messages.Tensor.FromString(proto.SerializeToString())
    assert messages.tensor_rows(ours) == array.tolist()


def test_a_tensor_with_more_values_than_its_shape_is_broken():
  tensor = messages.float_tensor([1.0, 2.0, 3.0], [2])

  with pytest.raises(ValueError, match=r'its shape, 2\. Received: 3'):
    messages.tensor_values(tensor)
