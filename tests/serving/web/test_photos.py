"""Photographs that are offered."""

import pytest

from serving.web import photos
from tests.serving.web import toy


def test_photos_of_installed_packages_say_who_took_them():
  found = photos.in_packages()

  # matplotlib is always installed.
  assert 'grace_hopper' in [photo.name for photo in found]
  assert all(photo.path.is_file() and photo.credit for photo in found)


def test_a_folder_offers_its_first_images(tmp_path):
  for number in range(14):
    (tmp_path / f'{number:02}.png').write_bytes(toy.image(2, 2))
  (tmp_path / '00.txt').write_text('no image')

  found = photos.in_folder(str(tmp_path))

  assert [photo.name for photo in found] == [f'{n:02}.png' for n in range(12)]


def test_a_folder_without_images_is_refused(tmp_path):
  with pytest.raises(ValueError, match='must hold images. Received: '):
    photos.in_folder(str(tmp_path))
