"""The detector's SavedModel, used by workers: bytes of images to regions."""

import dataclasses
import functools
import hashlib
import io
import os
import tempfile
import threading
from collections.abc import Callable, Sequence

import numpy as np
import PIL.Image
import tensorflow as tf

from beam_jobs import storage
from beam_jobs.image_files import LoadedImage, UnusableImageError
from vlbert_tf.data import version_folders
from vlbert_tf.data.annotations import DetectedRegion
from vlbert_tf.data.record_contents import FEATURE_DTYPE, Contents

_SIGNATURES = ('detect', 'categories')
_ATTRIBUTES = 'attributes'
# Images of one call. What is left of a shard goes in calls of 4, 2 and 1, so
# that a device compiles four programs for a canvas and no more.
_BATCH_SIZES = (8, 4, 2, 1)
_LOADING = threading.Lock()
_FLOATS = FEATURE_DTYPE.as_numpy_dtype


@dataclasses.dataclass(frozen=True)
class DetectorFile:
  """A SavedModel that `vlbert-export` wrote.

  Attributes:
    path: its folder.
    fingerprint: of its files, hexadecimal.
    categories: names; the k-th is category k + 1.
    offers: what it says of an image, all of it.
    attributes: names; the k-th is attribute k + 1.
  """

  path: str
  fingerprint: str
  categories: tuple[str, ...]
  offers: Contents
  attributes: tuple[str, ...] = ()

  def contents(self, keep: str) -> Contents:
    """What records keep of what it says.

    Args:
      keep: 'image' (the file), 'features' (appearance), or 'both'.

    Raises:
      ValueError: features are to be kept, and it gives none.
    """
    if keep != 'image' and not self.offers.appearance_size:
      raise ValueError(
        f'--keep={keep} needs features. Received: {self.path}, without: a '
        'detector must have the output appearance, as vlbert-export writes it, '
        'and a folder of --rois must have been built with --keep=features.'
      )
    size = self.offers.appearance_size
    return dataclasses.replace(
      self.offers,
      image=keep != 'features',
      appearance_size=0 if keep == 'image' else size,
    )


@dataclasses.dataclass(frozen=True)
class FoundRois:
  """What a detector says of an image.

  Attributes:
    regions: the best first, in pixels of the image.
    image_appearance: float16 `[A]` of the whole image, as bytes.
  """

  regions: tuple[DetectedRegion, ...]
  image_appearance: bytes = b''


def find(path: str) -> DetectorFile:
  """Opens a detector, and lets it answer once.

  Args:
    path: folder of a SavedModel, or of its numbered versions, of which the
      last is taken; local or remote.

  Returns:
    What and where it is.

  Raises:
    ValueError: there is none, or it is no detector.
  """
  path = path.rstrip('/')
  found = _files(path)
  if 'saved_model.pb' not in found:
    versions = version_folders.numbered({name.split('/')[0] for name in found})
    path = os.path.join(path, versions[max(versions)]) if versions else path
  if not storage.exists(os.path.join(path, 'saved_model.pb')):
    raise ValueError(
      'A detector is a folder with saved_model.pb, which vlbert-export writes '
      f'of the model folder of a training run. Received: {path}, which has '
      'none.'
    )
  signatures = loaded(path).signatures
  answer = signatures['detect'](image=tf.constant([_gray()]))
  appearance = answer.get('appearance')
  top = answer.get('top_categories')
  return DetectorFile(
    path,
    _fingerprint(path),
    _names(path, 'categories'),
    Contents(
      appearance_size=0 if appearance is None else int(appearance.shape[-1]),
      top_categories=0 if top is None else int(top.shape[-1]),
      attributes=_ATTRIBUTES in answer,
    ),
    _names(path, _ATTRIBUTES) if _ATTRIBUTES in signatures else (),
  )


def detect(
  path: str, images: Sequence[LoadedImage]
) -> list[FoundRois | UnusableImageError]:
  """Finds the RoIs of images in one call.

  Args:
    path: of a `DetectorFile`.
    images: as in `ask`.

  Returns:
    The RoIs of each, or why there are none.
  """
  return [
    row if isinstance(row, UnusableImageError) else _found(row)
    for row in ask(path, 'detect', images, lambda batch: {})
  ]


def ask(
  path: str,
  name: str,
  images: Sequence[LoadedImage],
  others: Callable[[Sequence[LoadedImage]], dict[str, tf.Tensor]],
) -> list[dict[str, np.ndarray] | UnusableImageError]:
  """Asks a signature about images, in one call while that succeeds.

  Args:
    path: of a `DetectorFile`.
    name: of the signature.
    images: at most `batch_size()`, all of them landscape or none: a mixed
      batch would be padded to a square.
    others: what it takes besides images.

  Returns:
    What it says of each, or why it says nothing. A batch that fails is taken
    apart until the image is alone that it fails for.
  """
  size = min(size for size in _BATCH_SIZES if size >= len(images))
  filled = list(images) + list(images[-1:]) * (size - len(images))
  encoded = tf.constant([image.encoded for image in filled])
  try:
    answer = loaded(path).signatures[name](image=encoded, **others(filled))
  except (
    tf.errors.InvalidArgumentError,
    tf.errors.ResourceExhaustedError,
  ) as error:
    if len(images) > 1:
      middle = len(images) // 2
      halves = images[:middle], images[middle:]
      return [row for half in halves for row in ask(path, name, half, others)]
    if isinstance(error, tf.errors.ResourceExhaustedError):
      # No fault of the image: the device has no room for a single one.
      raise
    return [
      UnusableImageError('detector_failed', 'The detector refuses the image.')
    ]
  answer = {key: value.numpy() for key, value in answer.items()}
  rows = []
  for place in range(len(images)):
    row = {key: value[place] for key, value in answer.items()}
    rule = row.get('status', b'').decode('utf-8')
    rows.append(UnusableImageError('detector_failed', rule) if rule else row)
  return rows


def batch_size() -> int:
  """Images that one call takes at most."""
  return _BATCH_SIZES[0]


def _found(row: dict[str, np.ndarray]) -> FoundRois:
  """One image's part of an answer, real RoIs alone."""
  count = int(row['count'])

  def column(name, default):
    return row.get(name, [default] * count)

  # The range of float16 ends at 65504; appearance is far from there.
  appearance = np.asarray(column('appearance', ()), _FLOATS)
  regions = tuple(
    DetectedRegion(
      box=tuple(row['boxes'][k].tolist()),
      category=int(row['categories'][k]),
      score=float(row['scores'][k]),
      appearance=appearance[k].tobytes(),
      top_categories=tuple(map(int, column('top_categories', ())[k])),
      top_probabilities=tuple(map(float, column('top_probabilities', ())[k])),
      attribute=int(column(_ATTRIBUTES, 0)[k]),
      attribute_score=float(column('attribute_scores', 0.0)[k]),
    )
    for k in range(count)
  )
  whole = np.asarray(column('image_appearance', ()), _FLOATS)
  return FoundRois(regions, whole.tobytes())


def loaded(path: str):
  """The SavedModel, once in each worker process, whose threads share it."""
  with _LOADING:
    return _load(path)


@functools.lru_cache(maxsize=1)
def _load(path: str):
  if storage.is_remote(path):
    with tempfile.TemporaryDirectory() as folder:
      for name in _files(path):
        place = os.path.join(folder, name)
        storage.write(place, storage.read(os.path.join(path, name)))
      model = tf.saved_model.load(folder)
  else:
    model = tf.saved_model.load(path)
  missing = set(_SIGNATURES) - set(model.signatures)
  if missing:
    raise ValueError(
      f'A detector has the signatures {", ".join(_SIGNATURES)}. '
      f'Received: {path}, with {", ".join(sorted(model.signatures))}. '
      'Export the model folder of a vlbert/detection run.'
    )
  return model


def _names(path: str, kind: str) -> tuple[str, ...]:
  names = loaded(path).signatures[kind]()[kind]
  return tuple(name.decode('utf-8') for name in names.numpy())


def _fingerprint(path: str) -> str:
  digest = hashlib.sha256()
  for name in _files(path):
    # The file fingerprint.pb holds a number that is new in every export.
    if os.path.basename(name) != 'fingerprint.pb':
      digest.update(name.encode('utf-8'))
      with storage.open_to_read(os.path.join(path, name)) as file:
        while block := file.read(1 << 20):
          digest.update(block)
  return digest.hexdigest()


def _files(path: str) -> list[str]:
  """Paths of the files in a folder and below, relative to it, sorted."""
  return [each[len(path) + 1 :] for each in storage.files_below(path)]


def _gray() -> bytes:
  """A picture to ask about what any answer holds."""
  buffer = io.BytesIO()
  PIL.Image.new('RGB', (48, 32), (127, 127, 127)).save(buffer, 'PNG')
  return buffer.getvalue()
