"""Appearance of boxes that are annotated, by a detector's visual network."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from beam_jobs import detector
from beam_jobs.detector import DetectorFile, FoundRois
from beam_jobs.image_files import Loaded, LoadedImage, UnusableImageError
from vlbert_tf import boxes
from vlbert_tf.data.annotations import DetectedRegion, ImageAnnotations, Region
from vlbert_tf.data.record_contents import FEATURE_DTYPE, Contents

_SIGNATURE = 'appearance'
_PADDING = np.float32(-1.0)


@dataclasses.dataclass(frozen=True)
class BoxedImage(LoadedImage):
  """An image with boxes that are known.

  Attributes:
    regions: on it, as found: not yet clipped.
  """

  regions: tuple[Region, ...]


def find(path: str) -> DetectorFile:
  """Opens a detector that tells the appearance of given boxes.

  Args:
    path: as in `detector.find`.

  Returns:
    What and where it is; it offers appearance alone.

  Raises:
    ValueError: as `detector.find`, or it cannot.
  """
  found = detector.find(path)
  if _SIGNATURE not in detector.loaded(found.path).signatures:
    raise ValueError(
      f'--appearance= takes a detector with the signature {_SIGNATURE}. '
      f'Received: {found.path}, without. Export it again with vlbert-export.'
    )
  offers = Contents(appearance_size=found.offers.appearance_size)
  return dataclasses.replace(found, offers=offers, attributes=())


def with_regions(loaded: Loaded, image: ImageAnnotations) -> Loaded:
  """The image with its annotated boxes; one that is unusable as it is."""
  if isinstance(loaded, UnusableImageError):
    return loaded
  if not image.regions:
    return UnusableImageError('no_rois', 'The image has no box.')
  return BoxedImage(**vars(loaded), regions=image.regions)


def describe(
  path: str, images: Sequence[BoxedImage]
) -> list[FoundRois | UnusableImageError]:
  """Tells the appearance of the boxes of images.

  Args:
    path: of a `DetectorFile` of `find`.
    images: as in `detector.ask`.

  Returns:
    The regions of each, in their order, with appearance, zero where a region
    has no area on its image; or why there are none.
  """
  rows = detector.ask(path, _SIGNATURE, images, _boxes)
  return [
    row if isinstance(row, UnusableImageError) else _described(row, image)
    for row, image in zip(rows, images, strict=True)
  ]


def _boxes(images: Sequence[BoxedImage]) -> dict[str, tf.Tensor]:
  most = max(len(image.regions) for image in images)
  padded = np.full([len(images), most, 4], _PADDING)
  for row, image in zip(padded, images, strict=True):
    given = np.array([each.box for each in image.regions], np.float32)
    cut = boxes.clip(given.reshape(-1, 4), image.height, image.width)
    # A coordinate that is no number compares as False.
    real = (cut[:, 0] < cut[:, 2]) & (cut[:, 1] < cut[:, 3])
    row[: len(cut)] = np.where(real[:, None], cut, _PADDING)
  return {'boxes': tf.constant(padded)}


def _described(row: dict[str, np.ndarray], image: BoxedImage) -> FoundRois:
  floats = FEATURE_DTYPE.as_numpy_dtype
  appearance = np.asarray(row['appearance'], floats)
  regions = tuple(
    DetectedRegion(**vars(region), appearance=appearance[k].tobytes())
    for k, region in enumerate(image.regions)
  )
  whole = np.asarray(row['image_appearance'], floats)
  return FoundRois(regions, whole.tobytes())
