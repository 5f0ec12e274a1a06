"""The record as TensorFlow Datasets describes it."""

import numpy as np
import tensorflow as tf

from vlbert_tf.data import example_schema, record_kinds
from vlbert_tf.data.record_contents import IMAGE_ALONE, Contents


def features_dict(kind: str, contents: Contents = IMAGE_ALONE):
  """Describes records.

  Args:
    kind: of `record_kinds.KINDS`.
    contents: what the records hold of an image.

  Returns:
    A `tfds.features.FeaturesDict`.
  """
  import tensorflow_datasets as tfds

  features = tfds.features

  def scalar(dtype):
    return features.Text() if dtype == tf.string else dtype.as_numpy_dtype

  described = {}
  for key, (dtype, shape) in example_schema.layout(kind, contents).items():
    if shape == ():
      described[key] = scalar(dtype)
    elif len(shape) == 2:
      dtype = np.str_ if dtype == tf.string else dtype.as_numpy_dtype
      described[key] = features.Tensor(shape=shape, dtype=dtype)
    else:
      described[key] = features.Sequence(scalar(dtype))
  for key, dtype in record_kinds.ragged(kind).items():
    described[key] = features.Sequence(features.Sequence(scalar(dtype)))
  return features.FeaturesDict(described)
