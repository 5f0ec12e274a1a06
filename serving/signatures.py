"""Request and answer of every signature that an export carries.

The one definition: the exporter builds its graph from it, the client its
request, and the tests compare a running server with it. Plain Python, so that
a client needs no TensorFlow.

Letters: B requests in a batch, R RoIs, K answers that come back, A size of an
appearance vector, C categories.
"""

import dataclasses
from collections.abc import Mapping

# Answers that come back for a question, unless the export says otherwise.
TOP_ANSWERS = 5

# Every coordinate of a row of `boxes` that only fills the batch up.
PADDING_COORDINATE = -1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorField:
  """One named tensor of a request or an answer.

  Attributes:
    dtype: TensorFlow's name of the element type, such as `float32`.
    shape: None where the size is free (B, R, K).
    meaning: a sentence for documentation and error messages.
  """

  dtype: str
  shape: tuple[int | None, ...]
  meaning: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
  """What goes into and comes out of one call of a SavedModel.

  Attributes:
    name: key in the SavedModel's signatures.
    inputs: all of them are required, and no other is accepted.
    outputs: what comes back unless the request's `output_filter` says less.
  """

  name: str
  inputs: Mapping[str, TensorField]
  outputs: Mapping[str, TensorField]


VQA = Signature(
  name='serving_default',
  inputs={
    'image': TensorField(
      dtype='string',
      shape=(None,),
      meaning='bytes of a JPEG or PNG, `[B]`',
    ),
    'question': TensorField(
      dtype='string',
      shape=(None,),
      meaning='UTF-8 text, `[B]`',
    ),
    'boxes': TensorField(
      dtype='float32',
      shape=(None, None, 4),
      meaning=(
        'RoIs (x1, y1, x2, y2) in pixels of the image as decoded, '
        '`[B, R, 4]` with any R; rows of -1 are padding'
      ),
    ),
  },
  outputs={
    'answers': TensorField(
      dtype='string',
      shape=(None, None),
      meaning='UTF-8 texts, the most probable first, `[B, K]`',
    ),
    'scores': TensorField(
      dtype='float32',
      shape=(None, None),
      meaning='probabilities of `answers`, highest first, `[B, K]`',
    ),
    'attention': TensorField(
      dtype='float32',
      shape=(None, None),
      meaning=(
        "attention of the [MASK] in the answer's place over the given RoIs, "
        'last layer, mean of the heads, 0 on padding, `[B, R]`'
      ),
    ),
  },
)

DETECT = Signature(
  name='detect',
  inputs={
    'image': TensorField(
      dtype='string',
      shape=(None,),
      meaning='bytes of a JPEG, PNG, GIF or BMP, `[B]`',
    ),
  },
  outputs={
    'boxes': TensorField(
      dtype='float32',
      shape=(None, None, 4),
      meaning=(
        'RoIs (x1, y1, x2, y2) in pixels of the image as decoded, the most '
        'probable first, `[B, R, 4]`; rows of -1 are padding'
      ),
    ),
    'categories': TensorField(
      dtype='int32',
      shape=(None, None),
      meaning='k for the k-th name of `categories`, 0 in padding, `[B, R]`',
    ),
    'scores': TensorField(
      dtype='float32',
      shape=(None, None),
      meaning='probabilities of `categories`, 0 in padding, `[B, R]`',
    ),
    'appearance': TensorField(
      dtype='float32',
      shape=(None, None, None),
      meaning='appearance of the RoIs, 0 in padding, `[B, R, A]`',
    ),
    'image_appearance': TensorField(
      dtype='float32',
      shape=(None, None),
      meaning='appearance of the whole image, `[B, A]`',
    ),
    'count': TensorField(
      dtype='int32', shape=(None,), meaning='real RoIs of each image, `[B]`'
    ),
  },
)

CATEGORIES = Signature(
  name='categories',
  inputs={},
  outputs={
    'categories': TensorField(
      dtype='string', shape=(None,), meaning='names of the categories, `[C]`'
    ),
  },
)
