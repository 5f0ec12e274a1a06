"""Images as people have them."""

import io

import numpy as np
import PIL.Image
import pytest

from serving.web import pictures
from tests.serving.web import toy


def decoded(picture):
  return PIL.Image.open(io.BytesIO(picture.data))


@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
def test_an_image_that_fits_is_not_touched(kind):
  data = toy.image(31, 17, kind=kind)
  picture = pictures.prepare(data)

  assert picture.data == data
  assert (picture.width, picture.height) == (31, 17)


def test_a_photo_taken_sideways_is_turned_upright():
  # Orientation 6: the camera's right is the top of the scene.
  exif = PIL.Image.Exif()
  exif[0x0112] = 6
  pixels = np.zeros([20, 60, 3], np.uint8)
  pixels[:, :30, 0] = 255
  file = io.BytesIO()
  PIL.Image.fromarray(pixels).save(file, 'JPEG', exif=exif)

  picture = pictures.prepare(file.getvalue())

  assert (picture.width, picture.height) == (20, 60)
  upright = np.asarray(decoded(picture))
  assert upright[10, 10, 0] > 200  # What was left is at the top now.
  assert upright[50, 10, 0] < 50


def test_a_transparent_image_lies_on_white():
  file = io.BytesIO()
  PIL.Image.new('RGBA', (8, 8), (0, 0, 0, 0)).save(file, 'PNG')

  picture = pictures.prepare(file.getvalue())

  assert decoded(picture).getpixel((4, 4)) == (255, 255, 255)


def test_a_large_photo_is_made_smaller_once():
  side = pictures.LONGEST_SIDE
  picture = pictures.prepare(toy.image(side + 400, 50))

  assert (picture.width, picture.media_type) == (side, 'image/jpeg')
  assert pictures.prepare(picture.data).data == picture.data


def test_too_many_pixels_are_refused_before_they_are_decoded():
  # A header alone: decoding it would fail with another sentence.
  file = io.BytesIO()
  PIL.Image.new('1', (9000, 8000)).save(file, 'PNG')

  with pytest.raises(ValueError, match='at most 50 million pixels'):
    pictures.prepare(file.getvalue()[:100])


def test_no_image_is_plain_and_of_the_same_size():
  plain = decoded(pictures.no_image(7, 5))

  assert plain.size == (7, 5)
  assert plain.getcolors() == [(35, (124, 116, 104))]
