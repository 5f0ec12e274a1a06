"""What the readers share: whole files in, texts cleaned, images found."""

import json
import os
import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

_IMAGE_NUMBER = re.compile(r'(\d+)\.(jpe?g|png)', re.IGNORECASE)


def read_text(path: str) -> str:
  """The text of a file, local or remote, in UTF-8.

  Raises:
    ValueError: there is no such file, or it is not UTF-8.
  """
  if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
    raise ValueError(
      f'An annotation file must exist. Received: {path!r}. Check the path.'
    )
  with tf.io.gfile.GFile(path, 'rb') as file:
    content = file.read()
  try:
    return content.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    raise ValueError(
      f'An annotation file must be UTF-8 text. Received: {path}, with byte '
      f'{content[error.start]:#04x} at {error.start}. Unpack it, or convert it.'
    ) from error


def read_json(path: str, *lists: str) -> dict[str, Any]:
  """The JSON object in a file.

  Args:
    path: of the file.
    *lists: keys that must hold lists.

  Returns:
    The object.

  Raises:
    ValueError: the file is missing, no JSON, or lacks one of the lists.
  """
  text = read_text(path)
  try:
    content = json.loads(text)
  except ValueError as error:
    raise ValueError(
      f'{path} must be JSON, whole. Received: {error}. Download it again.'
    ) from error
  for key in lists:
    if not isinstance(content, dict) or not isinstance(content.get(key), list):
      found = sorted(content)[:8] if isinstance(content, dict) else 'a list'
      raise ValueError(
        f'{path} must be a JSON object with a list {key!r}. '
        f'Received: {found}. Is it the file of another kind?'
      )
  return content


def read_names(path: str) -> tuple[str, ...]:
  """Names of categories, one a line.

  Raises:
    ValueError: the file is missing or empty.
  """
  names = tuple(filter(None, map(str.strip, read_text(path).split('\n'))))
  if not names:
    raise ValueError(
      f'A file of categories must hold one name a line. Received: {path}, '
      'which is empty.'
    )
  return names


def clean_text(value: Any) -> str:
  """A text on one line: runs of white space become one space.

  Args:
    value: what the file holds; anything but a string counts as empty.
  """
  if not isinstance(value, str):
    return ''
  # JSON may hold half of a surrogate pair, which no record could.
  whole = value.encode('utf-8', 'replace').decode('utf-8')
  return ' '.join(whole.replace('\0', ' ').split())


def images_by_number(folders: Sequence[str]) -> dict[int, str]:
  """Image files by the number that their name ends with.

  `COCO_val2014_000000000042.jpg`, `000000000042.jpg` and `42.png` are all
  image 42. Where several are, the first folder wins, and in it the first name.

  Args:
    folders: to list; not the folders in them.

  Returns:
    Paths by number.

  Raises:
    ValueError: there is no such folder.
  """
  paths: dict[int, str] = {}
  for folder in folders:
    if not tf.io.gfile.isdir(folder):
      raise ValueError(
        f'Images are read from a folder. Received: {folder!r}, which is none. '
        'Check the path.'
      )
    for name in sorted(tf.io.gfile.listdir(folder)):
      number = image_number(name)
      if number is not None:
        paths.setdefault(number, os.path.join(folder, name))
  return paths


def image_number(name: str) -> int | None:
  """The number that an image's file name ends with, if it does."""
  match = _IMAGE_NUMBER.search(name)
  return int(match.group(1)) if match and match.end() == len(name) else None
