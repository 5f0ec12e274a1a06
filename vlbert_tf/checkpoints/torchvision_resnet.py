"""Image classifiers of torchvision: the visual network alone.

They read red, green and blue in 0-1, less a mean, over a deviation; ours read
0-255 less other means. Both follow into the first convolution and its offset,
which makes them equal but at an image's border, where zeros stand for other
colors.
"""

import numpy as np

from vlbert_tf.checkpoints import forms, resnet_tables
from vlbert_tf.checkpoints.conversion import Table
from vlbert_tf.checkpoints.stored import StoredTensor, Tensors
from vlbert_tf.modeling.resnets import ResNetArchitecture
from vlbert_tf.vision.image import CHANNEL_MEANS

_NAMES = resnet_tables.pytorch_names(
  '', {stage: f'layer{stage + 1}.' for stage in range(4)}
)
_MEANS = 255 * np.array([0.485, 0.456, 0.406], np.float64)
_DEVIATIONS = 255 * np.array([0.229, 0.224, 0.225], np.float64)

_IGNORED = {
  '*.num_batches_tracked': 'a counter of training',
  'fc.*': 'the classifier of ImageNet',
}


def architecture(tensors: Tensors) -> ResNetArchitecture:
  """The network that shapes tell.

  Args:
    tensors: of the file.

  Returns:
    The architecture.

  Raises:
    ValueError: it is no network of bottlenecks.
  """
  return resnet_tables.architecture_of(
    tensors, _NAMES, dilated=False, stride_in_3x3=True
  )


def table(tensors: Tensors) -> Table:
  """The table for a file whose stem reads our pixels.

  Args:
    tensors: of `with_our_pixels`.

  Returns:
    The table.
  """
  rows = resnet_tables.rows(
    architecture(tensors), _NAMES, forms.CONVOLUTION, 'roi_features'
  )
  return Table(tuple(rows), _IGNORED, ())


def with_our_pixels(tensors: Tensors) -> dict[str, StoredTensor]:
  """The same network for pixels of 0-255 less our means.

  Args:
    tensors: of the file.

  Returns:
    Tensors by the same names.
  """
  kernel, mean = tensors['conv1.weight'], tensors.get('bn1.running_mean')
  if mean is None:
    return dict(tensors)

  def scaled():
    values = np.asarray(kernel.read(), np.float64)
    return (values / _DEVIATIONS[:, None, None]).astype(np.float32)

  def moved():
    # A constant color adds a constant to the convolution.
    color = np.asarray(CHANNEL_MEANS, np.float64) - _MEANS
    added = np.einsum('oihw,i->o', scaled().astype(np.float64), color)
    return (np.asarray(mean.read(), np.float64) - added).astype(np.float32)

  return {
    **tensors,
    'conv1.weight': StoredTensor(kernel.shape, scaled),
    'bn1.running_mean': StoredTensor(mean.shape, moved),
  }
