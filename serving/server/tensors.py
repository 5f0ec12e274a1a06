"""Requests into tensors and back, checked against a signature.

Refusals are the ones of TensorFlow Serving: INVALID_ARGUMENT with both sides
of what does not match.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

# A tensor may repeat its last value up to its shape, so a few bytes can ask
# for any amount of memory. No real input comes near this.
MAX_ELEMENTS = 1 << 24


def read_inputs(
  signature: meta_graph_pb2.SignatureDef,
  inputs: Mapping[str, tensor_pb2.TensorProto],
) -> dict[str, tf.Tensor]:
  """Tensors of a request.

  Args:
    signature: what the model wants.
    inputs: what came, by name.

  Returns:
    One tensor for each input of the signature.

  Raises:
    tf.errors.InvalidArgumentError: an input is missing, unknown, of another
      type or shape than the signature's, or cannot be read.
  """
  _check_names(set(inputs), set(signature.inputs))
  tensors = {}
  for name, proto in inputs.items():
    _check_type_and_shape(name, proto, signature.inputs[name])
    try:
      array = _array(proto)
    except (TypeError, ValueError) as error:
      raise _refused(f'tensor parsing error: {name}: {error}') from error
    tensors[name] = tf.constant(array, tf.as_dtype(proto.dtype))
  return tensors


def write_output(tensor: tf.Tensor, proto: tensor_pb2.TensorProto) -> None:
  """Writes a tensor into an empty message.

  `tf.make_tensor_proto` says the same, but takes any value that looks like a
  tensor and spends a third of a fast answer on finding out what it got.
  """
  array = tensor.numpy()
  proto.dtype = tensor.dtype.as_datatype_enum
  for size in tensor.shape:
    proto.tensor_shape.dim.add(size=size)
  if proto.dtype != types_pb2.DT_STRING:
    proto.tensor_content = array.tobytes()
  elif isinstance(array, bytes):  # of a tensor without dimensions
    proto.string_val.append(array)
  else:
    proto.string_val.extend(array.ravel().tolist())


def output_names(
  signature: meta_graph_pb2.SignatureDef, output_filter: Sequence[str]
) -> list[str]:
  """Names of the outputs that a request asks for.

  Args:
    signature: what the model gives.
    output_filter: names that the request lists; none for all.

  Raises:
    tf.errors.InvalidArgumentError: a name is unknown or comes twice.
  """
  for name in output_filter:
    if name not in signature.outputs:
      raise _refused(
        f'output tensor alias not found in signature: {name}. '
        f'Outputs expected to be in the set {_braces(signature.outputs)}.'
      )
  if len(set(output_filter)) < len(output_filter):
    raise _refused(
      f'duplicate output tensor alias in: {", ".join(output_filter)}'
    )
  return list(output_filter) or sorted(signature.outputs)


def _array(proto: tensor_pb2.TensorProto) -> np.ndarray:
  """Values of a message; the two forms that clients send are read at once.

  Raises:
    TypeError, ValueError: they do not fill the shape.
  """
  sizes = [dimension.size for dimension in proto.tensor_shape.dim]
  if proto.dtype == types_pb2.DT_STRING:
    if len(proto.string_val) == math.prod(sizes):
      return np.array(list(proto.string_val), object).reshape(sizes)
  elif proto.tensor_content:
    dtype = tf.as_dtype(proto.dtype).as_numpy_dtype
    return np.frombuffer(proto.tensor_content, dtype).reshape(sizes)
  return tf.make_ndarray(proto)


def _check_names(received: set[str], expected: set[str]) -> None:
  if received != expected:
    raise _refused(
      f'input size does not match signature: {len(received)}!='
      f'{len(expected)} len({_braces(received)}) != len({_braces(expected)}). '
      f'Sent extra: {_braces(received - expected)}. '
      f'Missing but required: {_braces(expected - received)}.'
    )


def _check_type_and_shape(
  name: str, proto: tensor_pb2.TensorProto, info: meta_graph_pb2.TensorInfo
) -> None:
  if proto.dtype != info.dtype:
    raise _refused(
      f'Input "{name}" must be {_type_name(info.dtype)}. '
      f'Received: {_type_name(proto.dtype)}.'
    )
  sizes = [dimension.size for dimension in proto.tensor_shape.dim]
  if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
    raise _refused(
      f'tensor parsing error: {name}: every size of a shape must be given. '
      f'Received: {_shape_name(proto.tensor_shape)}.'
    )
  if math.prod(sizes) > MAX_ELEMENTS:
    raise _refused(
      f'Input "{name}" must have at most {MAX_ELEMENTS} elements. '
      f'Received: shape {sizes}.'
    )
  if not _fits(sizes, info.tensor_shape):
    raise _refused(
      f'Input "{name}" must have the shape {_shape_name(info.tensor_shape)}, '
      f'-1 for any size. Received: {sizes}.'
    )


def _fits(
  sizes: Sequence[int], shape: tensor_shape_pb2.TensorShapeProto
) -> bool:
  wanted = [dimension.size for dimension in shape.dim]
  return shape.unknown_rank or (
    len(sizes) == len(wanted)
    and all(w in (-1, s) for w, s in zip(wanted, sizes, strict=True))
  )


def _type_name(dtype: int) -> str:
  try:
    return tf.as_dtype(dtype).name
  except TypeError:
    return f'the unknown data type {dtype}'


def _shape_name(shape: tensor_shape_pb2.TensorShapeProto) -> str:
  if shape.unknown_rank:
    return 'of unknown rank'
  return str([dimension.size for dimension in shape.dim])


def _braces(names: Sequence[str]) -> str:
  return '{' + ','.join(sorted(names)) + '}'


def _refused(message: str) -> tf.errors.InvalidArgumentError:
  return tf.errors.InvalidArgumentError(None, None, message)
