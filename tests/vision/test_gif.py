"""GIFs: the first frame alone, in its own size, whatever else is there."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from vlbert_tf.vision import gif, image

# A comment of one byte.
COMMENT = b'\x21\xfe\x01x\x00'


def _picture(width, height, seed=3):
  colors = np.random.default_rng(seed).integers(0, 255, [height, width])
  return Image.fromarray(colors.astype(np.uint8)).convert('P')


def _gif(*frames, **options):
  buffer = io.BytesIO()
  frames[0].save(
    buffer, 'GIF', save_all=True, append_images=frames[1:], **options
  )
  return buffer.getvalue()


def _descriptor(data: bytes) -> int:
  """Where the first frame, which begins in the corner, is described."""
  return data.index(b'\x2c\x00\x00\x00\x00')


def _claiming(data: bytes, place: int, width: int, height: int) -> bytes:
  sides = width.to_bytes(2, 'little') + height.to_bytes(2, 'little')
  return data[:place] + sides + data[place + 4 :]


def _frames(data: bytes) -> int:
  with Image.open(io.BytesIO(data)) as opened:
    return opened.n_frames


def _rgb(data: bytes) -> np.ndarray:
  with Image.open(io.BytesIO(data)) as opened:
    return np.asarray(opened.convert('RGB'))


def _in_graph(data: bytes, max_pixels=None):
  decode = tf.function(
    lambda encoded: image.decode(encoded, max_pixels), autograph=False
  )
  return decode(tf.constant(data))


@pytest.mark.parametrize(
  'data',
  [
    _gif(_picture(7, 5)),
    # Longer than what is looked at together.
    _gif(_picture(211, 173)),
    _gif(*[_picture(31, 23, seed) for seed in range(40)], loop=0),
    _gif(_picture(31, 23), _picture(31, 23, 4), comment=b'a' * 700),
    _gif(_picture(31, 23).convert('L'), interlace=0),
    _gif(_picture(31, 23).quantize(4)),
  ],
  ids=['small', 'long', 'animated', 'comment', 'gray', 'four_colors'],
)
def test_the_first_frame_is_seen_as_pillow_sees_it(data):
  cut = gif.first_frame(tf.constant(data))

  pixels = _rgb(data)
  assert (int(cut.height), int(cut.width)) == pixels.shape[:2]
  assert _frames(cut.encoded.numpy()) == 1
  np.testing.assert_array_equal(image.decode(tf.constant(data)), pixels)
  np.testing.assert_array_equal(_in_graph(data, pixels[..., 0].size), pixels)


def test_what_comes_after_the_first_frame_is_not_looked_at():
  small, large = _gif(_picture(31, 23)), _gif(_picture(300, 200))
  second = large[_descriptor(large) :]
  data = small[:-1] + second
  # The decoder alone gives the first frame on a black one of the second's size.
  alone = tf.io.decode_image(data, channels=3, expand_animations=False)
  assert alone.shape == (200, 300, 3)

  np.testing.assert_array_equal(_in_graph(data), alone[:23, :31])
  np.testing.assert_array_equal(
    _in_graph(small[:-1] + b'anything'), alone[:23, :31]
  )


def test_a_first_frame_has_a_limit_and_the_screen_does_not_count():
  data = _gif(_picture(31, 23))
  large_screen = _claiming(data, 6, 65_535, 65_535)
  large_frame = _claiming(data, _descriptor(data) + 5, 65_535, 65_535)

  assert _in_graph(large_screen, 31 * 23).shape == (23, 31, 3)
  for broken, most in ((large_frame, 1 << 27), (data, 31 * 23 - 1)):
    with pytest.raises(tf.errors.InvalidArgumentError):
      _in_graph(broken, most)


def test_a_gif_that_ends_before_its_first_frame_does_is_refused():
  whole = _gif(_picture(9, 8), _picture(9, 8, 4))
  end = len(gif.first_frame(tf.constant(whole)).encoded.numpy()) - 1

  for length in range(4, end):
    with pytest.raises(tf.errors.InvalidArgumentError):
      image.decode(tf.constant(whole[:length]))
  assert image.decode(tf.constant(whole[:end])).shape == (8, 9, 3)


def test_extensions_before_the_frame_are_passed_and_are_not_endless():
  data = _gif(_picture(9, 8))
  place = _descriptor(data)

  def with_comments(count):
    return data[:place] + COMMENT * count + data[place:]

  pixels = _in_graph(with_comments(60))
  np.testing.assert_array_equal(pixels, _rgb(data))
  with pytest.raises(tf.errors.InvalidArgumentError):
    _in_graph(with_comments(70))


def test_an_empty_extension_hides_no_frame():
  # To giflib the next byte is a length still, 0x2c; to others a frame begins.
  data = _gif(_picture(9, 8))
  place = _descriptor(data)

  with pytest.raises(tf.errors.InvalidArgumentError):
    _in_graph(data[:place] + b'\x21\xfe\x00' + data[place:])


@pytest.mark.parametrize('longest', [1, 2, 254, 255])
def test_a_chain_of_blocks_ends_where_walking_it_ends(longest):
  rng = np.random.default_rng(longest)
  head = b'GIF89a' + bytes(7)
  frame = b'\x2c' + bytes(4) + b'\x05\x00\x03\x00' + b'\x00'
  lengths = [255] * 150
  lengths += rng.integers(1, longest + 1, 70_000 // longest).tolist()
  chain = b''.join(bytes([n]) + rng.bytes(n) for n in lengths) + b'\x00'

  cut = gif.first_frame(tf.constant(head + frame + b'\x08' + chain + chain))

  assert cut.encoded.numpy() == head + frame + b'\x08' + chain + b'\x3b'
  assert (int(cut.height), int(cut.width)) == (3, 5)
