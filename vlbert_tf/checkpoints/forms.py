"""How arrays of other libraries become ours, and back.

A form maps the arrays of its sources to those of its targets (`load`) and the
other way (`save`); each takes and returns a tuple.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

Arrays = tuple[np.ndarray, ...]

# Of PyTorch's and Caffe's batch norms.
_EPSILON = np.float32(1e-5)


@dataclasses.dataclass(frozen=True)
class Form:
  """A pair of maps between a source's arrays and ours.

  Attributes:
    load: source arrays to target arrays.
    save: target arrays to source arrays.
    fills_first_rows: whether a target may have more rows than are loaded.
  """

  load: Callable[..., Arrays]
  save: Callable[..., Arrays]
  fills_first_rows: bool = False


def _batch_norm(weight, bias, mean, variance):
  scale = weight / np.sqrt(variance + _EPSILON)
  return scale, bias - mean * scale


def _as_batch_norm(scale, offset):
  # Statistics that normalise nothing: mean 0, variance plus epsilon 1.
  return (
    scale,
    offset,
    np.zeros_like(scale),
    np.full_like(scale, np.float32(1.0) - _EPSILON),
  )


SAME = Form(lambda x: (x,), lambda x: (x,))
FIRST_ROWS = Form(lambda x: (x,), lambda x: (x,), fills_first_rows=True)

# PyTorch's Linear keeps [out, in], Keras' Dense [in, out].
TRANSPOSED = Form(lambda x: (x.T,), lambda x: (x.T,))

QKV_KERNEL = Form(
  lambda *x: (np.concatenate([part.T for part in x], axis=1),),
  lambda x: tuple(part.T for part in np.split(x, 3, axis=1)),
)
QKV_BIAS = Form(
  lambda *x: (np.concatenate(x),), lambda x: tuple(np.split(x, 3))
)

# PyTorch keeps [out, in, height, width].
CONVOLUTION = Form(
  lambda x: (x.transpose(2, 3, 1, 0),), lambda x: (x.transpose(3, 2, 0, 1),)
)
# Caffe's weights read blue first, we read red first.
BGR_CONVOLUTION = Form(
  lambda x: (x.transpose(2, 3, 1, 0)[:, :, ::-1],),
  lambda x: (x[:, :, ::-1].transpose(3, 2, 0, 1),),
)
BATCH_NORM = Form(_batch_norm, _as_batch_norm)

# An embedding table of one row is a vector here.
ROW = Form(lambda x: (x[0],), lambda x: (x[None],))
