"""Signatures that an exported detector has besides `detect` and `categories`.

As in `signatures`: B images in a batch, R RoIs, A size of an appearance
vector.
"""

import dataclasses

from serving import signatures
from serving.signatures import Signature, TensorField

_ATTRIBUTED = dataclasses.replace(
  signatures.DETECT,
  outputs={
    **signatures.DETECT.outputs,
    'attributes': TensorField(
      dtype='int32',
      shape=(None, None),
      meaning='likeliest attribute of each RoI, k for the k-th name of '
      '`attributes`, 0 in padding, `[B, R]`',
    ),
    'attribute_scores': TensorField(
      dtype='float32',
      shape=(None, None),
      meaning='how probable they are, 0 in padding, `[B, R]`',
    ),
  },
)

ATTRIBUTES = Signature(
  name='attributes',
  inputs={},
  outputs={
    'attributes': TensorField(
      dtype='string', shape=(None,), meaning='names of the attributes'
    )
  },
)

# Boxes that somebody else has found, in the detector's own features.
APPEARANCE = Signature(
  name='appearance',
  inputs={
    'image': signatures.DETECT.inputs['image'],
    'boxes': TensorField(
      dtype='float32',
      shape=(None, None, 4),
      meaning='boxes (x1, y1, x2, y2) in pixels of the image as decoded, '
      '`[B, R, 4]`; rows of -1 are padding',
    ),
  },
  outputs={
    name: signatures.DETECT.outputs[name]
    for name in ('appearance', 'image_appearance', signatures.STATUS)
  },
)


def of_detector(has_attributes: bool) -> dict[str, Signature]:
  """Signatures that tell the RoIs of images.

  Args:
    has_attributes: whether the detector has a branch of attributes.

  Returns:
    Signatures by name.
  """
  known = [signatures.DETECT, signatures.CATEGORIES]
  if has_attributes:
    known = [_ATTRIBUTED, signatures.CATEGORIES, ATTRIBUTES]
  return {signature.name: signature for signature in known}
