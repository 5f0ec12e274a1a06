"""Images on the client's side: read, checked, made smaller before sending."""

import dataclasses
import io
import os
import pathlib

import PIL
import PIL.Image

_STARTS = (b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n')  # JPEG, PNG

# The server's limit as well.
MAX_PIXELS = 1 << 27

# Of a JPEG made here; above it files grow and nothing is seen.
_QUALITY = 95


@dataclasses.dataclass(frozen=True, kw_only=True)
class Image:
  """An image that a model can read.

  Attributes:
    data: bytes of a JPEG or PNG.
    width: in pixels, as decoded; an orientation tag is not applied.
    height: likewise.
  """

  data: bytes
  width: int
  height: int


def read_image(source: bytes | str | os.PathLike) -> Image:
  """Reads an image and makes sure that all of it can be decoded.

  Args:
    source: bytes of a JPEG or PNG, or the path of one.

  Raises:
    ValueError: it is no JPEG or PNG, damaged, or larger than a server takes.
    OSError: the file cannot be read.
  """
  data = source
  if not isinstance(source, bytes):
    data = pathlib.Path(source).read_bytes()
  if not data.startswith(_STARTS):
    raise ValueError(
      'An image must be the bytes of a JPEG or PNG. '
      f'Received: {len(data)} bytes that start with {data[:8]!r}. '
      'Convert the image first.'
    )
  try:
    # The limit is checked below, with a sentence of its own.
    with PIL.Image.open(io.BytesIO(data)) as image:
      width, height = image.size
      if width * height <= MAX_PIXELS:
        image.load()
  except PIL.Image.DecompressionBombError as error:
    raise ValueError(_too_large(str(error))) from error
  except (OSError, SyntaxError, ValueError) as error:
    raise ValueError(
      'An image must be whole. '
      f'Received: {len(data)} bytes, {error}. Save the image anew.'
    ) from error
  if width * height > MAX_PIXELS:
    raise ValueError(_too_large(f'{width}x{height}'))
  return Image(data=data, width=width, height=height)


def shrink(image: Image, max_side: int) -> Image:
  """Makes an image smaller, as a JPEG; one that is small enough is kept.

  Args:
    image: any.
    max_side: pixels that its longer side may have afterwards.
  """
  longer = max(image.width, image.height)
  if longer <= max_side:
    return image
  size = [
    max(1, round(side * max_side / longer))
    for side in (image.width, image.height)
  ]
  file = io.BytesIO()
  with PIL.Image.open(io.BytesIO(image.data)) as opened:
    smaller = opened.convert('RGB').resize(size, PIL.Image.Resampling.BICUBIC)
    smaller.save(file, 'JPEG', quality=_QUALITY)
  return Image(data=file.getvalue(), width=size[0], height=size[1])


def _too_large(received: str) -> str:
  return (
    f'An image may have at most {MAX_PIXELS >> 20} megapixels. '
    f'Received: {received}. Make it smaller first.'
  )
