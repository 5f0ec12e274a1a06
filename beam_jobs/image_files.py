"""Image files that may be missing, broken, or no images at all."""

import dataclasses
import io
import warnings

import PIL.Image
import tensorflow as tf

from beam_jobs import storage
from vlbert_tf.data.annotations import RecordPlace
from vlbert_tf.vision import image as images

# What TensorFlow decodes, by the names that Pillow has for it.
_FORMATS = ('JPEG', 'PNG', 'GIF', 'BMP')
_FIRST_BYTES = (b'\xff\xd8\xff', b'\x89PNG', b'GIF8', b'BM')


class UnusableImageError(Exception):
  """An image that cannot become a record.

  Attributes:
    reason: a word to be counted.
    detail: a sentence.
  """

  def __init__(self, reason: str, detail: str):
    super().__init__(f'{reason}: {detail}')
    self.reason = reason
    self.detail = detail


@dataclasses.dataclass(frozen=True)
class LoadedImage:
  """The bytes of a file as found, and its size when decoded.

  EXIF orientation is not applied, as training does not apply it.
  """

  encoded: bytes
  height: int
  width: int


Loaded = LoadedImage | UnusableImageError


def load(
  path: str, max_pixels: int, place: RecordPlace | None = None
) -> LoadedImage:
  """Reads an image and decodes it once, as training will.

  Args:
    path: of the file.
    max_pixels: height times width that may be decoded.
    place: where the image is in a larger file, whatever its path.

  Returns:
    The image.

  Raises:
    UnusableImageError: there is no image that training could decode.
  """
  encoded = _read(path, place)
  width, height = _declared_size(encoded, path, max_pixels)
  if width * height > max_pixels:
    raise UnusableImageError(
      'image_too_large',
      f'{path} has {height} rows of {width} pixels; at most {max_pixels} '
      'pixels are decoded.',
    )
  try:
    with tf.device('CPU'):
      decoded = images.decode(tf.constant(encoded))
  except tf.errors.InvalidArgumentError as error:
    raise _corrupt(path) from error
  return LoadedImage(encoded, int(decoded.shape[0]), int(decoded.shape[1]))


def _read(path: str, place: RecordPlace | None) -> bytes:
  try:
    encoded = storage.read_part(place) if place else storage.read(path)
  # The second is what is said of a tar file that has no such member.
  except (FileNotFoundError, NotADirectoryError) as error:
    raise UnusableImageError('image_missing', f'No file {path}.') from error
  except OSError as error:
    kind = type(error).__name__
    raise UnusableImageError('image_unreadable', f'{path}: {kind}.') from error
  if not encoded:
    raise UnusableImageError('image_empty', f'{path} has no bytes.')
  return encoded


def _declared_size(
  encoded: bytes, path: str, max_pixels: int
) -> tuple[int, int]:
  """Width and height by the file's header, before anything is decoded."""
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore', PIL.Image.DecompressionBombWarning)
      with PIL.Image.open(io.BytesIO(encoded), formats=_FORMATS) as image:
        return image.size
  except PIL.Image.DecompressionBombError as error:
    raise UnusableImageError(
      'image_too_large', f'{path}; at most {max_pixels} pixels are decoded.'
    ) from error
  # Pillow's readers raise many things on broken headers.
  except Exception as error:
    if encoded.startswith(_FIRST_BYTES):
      raise _corrupt(path) from error
    raise UnusableImageError(
      'not_an_image', f'{path} is no JPEG, PNG, GIF or BMP.'
    ) from error


def _corrupt(path: str) -> UnusableImageError:
  return UnusableImageError('image_corrupt', f'{path} is damaged or cut off.')
