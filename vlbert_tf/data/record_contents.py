"""What records hold of an image besides its RoIs: pixels, features, guesses.

One choice for all records of a folder, since every record has to have the
same features. It stands in the folder's manifest.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from vlbert_tf.data.annotations import DetectedRegion, Region
from vlbert_tf.data.record_kinds import Layout

ENCODED = 'image/encoded'
ROI_FEATURE = 'roi/feature'
IMAGE_FEATURE = 'image/feature'
TOP_CATEGORIES = 'roi/top_categories'
TOP_PROBABILITIES = 'roi/top_probabilities'
ATTRIBUTE = 'roi/detected_attribute'
ATTRIBUTE_SCORE = 'roi/detected_attribute_score'

# On disk; half the bytes of float32, and appearance is not that exact.
FEATURE_DTYPE = tf.float16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
  """What is there.

  Attributes:
    image: whether the image file is.
    appearance_size: A, of the appearance of each RoI and of the whole image;
      0 where there is none.
    top_categories: k, the likeliest categories of each RoI with their
      probabilities; 0 where there are none.
    attributes: whether each RoI has the likeliest attribute and its score.
  """

  image: bool = True
  appearance_size: int = 0
  top_categories: int = 0
  attributes: bool = False

  def layout(self) -> Layout:
    """Type and shape of dense features by name; () is a scalar."""
    features: Layout = {}
    if self.image:
      features[ENCODED] = (tf.string, ())
    if self.appearance_size:
      # Bytes of float16: TFRecords have no type of their own for it.
      features[ROI_FEATURE] = (tf.string, ())
      features[IMAGE_FEATURE] = (tf.string, ())
    if self.top_categories:
      shape = (None, self.top_categories)
      features[TOP_CATEGORIES] = (tf.int64, shape)
      features[TOP_PROBABILITIES] = (tf.float32, shape)
    if self.attributes:
      features[ATTRIBUTE] = (tf.int64, (None,))
      features[ATTRIBUTE_SCORE] = (tf.float32, (None,))
    return features

  def values(
    self,
    encoded: bytes,
    regions: Sequence[Region | DetectedRegion],
    image_appearance: bytes,
  ) -> dict[str, list]:
    """Values of all that `layout` names.

    Args:
      encoded: the image file.
      regions: of the image; `DetectedRegion` where more than the file is kept.
      image_appearance: float16 `[A]` of the whole image, as bytes.

    Returns:
      Flat lists by feature name.
    """
    values: dict[str, list] = {}
    if self.image:
      values[ENCODED] = [encoded]
    if self.appearance_size:
      values[ROI_FEATURE] = [b''.join(each.appearance for each in regions)]
      values[IMAGE_FEATURE] = [image_appearance]
    if self.top_categories:
      values[TOP_CATEGORIES] = [
        number for each in regions for number in each.top_categories
      ]
      values[TOP_PROBABILITIES] = [
        number for each in regions for number in each.top_probabilities
      ]
    if self.attributes:
      values[ATTRIBUTE] = [each.attribute for each in regions]
      values[ATTRIBUTE_SCORE] = [each.attribute_score for each in regions]
    return values

  def decode(self, record: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Turns the bytes of features into numbers.

    Args:
      record: as it was parsed by `layout`.

    Returns:
      The record with `roi/feature` float16 `[R, A]` and `image/feature`
      float16 `[A]`.
    """
    if not self.appearance_size:
      return record
    size = self.appearance_size

    def numbers(key, shape):
      return tf.reshape(tf.io.decode_raw(record[key], FEATURE_DTYPE), shape)

    return {
      **record,
      ROI_FEATURE: numbers(ROI_FEATURE, [-1, size]),
      IMAGE_FEATURE: numbers(IMAGE_FEATURE, [size]),
    }


# Records to train on from pixels.
IMAGE_ALONE = Contents()
