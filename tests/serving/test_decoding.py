"""Images in the graph: what can be read, and what is said of the rest."""

import io
import struct
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image

from serving import decoding
from tests.serving import served


def _decode(*encoded):
  decode = tf.function(
    lambda images: decoding.decode_images(images, served.SHAPE)
  )
  return decode(tf.constant(list(encoded)))


def _chunk(kind: bytes, data: bytes) -> bytes:
  check = struct.pack('>I', zlib.crc32(kind + data))
  return struct.pack('>I', len(data)) + kind + data + check


def _bomb(side: int) -> bytes:
  """A PNG of `side` times `side` gray pixels, whose rows are never read."""
  header = struct.pack('>IIBBBBB', side, side, 8, 0, 0, 0, 0)
  data = zlib.compress(bytes(1000))
  return (
    b'\x89PNG\r\n\x1a\n'
    + _chunk(b'IHDR', header)
    + _chunk(b'IDAT', data)
    + _chunk(b'IEND', b'')
  )


def _gif(*frames: np.ndarray, **options) -> bytes:
  buffer = io.BytesIO()
  first, *others = map(Image.fromarray, frames)
  first.save(buffer, 'GIF', save_all=True, append_images=others, **options)
  return buffer.getvalue()


def _frame_claims(data: bytes, side: int) -> bytes:
  """The GIF with another size of its first frame, not of its screen."""
  place = data.index(b'\x2c\x00\x00\x00\x00') + 5
  return data[:place] + struct.pack('<HH', side, side) + data[place + 4 :]


def test_images_of_all_kinds_are_scaled_and_the_rest_is_black():
  first, pixels = served.png(32, 24, 1)
  plain = _gif(np.full([100, 50, 3], 200, np.uint8))

  decoded = _decode(first, b'nothing', plain)

  statuses = [status.decode() for status in decoded.status.numpy()]
  assert statuses == ['', decoding.NOT_AN_IMAGE, '']
  np.testing.assert_array_equal(decoded.pixels[0, :24, :32], pixels)
  # 100 x 50 pixels become 32 x 16: the long side may have 32.
  np.testing.assert_array_equal(decoded.size, [[24, 32], [1, 1], [32, 16]])
  np.testing.assert_allclose(decoded.ratio[2], [0.32, 0.32])
  np.testing.assert_allclose(decoded.pixels[2, :32, :16], 200, atol=4)
  assert not decoded.pixels[1].numpy().any()


def test_what_unfolds_to_too_many_pixels_is_not_unfolded():
  side = int(decoding.MAX_PIXELS**0.5) + 1

  decoded = _decode(_bomb(side))

  assert decoded.status.numpy().tolist() == [decoding.NOT_AN_IMAGE.encode()]


def test_a_gif_has_the_limit_of_its_first_frame_and_of_no_other():
  side = int(decoding.MAX_PIXELS**0.5) + 1
  gray = [np.full([24, 32], shade, np.uint8) for shade in range(0, 250, 5)]
  animated, plain = _gif(*gray[10:], loop=0), _gif(gray[40])

  decoded = _decode(_frame_claims(plain, side), animated, plain)

  assert [status.decode() for status in decoded.status.numpy()] == [
    decoding.NOT_AN_IMAGE, '', ''
  ]  # fmt: skip
  assert (decoded.pixels[1, :24, :32].numpy() == 50).all()
  assert (decoded.pixels[2, :24, :32].numpy() == 200).all()
