"""Image files that cannot be records are told apart by their reason."""

import io
import pathlib
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from beam_jobs import image_files

PHOTO = np.random.default_rng(5).integers(0, 255, [23, 37, 3], np.uint8)


def _encoded(pixels, form, **options) -> bytes:
  buffer = io.BytesIO()
  Image.fromarray(pixels).save(buffer, form, **options)
  return buffer.getvalue()


def _write(tmp_path: pathlib.Path, content: bytes) -> str:
  path = tmp_path / 'image.jpg'
  path.write_bytes(content)
  return str(path)


def _png_that_claims(width, height) -> bytes:
  """A small PNG file whose header speaks of another size."""
  good = _encoded(PHOTO, 'PNG')
  header = struct.pack('>II', width, height) + good[24:29]
  checksum = struct.pack('>I', zlib.crc32(b'IHDR' + header))
  return good[:16] + header + checksum + good[33:]


@pytest.mark.parametrize(
  ('pixels', 'form'),
  [
    (PHOTO, 'JPEG'),
    (PHOTO, 'PNG'),
    (PHOTO[..., 0], 'JPEG'),
    (np.dstack([PHOTO, PHOTO[..., :1]]), 'PNG'),
    (PHOTO, 'BMP'),
    (PHOTO[..., 0], 'GIF'),
  ],
)
def test_usable_images_keep_their_bytes(tmp_path, pixels, form):
  content = _encoded(pixels, form)
  loaded = image_files.load(_write(tmp_path, content), max_pixels=10_000)
  assert loaded == image_files.LoadedImage(content, height=23, width=37)


def test_size_is_that_of_the_stored_pixels_whatever_exif_says(tmp_path):
  exif = Image.Exif()
  exif[0x0112] = 6  # Turned by a quarter: shown 23 wide and 37 high.
  content = _encoded(PHOTO, 'JPEG', exif=exif)
  loaded = image_files.load(_write(tmp_path, content), max_pixels=10_000)
  decoded = tf.io.decode_image(loaded.encoded)
  assert (loaded.height, loaded.width) == tuple(decoded.shape[:2]) == (23, 37)


@pytest.mark.parametrize(
  ('content', 'reason'),
  [
    (b'', 'image_empty'),
    (b'This is a letter to the editor.', 'not_an_image'),
    (b'<html><body>404</body></html>', 'not_an_image'),
    (b'\xff\xd8\xff', 'image_corrupt'),
    (b'\x89PNG\r\n', 'image_corrupt'),
    (_encoded(PHOTO, 'TIFF'), 'not_an_image'),
    (_encoded(PHOTO, 'WEBP'), 'not_an_image'),
    (_encoded(PHOTO, 'JPEG')[:-400], 'image_corrupt'),
    (_encoded(PHOTO, 'PNG')[:-400], 'image_corrupt'),
    (_encoded(PHOTO, 'GIF')[:-400], 'image_corrupt'),
    (_png_that_claims(30_000, 30_000), 'image_too_large'),
    (_png_that_claims(200, 200), 'image_too_large'),
  ],
)
def test_unusable_images_are_told_apart(tmp_path, content, reason):
  path = _write(tmp_path, content)
  with pytest.raises(image_files.UnusableImageError) as caught:
    image_files.load(path, max_pixels=10_000)
  assert caught.value.reason == reason
  assert path in caught.value.detail
  # What an object is called in memory would differ in the next run.
  assert '0x' not in caught.value.detail


def test_an_image_of_exactly_the_limit_is_decoded(tmp_path):
  path = _write(tmp_path, _encoded(PHOTO, 'PNG'))
  assert image_files.load(path, max_pixels=23 * 37).height == 23
  with pytest.raises(image_files.UnusableImageError, match='too_large'):
    image_files.load(path, max_pixels=23 * 37 - 1)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
  with pytest.raises(image_files.UnusableImageError, match='image_missing'):
    image_files.load(f'{tmp_path}/gone.jpg', 1)
  with pytest.raises(image_files.UnusableImageError, match='image_unreadable'):
    image_files.load(str(tmp_path), 1)
