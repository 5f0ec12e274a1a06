"""The detector's SavedModel, used by workers: bytes of images to regions."""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Sequence

import tensorflow as tf

from beam_jobs.image_files import LoadedImage
from vlbert_tf.data.annotations import Region

# Images of one call. Always as many, so that what a call computes does not
# depend on how many images were left over.
_BATCH_SIZE = 8
_SIGNATURES = ('detect', 'categories')


@dataclasses.dataclass(frozen=True)
class DetectorFile:
  """A SavedModel that `vlbert-export` wrote.

  Attributes:
    path: its folder.
    fingerprint: of its files, hexadecimal.
    categories: names; the k-th is category k + 1.
  """

  path: str
  fingerprint: str
  categories: tuple[str, ...]


def find(path: str) -> DetectorFile:
  """Opens a detector.

  Args:
    path: folder of a SavedModel, or of its numbered versions, of which the
      last is taken.

  Returns:
    What and where it is.

  Raises:
    ValueError: there is none, or it is no detector.
  """
  gfile = tf.io.gfile
  names = gfile.listdir(path) if gfile.isdir(path) else []
  versions = [int(name.rstrip('/')) for name in names if _is_version(name)]
  if 'saved_model.pb' not in names and versions:
    path = os.path.join(path, str(max(versions)))
  if not gfile.exists(os.path.join(path, 'saved_model.pb')):
    raise ValueError(
      'A detector is a folder with saved_model.pb, which vlbert-export writes. '
      f'Received: {path}, which has none.'
    )
  return DetectorFile(path, _fingerprint(path), _categories(path))


def detect(
  path: str, images: Sequence[LoadedImage]
) -> list[tuple[Region, ...]]:
  """Finds the RoIs of images.

  Args:
    path: of a `DetectorFile`.
    images: of a shard, all that can be decoded.

  Returns:
    The RoIs of each, the best first, in pixels of the image.
  """
  run = _loaded(path).signatures['detect']
  regions: list[tuple[Region, ...]] = [()] * len(images)
  # Landscape and portrait images apart: a mixed batch is padded to a square.
  places = range(len(images))
  wide = [k for k in places if images[k].height <= images[k].width]
  high = [k for k in places if images[k].height > images[k].width]
  for group in (wide, high):
    for first in range(0, len(group), _BATCH_SIZE):
      batch = group[first : first + _BATCH_SIZE]
      filled = batch + batch[-1:] * (_BATCH_SIZE - len(batch))
      found = run(image=tf.constant([images[k].encoded for k in filled]))
      found = {name: value.numpy() for name, value in found.items()}
      for row, place in enumerate(batch):
        regions[place] = _regions(found, row)
  return regions


def _regions(found, row: int) -> tuple[Region, ...]:
  return tuple(
    Region(
      tuple(found['boxes'][row, k].tolist()),
      int(found['categories'][row, k]),
      float(found['scores'][row, k]),
    )
    for k in range(int(found['count'][row]))
  )


@functools.lru_cache(maxsize=1)
def _loaded(path: str):
  """The model, once in each worker process."""
  model = tf.saved_model.load(path)
  missing = set(_SIGNATURES) - set(model.signatures)
  if missing:
    raise ValueError(
      f'A detector has the signatures {", ".join(_SIGNATURES)}. '
      f'Received: {path}, with {", ".join(sorted(model.signatures))}. '
      'Export the model folder of a vlbert/detection run.'
    )
  return model


def _categories(path: str) -> tuple[str, ...]:
  names = _loaded(path).signatures['categories']()['categories']
  return tuple(name.decode('utf-8') for name in names.numpy())


def _fingerprint(path: str) -> str:
  digest = hashlib.sha256()
  for folder, _, names in sorted(tf.io.gfile.walk(path)):
    # The file fingerprint.pb holds a number that is new in every export.
    for name in sorted(set(names) - {'fingerprint.pb'}):
      with tf.io.gfile.GFile(os.path.join(folder, name), 'rb') as file:
        digest.update(name.encode('utf-8'))
        while block := file.read(1 << 20):
          digest.update(block)
  return digest.hexdigest()


def _is_version(name: str) -> bool:
  return name.rstrip('/').isdigit()
