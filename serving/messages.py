"""The messages that a client of PredictionService.Predict exchanges.

The stubs of tensorflow-serving-api import TensorFlow, which takes longer than
the answer to a question. A client needs five messages with a dozen fields, so
they are declared here with the numbers of TensorFlow's public .proto files and
live in a descriptor pool of their own: on the wire they are the same bytes,
and a program that does import TensorFlow meets no second definition. Fields
that are not declared are skipped when read.
"""

import math
import struct
from collections.abc import Mapping, Sequence

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PREDICT_METHOD = '/tensorflow.serving.PredictionService/Predict'

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = 'vlbert_tf.serving'
_FLOAT = 1  # DataType.DT_FLOAT
_INT32 = 3  # DataType.DT_INT32
_STRING = 7  # DataType.DT_STRING

# name: (number, type), as in tensor_shape.proto, tensor.proto, model.proto and
# predict.proto. A list of one type is a repeated field; a map is, on the wire,
# a repeated message of a key and a value.
_MESSAGES = {
  'Dimension': {'size': (1, 'int64')},
  'Shape': {'dim': (2, ['Dimension'])},
  'Tensor': {
    'dtype': (1, 'int32'),
    'tensor_shape': (2, 'Shape'),
    'tensor_content': (4, 'bytes'),
    'float_val': (5, ['float']),
    'int_val': (7, ['int32']),
    'string_val': (8, ['bytes']),
  },
  'NamedTensor': {'key': (1, 'string'), 'value': (2, 'Tensor')},
  'Version': {'value': (1, 'int64')},
  'ModelSpec': {
    'name': (1, 'string'),
    'version': (2, 'Version'),
    'signature_name': (3, 'string'),
    'version_label': (4, 'string'),
  },
  'PredictRequest': {
    'model_spec': (1, 'ModelSpec'),
    'inputs': (2, ['NamedTensor']),
  },
  'PredictResponse': {
    'outputs': (1, ['NamedTensor']),
    'model_spec': (2, 'ModelSpec'),
  },
}


def declare(messages: Mapping[str, Mapping]) -> descriptor_pool.DescriptorPool:
  """A pool of its own with the messages of a table like the one above."""
  file = descriptor_pb2.FileDescriptorProto(
    name='vlbert_tf/serving/messages.proto', package=_PACKAGE, syntax='proto3'
  )
  for message_name, fields in messages.items():
    message = file.message_type.add(name=message_name)
    for name, (number, kind) in fields.items():
      repeated = isinstance(kind, list)
      field = message.field.add(
        name=name,
        number=number,
        label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL,
      )
      kind = kind[0] if repeated else kind
      if kind in messages:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f'.{_PACKAGE}.{kind}'
      else:
        field.type = _Field.Type.Value(f'TYPE_{kind.upper()}')
  pool = descriptor_pool.DescriptorPool()
  pool.Add(file)
  return pool


_POOL = declare(_MESSAGES)


def _message_class(name: str) -> type:
  return message_factory.GetMessageClass(
    _POOL.FindMessageTypeByName(f'{_PACKAGE}.{name}')
  )


Tensor = _message_class('Tensor')
PredictRequest = _message_class('PredictRequest')
PredictResponse = _message_class('PredictResponse')


def string_tensor(values: Sequence[bytes], shape: Sequence[int]) -> Tensor:
  """A string tensor of `shape`, row by row in `values`."""
  return Tensor(
    dtype=_STRING, tensor_shape=_shape(shape), string_val=list(values)
  )


def float_tensor(values: Sequence[float], shape: Sequence[int]) -> Tensor:
  """A float32 tensor of `shape`, row by row in `values`."""
  return Tensor(
    dtype=_FLOAT,
    tensor_shape=_shape(shape),
    tensor_content=struct.pack(f'<{len(values)}f', *values),
  )


def tensor_values(tensor: Tensor) -> list[bytes] | list[float] | list[int]:
  """Elements of a string, float32 or int32 tensor, row by row.

  Args:
    tensor: its values packed into `tensor_content` or listed; TensorFlow's
      shortened form, where the last value stands for all that follow, is read.

  Returns:
    As many values as the shape holds.

  Raises:
    ValueError: another type of elements, or not as many as the shape says.
  """
  if tensor.dtype not in (_FLOAT, _INT32, _STRING):
    raise ValueError(
      'An answer must hold float32, int32 or string tensors. '
      f'Received: data type {tensor.dtype}. Ask a server whose model was '
      'exported with the same signatures.'
    )
  count = math.prod(dimension.size for dimension in tensor.tensor_shape.dim)
  if tensor.dtype == _STRING:
    values = list(tensor.string_val)
  elif tensor.tensor_content:
    number = len(tensor.tensor_content) // 4
    kind = 'f' if tensor.dtype == _FLOAT else 'i'
    values = list(struct.unpack(f'<{number}{kind}', tensor.tensor_content))
  else:
    values = list(
      tensor.float_val if tensor.dtype == _FLOAT else tensor.int_val
    )
  if values and len(values) < count:
    values += values[-1:] * (count - len(values))
  if len(values) != count:
    raise ValueError(
      f'A tensor must hold as many values as its shape, {count}. '
      f'Received: {len(values)}. The server sent a broken answer.'
    )
  return values


def tensor_rows(tensor: Tensor) -> list:
  """Elements of a tensor of rank one or more as nested lists.

  Raises:
    ValueError: as for `tensor_values`.
  """
  rows = tensor_values(tensor)
  sizes = [dimension.size for dimension in tensor.tensor_shape.dim]
  for depth in range(len(sizes) - 1, 0, -1):
    size, count = sizes[depth], math.prod(sizes[:depth])
    rows = [rows[i * size : (i + 1) * size] for i in range(count)]
  return rows


def _shape(sizes: Sequence[int]) -> dict:
  return {'dim': [{'size': size} for size in sizes]}
