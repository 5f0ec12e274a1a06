"""A version of a model in memory.

Errors of a call are `tf.errors.OpError`s, whose codes are gRPC's, so that an
error raised inside the graph and one raised around it travel alike.
"""

import pathlib
import time
from collections.abc import Mapping

import tensorflow as tf

# Registers the text operations of an exported graph; loading fails without.
import tensorflow_text  # noqa: F401
from absl import logging
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

DEFAULT_SIGNATURE = 'serving_default'
_TAG = 'serve'


class LoadedVersion:
  """One version of a model in memory, ready to be called from any thread.

  Attributes:
    name: name that requests ask for.
    version: number of the folder.
    path: the folder.
    signature_defs: all signatures of the file by name, as metadata shows them.
  """

  def __init__(self, name: str, path: pathlib.Path) -> None:
    """Loads the SavedModel.

    Args:
      name: name that requests ask for.
      path: folder of the version, whose name is its number.

    Raises:
      ValueError: the folder holds no SavedModel, or a damaged one.
    """
    self.name = name
    self.version = int(path.name)
    self.path = path
    start = time.monotonic()
    self.signature_defs = _signature_defs(path)
    try:
      # Kept: the functions hold only weak references to the variables.
      self._loaded = tf.saved_model.load(str(path), tags=[_TAG])
    except (OSError, ValueError, tf.errors.OpError) as error:
      raise ValueError(_broken(path, str(error))) from error
    self._functions = dict(self._loaded.signatures)
    logging.info(
      'Loaded %s version %d in %.1f s, signatures %s',
      name,
      self.version,
      time.monotonic() - start,
      sorted(self._functions),
    )

  def signature(self, name: str) -> meta_graph_pb2.SignatureDef:
    """Inputs and outputs of a signature that can be called.

    Raises:
      tf.errors.FailedPreconditionError: the model has no such signature.
    """
    if name not in self._functions:
      raise tf.errors.FailedPreconditionError(
        None,
        None,
        f'Serving signature key "{name}" not found. '
        f'Signatures of {self.name} version {self.version}: '
        f'{sorted(self._functions)}.',
      )
    return self.signature_defs[name]

  def call(
    self, signature: str, inputs: Mapping[str, tf.Tensor]
  ) -> dict[str, tf.Tensor]:
    """Runs a signature.

    Args:
      signature: one of the model's.
      inputs: exactly the inputs of the signature, of their types and ranks.

    Returns:
      All outputs by name.

    Raises:
      tf.errors.OpError: raised inside the graph.
    """
    return self._functions[signature](**inputs)

  def is_batched(self, signature: str) -> bool:
    """Whether requests can be merged: all tensors have a free first size."""
    tensors = self.signature_defs[signature]
    return bool(tensors.inputs) and all(
      shape.unknown_rank or (shape.dim and shape.dim[0].size == -1)
      for shape in (
        *(info.tensor_shape for info in tensors.inputs.values()),
        *(info.tensor_shape for info in tensors.outputs.values()),
      )
    )


def _signature_defs(
  path: pathlib.Path,
) -> dict[str, meta_graph_pb2.SignatureDef]:
  """Signatures as the file spells them, which loading does not keep."""
  try:
    data = (path / 'saved_model.pb').read_bytes()
    graphs = saved_model_pb2.SavedModel.FromString(data).meta_graphs
  except OSError as error:
    raise ValueError(_broken(path, 'no saved_model.pb')) from error
  except DecodeError as error:
    raise ValueError(_broken(path, 'damaged saved_model.pb')) from error
  for graph in graphs:
    if _TAG in graph.meta_info_def.tags:
      return dict(graph.signature_def)
  raise ValueError(_broken(path, f'no graph with the tag "{_TAG}"'))


def _broken(path: pathlib.Path, reason: str) -> str:
  return (
    'A version folder must hold a SavedModel. '
    f'Received: {path}, {reason}. Write it anew with vlbert-export.'
  )
