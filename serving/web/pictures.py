"""Uploaded images: checked, turned upright and made small enough to send."""

import dataclasses
import io
import warnings

import PIL.Image
import PIL.ImageOps

# Twice what a model of the usual size reads, 600 by 1,000.
LONGEST_SIDE = 1600
# Decoded, three bytes each.
_MOST_PIXELS = 50_000_000
_FORMATS = ('BMP', 'GIF', 'JPEG', 'PNG', 'WEBP')
_SENT_AS_IT_IS = {'JPEG': 'image/jpeg', 'PNG': 'image/png'}
_MODES = ('L', 'RGB')
_ORIENTATION = 0x0112
_UPRIGHT = 1
_QUALITY = 92

# What is shown to a model in the place of no image: the mean color of those
# that ImageNet's networks are trained on.
_NO_IMAGE = (124, 116, 104)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
  """An image as the model gets it and as the page shows it.

  Attributes:
    data: bytes of a JPEG or PNG.
    media_type: `image/jpeg` or `image/png`.
    width: pixels.
    height: pixels.
  """

  data: bytes
  media_type: str
  width: int
  height: int


def prepare(data: bytes) -> Picture:
  """Makes an image that models take of what somebody chose.

  The same bytes come back where they fit already, so that a picture that was
  prepared is not changed once more.

  Args:
    data: bytes of a JPEG, PNG, GIF, BMP or WebP.

  Returns:
    The first frame, upright, on white where it was transparent, its longer
    side at most `LONGEST_SIDE` pixels.

  Raises:
    ValueError: it is no such image, damaged, or too large to decode.
  """
  try:
    with warnings.catch_warnings():
      # Its own limit is higher than ours, which is checked below.
      warnings.simplefilter('ignore', PIL.Image.DecompressionBombWarning)
      image = PIL.Image.open(io.BytesIO(data), formats=_FORMATS)
    _check_size(image.size)
    image.load()
  except (PIL.UnidentifiedImageError, PIL.Image.DecompressionBombError) as e:
    raise ValueError(
      'An image must be a JPEG, PNG, GIF, BMP or WebP. '
      f'Received: {len(data):,} bytes of something else. '
      'Choose another file, or save it as JPEG first.'
    ) from e
  except (OSError, SyntaxError) as error:
    raise ValueError(
      'An image must be whole. '
      f'Received: {len(data):,} bytes that end early or are damaged. '
      'Choose another file, or save it anew.'
    ) from error
  if _fits(image):
    width, height = image.size
    return Picture(
      data=data,
      media_type=_SENT_AS_IT_IS[image.format],
      width=width,
      height=height,
    )
  return _encoded(_upright(image), lossless=image.format in ('PNG', 'BMP'))


def no_image(width: int, height: int) -> Picture:
  """A plain picture, for what a model says without seeing anything."""
  plain = PIL.Image.new('RGB', (width, height), _NO_IMAGE)
  return _encoded(plain, lossless=True)


def _check_size(size: tuple[int, int]) -> None:
  width, height = size
  if width * height > _MOST_PIXELS:
    raise ValueError(
      f'An image may have at most {_MOST_PIXELS // 1_000_000} million pixels. '
      f'Received: {width} by {height}. Make it smaller first.'
    )


def _fits(image: PIL.Image.Image) -> bool:
  return (
    image.format in _SENT_AS_IT_IS
    and image.mode in _MODES
    and max(image.size) <= LONGEST_SIDE
    and image.getexif().get(_ORIENTATION, _UPRIGHT) == _UPRIGHT
  )


def _upright(image: PIL.Image.Image) -> PIL.Image.Image:
  """RGB of the right size."""
  image = PIL.ImageOps.exif_transpose(image)
  if image.has_transparency_data:
    image = image.convert('RGBA')
    ground = PIL.Image.new('RGBA', image.size, 'white')
    image = PIL.Image.alpha_composite(ground, image)
  image = image.convert('RGB')
  image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), PIL.Image.Resampling.LANCZOS)
  return image


def _encoded(image: PIL.Image.Image, lossless: bool) -> Picture:
  file = io.BytesIO()
  # A photograph stored without loss would not fit into a request.
  kind = 'PNG' if lossless and max(image.size) < 512 else 'JPEG'
  image.save(file, kind, quality=_QUALITY)
  width, height = image.size
  return Picture(
    data=file.getvalue(),
    media_type=_SENT_AS_IT_IS[kind],
    width=width,
    height=height,
  )
