"""Images on the client's side."""

import io

import PIL.Image
import pytest

from serving import images
from tests.serving import toy_model


@pytest.mark.parametrize('data', [b'', b'GIF89a', b'RIFF....WEBP'])
def test_what_is_neither_jpeg_nor_png_is_refused(data):
  with pytest.raises(ValueError, match='bytes of a JPEG or PNG') as caught:
    images.read_image(data)

  assert f'Received: {len(data)} bytes' in str(caught.value)


@pytest.mark.parametrize(
  'data',
  [
    b'\x89PNG\r\n\x1a\n',
    toy_model.png(9, 9)[:50],
    toy_model.jpeg(9, 9)[:20],
    toy_model.jpeg(90, 90)[:-300],
  ],
)
def test_a_damaged_image_is_refused(data):
  with pytest.raises(ValueError, match='must be whole'):
    images.read_image(data)


def test_an_image_of_too_many_pixels_is_refused(monkeypatch):
  monkeypatch.setattr(images, 'MAX_PIXELS', 10)

  assert images.read_image(toy_model.png(5, 2)).width == 5
  with pytest.raises(ValueError, match='Received: 11x1'):
    images.read_image(toy_model.png(11, 1))


@pytest.mark.parametrize('encode', [toy_model.png, toy_model.jpeg])
def test_a_large_image_becomes_a_smaller_jpeg(encode):
  image = images.read_image(encode(300, 100))

  smaller = images.shrink(image, 60)

  assert (smaller.width, smaller.height) == (60, 20)
  with PIL.Image.open(io.BytesIO(smaller.data)) as decoded:
    assert (decoded.format, decoded.size) == ('JPEG', (60, 20))
    assert decoded.getpixel((30, 10)) == pytest.approx((90, 90, 90), abs=2)


def test_a_small_image_is_sent_as_it_is():
  image = images.read_image(toy_model.png(60, 20))

  assert images.shrink(image, 60) is image
