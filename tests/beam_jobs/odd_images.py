"""Image files of every odd kind: those that can be used, and those that not."""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 37, 23


def pixels(seed: int) -> Image.Image:
  """A blurred picture that follows from `seed`."""
  coarse = np.random.default_rng(seed).integers(0, 255, [3, 5, 3], np.uint8)
  return Image.fromarray(coarse).resize((WIDTH, HEIGHT))


def encoded(picture: Image.Image, form: str, **options) -> bytes:
  buffer = io.BytesIO()
  picture.save(buffer, form, **options)
  return buffer.getvalue()


def claimed_png(width: int, height: int) -> bytes:
  """A small PNG whose header speaks of another size."""
  good = encoded(pixels(0), 'PNG')
  header = struct.pack('>II', width, height) + good[24:29]
  checksum = struct.pack('>I', zlib.crc32(b'IHDR' + header))
  return good[:16] + header + checksum + good[33:]


def _animated(form: str) -> bytes:
  frames = [pixels(1), pixels(2), pixels(3)]
  return encoded(frames[0], form, save_all=True, append_images=frames[1:])


def _rotated() -> bytes:
  exif = Image.Exif()
  exif[0x0112] = 6  # Turned by a quarter.
  return encoded(pixels(4), 'JPEG', exif=exif)


def usable() -> dict[str, tuple[bytes, tuple[int, int]]]:
  """File, and height and width of what it stores, by file name."""
  size = (HEIGHT, WIDTH)
  sixteen_bits = Image.fromarray(
    np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH)
  )
  return {
    'plain.jpg': (encoded(pixels(0), 'JPEG'), size),
    'gray.jpg': (encoded(pixels(0).convert('L'), 'JPEG'), size),
    'cmyk.jpg': (encoded(pixels(0).convert('CMYK'), 'JPEG'), size),
    'progressive.jpg': (encoded(pixels(0), 'JPEG', progressive=True), size),
    'rotated.jpg': (_rotated(), size),
    'trailing.jpg': (encoded(pixels(0), 'JPEG') + b'more bytes', size),
    'png_by_content.jpg': (encoded(pixels(0), 'PNG'), size),
    'rgba.png': (encoded(pixels(0).convert('RGBA'), 'PNG'), size),
    'palette.png': (encoded(pixels(0).convert('P'), 'PNG'), size),
    'bits.png': (encoded(pixels(0).convert('1'), 'PNG'), size),
    'sixteen_bits.png': (encoded(sixteen_bits, 'PNG'), size),
    'animated.png': (_animated('PNG'), size),
    'animated.gif': (_animated('GIF'), size),
    'plain.bmp': (encoded(pixels(0), 'BMP'), size),
    'small.png': (encoded(pixels(0).resize((16, 16)), 'PNG'), (16, 16)),
    'pixel.png': (encoded(pixels(0).resize((1, 1)), 'PNG'), (1, 1)),
    'line.png': (encoded(pixels(0).resize((900, 1)), 'PNG'), (1, 900)),
    'large.jpg': (
      encoded(Image.new('L', (8000, 6000), 90), 'JPEG', quality=20),
      (6000, 8000),
    ),
  }


def unusable() -> dict[str, tuple[bytes, str]]:
  """File, and the reason for which it is set aside, by file name."""
  jpeg = encoded(pixels(0), 'JPEG')
  return {
    'cut.jpg': (jpeg[:-300], 'image_corrupt'),
    'cut.png': (encoded(pixels(0), 'PNG')[:-300], 'image_corrupt'),
    'head_alone.jpg': (jpeg[:3], 'image_corrupt'),
    'empty.jpg': (b'', 'image_empty'),
    'letter.jpg': (b'Dear editor, this is a text.', 'not_an_image'),
    'page.jpg': (b'<html><body>404</body></html>', 'not_an_image'),
    'bomb.png': (claimed_png(60_000, 60_000), 'image_too_large'),
    'over_limit.png': (claimed_png(9000, 8000), 'image_too_large'),
    'photo.tiff': (encoded(pixels(0), 'TIFF'), 'not_an_image'),
    'photo.webp': (encoded(pixels(0), 'WEBP'), 'not_an_image'),
  }


def write(folder: pathlib.Path, count: int, bad_share: float) -> int:
  """Writes images, a share of them bad, of all kinds in turn.

  Args:
    folder: that gets them.
    count: of images.
    bad_share: between 0 and 1.

  Returns:
    How many are bad.
  """
  folder.mkdir(parents=True)
  # The large ones would take most of the time of a test.
  good = [v for k, (v, _) in usable().items() if k != 'large.jpg']
  bad = [content for content, _ in unusable().values()]
  every = round(1 / bad_share)
  for k in range(count):
    if k % every == every - 1:
      content = bad[k // every % len(bad)]
    elif k % 3:
      content = encoded(pixels(k), 'JPEG')
    else:
      content = good[k // 3 % len(good)]
    (folder / f'{k:06d}.jpg').write_bytes(content)
  return count // every
