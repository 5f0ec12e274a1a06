"""Records of full size and random content, for benchmarks of training."""

import dataclasses
import io
import json
import os

import numpy as np
import tensorflow as tf
from PIL import Image

from vlbert_tf.data import example_schema
from vlbert_tf.data.annotations import (
  Caption,
  DetectedRegion,
  ImageAnnotations,
)
from vlbert_tf.data.record_contents import Contents

VOCAB_SIZE, CATEGORIES, APPEARANCE = 30_522, 1_600, 2_048
_SPECIAL = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')


def write_vocabulary(path: str) -> None:
  """Writes a vocabulary of BERT's size."""
  words = [f'w{k}' for k in range(VOCAB_SIZE - len(_SPECIAL))]
  with open(path, 'w', encoding='utf-8') as file:
    file.writelines(f'{word}\n' for word in (*_SPECIAL, *words))


def write_captions(
  folder: str,
  *,
  images: int,
  rois: int,
  words: int,
  pixels: bool,
  size: tuple[int, int] = (600, 1000),
) -> str:
  """Writes a split `train` of captions, one an image.

  Args:
    folder: that is written below.
    images: how many.
    rois: of each.
    words: of each caption, special ones not counted.
    pixels: whether records hold the image, a JPEG of noise on a coarse grid;
      else features.
    size: height and width of images.

  Returns:
    The folder of records.
  """
  rng = np.random.default_rng(1)
  contents = Contents(image=pixels, appearance_size=0 if pixels else APPEARANCE)
  place = os.path.join(folder, 'random', example_schema.FOLDER_VERSION)
  where = (place, 'random', 'train', 0, 1)
  texts = example_schema.texts_path(*where)
  os.makedirs(os.path.dirname(texts))
  with (
    tf.io.TFRecordWriter(example_schema.record_path(*where)) as records,
    open(texts, 'w', encoding='utf-8') as table,
  ):
    for number in range(images):
      caption = ' '.join(f'w{k}' for k in rng.integers(0, 30_000, words))
      table.write(f'{number}\t{caption}\n')
      annotations = ImageAnnotations(
        image_id=str(number),
        image_path='',
        regions=tuple(_region(rng, size, contents) for _ in range(rois)),
        captions=(Caption(caption),),
      )
      records.write(
        example_schema.encode_example(
          example_schema.CAPTIONS,
          annotations,
          _jpeg(rng, size) if pixels else b'',
          *size,
          contents=contents,
          image_appearance=_appearance(rng, contents),
        )
      )
  _write_manifest(place, images, contents)
  return place


def _region(rng, size, contents) -> DetectedRegion:
  height, width = size
  left, top = rng.uniform(0, 0.4, 2) * [width, height]
  right, bottom = [left, top] + rng.uniform(0.1, 0.5, 2) * [width, height]
  return DetectedRegion(
    box=(float(left), float(top), float(right), float(bottom)),
    category=int(rng.integers(1, CATEGORIES + 1)),
    appearance=_appearance(rng, contents),
  )


def _appearance(rng, contents) -> bytes:
  return rng.normal(size=contents.appearance_size).astype(np.float16).tobytes()


def _jpeg(rng, size) -> bytes:
  coarse = rng.integers(0, 256, [12, 20, 3], np.uint8)
  buffer = io.BytesIO()
  Image.fromarray(coarse).resize(size[::-1]).save(buffer, 'JPEG')
  return buffer.getvalue()


def _write_manifest(place: str, images: int, contents: Contents) -> None:
  manifest = {
    'schema_version': example_schema.SCHEMA_VERSION,
    'kind': example_schema.CAPTIONS,
    'name': 'random',
    'command': 'benchmarks.records',
    'categories': [f'c{k}' for k in range(CATEGORIES)],
    'contents': dataclasses.asdict(contents),
    'splits': {
      'train': {
        'shards': 1,
        'images': images,
        'annotations': images,
        'dropped': {},
        'shard_lengths': [images],
        'shard_annotations': [images],
      }
    },
  }
  for name, content in (
    (example_schema.MANIFEST, manifest),
    (example_schema.DATASET_INFO, {}),
  ):
    with open(os.path.join(place, name), 'w', encoding='utf-8') as file:
      json.dump(content, file)
