"""The record: feature names, version, write, parse, open.

One record is one image with its RoIs and all its captions or questions. On
disk it is a `tf.train.Example` as TensorFlow Datasets lays it out, so that the
folder can be read with TensorFlow Datasets as well.
"""

import dataclasses
import json
import os
import re

import tensorflow as tf

from vlbert_tf.data import record_kinds
from vlbert_tf.data.annotations import ImageAnnotations
from vlbert_tf.data.record_contents import IMAGE_ALONE, Contents
from vlbert_tf.data.record_kinds import (  # noqa: F401 - part of the record.
  CAPTIONS,
  CHOICES,
  EXPRESSIONS,
  IMAGES,
  OBJECTS,
  QUESTIONS,
)

# Raised whenever a reader of older records would misread newer ones, or the
# other way round. The folder's version is the same number.
SCHEMA_VERSION = 1
FOLDER_VERSION = f'{SCHEMA_VERSION}.0.0'

ANNOTATED, DETECTED = 'annotated', 'detected'
MANIFEST = 'manifest.json'
DATASET_INFO = 'dataset_info.json'
_VERSION_FOLDER = re.compile(r'\d+\.\d+\.\d+/?')


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitInfo:
  """A split of a complete folder of records.

  Attributes:
    folder: that holds the files, with the version.
    name: of the data set.
    split: of the data set.
    kind: of `record_kinds.KINDS`.
    paths: record files, in order.
    shard_lengths: records in each.
    shard_annotations: annotations in each; empty in folders that an earlier
      release wrote.
    images: records in all.
    annotations: captions, questions or expressions in all.
    categories: names; the k-th is `roi/category` k + 1, 0 is background.
    text_paths: for captions, tables `image_id<TAB>caption` in record order.
    contents: what the records hold of an image.
    attributes: names; the k-th is k + 1 in `roi/attribute` of objects, or in
      `roi/detected_attribute`. Mostly empty.
  """

  folder: str
  name: str
  split: str
  kind: str
  paths: tuple[str, ...]
  shard_lengths: tuple[int, ...]
  images: int
  annotations: int
  categories: tuple[str, ...]
  text_paths: tuple[str, ...]
  contents: Contents = IMAGE_ALONE
  attributes: tuple[str, ...] = ()
  shard_annotations: tuple[int, ...] = ()


def encode_example(
  kind: str,
  annotations: ImageAnnotations,
  encoded: bytes,
  height: int,
  width: int,
  source: str = ANNOTATED,
  fingerprint: str = '',
  contents: Contents = IMAGE_ALONE,
  image_appearance: bytes = b'',
) -> bytes:
  """Makes the record of an image.

  Args:
    kind: of `record_kinds.KINDS`.
    annotations: of the image; regions clipped to it.
    encoded: the image file, as found.
    height: of the decoded image, pixels.
    width: of the decoded image, pixels.
    source: of the RoIs, 'annotated' or 'detected'.
    fingerprint: of the detector; '' where there was none.
    contents: what is kept of the image.
    image_appearance: float16 `[A]` of the whole image, as bytes.

  Returns:
    The serialized record; the same bytes for the same arguments.
  """
  dtypes = {key: dtype for key, (dtype, _) in layout(kind, contents).items()}
  for key, dtype in record_kinds.ragged(kind).items():
    dtypes[f'{key}/{record_kinds.FLAT_VALUES}'] = dtype
    dtypes[f'{key}/{record_kinds.ROW_LENGTHS}'] = tf.int64
  regions = annotations.regions
  features = {
    'image/id': [annotations.image_id],
    'image/height': [height],
    'image/width': [width],
    'roi/box': [float(value) for region in regions for value in region.box],
    'roi/category': [region.category for region in regions],
    'roi/score': [float(region.score) for region in regions],
    'roi/source': [source],
    'schema/version': [SCHEMA_VERSION],
    'detector/fingerprint': [fingerprint],
    **contents.values(encoded, regions, image_appearance),
    **record_kinds.features(kind, annotations),
  }
  example = tf.train.Example()
  for key, dtype in dtypes.items():
    _fill(example.features.feature[key], dtype, features[key])
  return example.SerializeToString(deterministic=True)


def parse_example(
  serialized: tf.Tensor, kind: str, contents: Contents = IMAGE_ALONE
) -> dict[str, tf.Tensor | tf.RaggedTensor]:
  """Reads a record; the inverse of `encode_example`, in a graph.

  Args:
    serialized: scalar string.
    kind: of `record_kinds.KINDS`.
    contents: what the records hold of an image.

  Returns:
    Tensors by feature name. With R RoIs and N captions or questions:
    `image/id`, `image/encoded`, `roi/source`, `detector/fingerprint` scalar
    string; `image/height`, `image/width`, `schema/version` scalar int64;
    `roi/box` float32 `[R, 4]`; `roi/category` int64 `[R]`; `roi/score`
    float32 `[R]`. By contents: `roi/feature` float16 `[R, A]`,
    `image/feature` float16 `[A]`; `roi/top_categories` int64 and
    `roi/top_probabilities` float32 `[R, k]`; `roi/detected_attribute` int64
    and `roi/detected_attribute_score` float32 `[R]`.
    Captions: `caption/text` string `[N]`. Questions:
    `question/id` int64 `[N]`; `question/text`, `question/type`,
    `question/answer_type` string `[N]`; ragged `answer/text` string and
    `answer/count` int64 `[N, (M)]`. Expressions: `expression/id` int64
    `[N]`, `expression/text` string `[N]`, `expression/box` float32 `[N, 4]`.
    Choices: `roi/tag` int64 `[R]`, the number that texts call a RoI by;
    `roi/polygons` string `[R]`, JSON; `choice/id`, `choice/question`,
    `choice/question_tags` string `[N]`; `choice/answers`,
    `choice/answer_tags`, `choice/rationales`, `choice/rationale_tags` string
    `[N, 4]`, tags being as many numbers as there are words, -1 for none;
    `choice/answer_label`, `choice/rationale_label` int64 `[N]`, -1 unknown.
    Objects: ragged `roi/attribute` int64 `[R, (M)]`, from 1 on.

  Raises:
    tf.errors.InvalidArgumentError: the record is not of this kind.
  """
  spec = {}
  for key, (dtype, shape) in layout(kind, contents).items():
    if shape == ():
      spec[key] = tf.io.FixedLenFeature([], dtype)
    else:
      spec[key] = tf.io.FixedLenSequenceFeature(
        shape[1:], dtype, allow_missing=True
      )
  for key, dtype in record_kinds.ragged(kind).items():
    lengths = f'{key}/{record_kinds.ROW_LENGTHS}'
    spec[key] = tf.io.RaggedFeature(
      dtype,
      value_key=f'{key}/{record_kinds.FLAT_VALUES}',
      partitions=[tf.io.RaggedFeature.RowLengths(lengths)],
      row_splits_dtype=tf.int64,
    )
  return contents.decode(tf.io.parse_single_example(serialized, spec))


def open_split(folder: str, split: str) -> SplitInfo:
  """Opens a split of a folder that `vlbert-build-examples` wrote.

  Args:
    folder: `OUT/NAME/1.0.0`, or `OUT/NAME` with one version in it.
    split: its name.

  Returns:
    What and where it is.

  Raises:
    ValueError: there is no such folder, it is not complete, it has another
      version, or no such split.
  """
  folder = _version_folder(folder)
  manifest = _read_manifest(folder)
  if split not in manifest['splits']:
    known = ', '.join(sorted(manifest['splits']))
    raise ValueError(
      f'A split must be one of those in the folder: {known}. '
      f'Received: {split!r}, for {folder}.'
    )
  row = manifest['splits'][split]
  numbers = range(row['shards'])
  place = (folder, manifest['name'], split)
  return SplitInfo(
    folder=folder,
    name=manifest['name'],
    split=split,
    kind=manifest['kind'],
    paths=tuple(record_path(*place, k, row['shards']) for k in numbers),
    shard_lengths=tuple(row['shard_lengths']),
    shard_annotations=tuple(row.get('shard_annotations', ())),
    images=row['images'],
    annotations=row['annotations'],
    categories=tuple(manifest['categories']),
    attributes=tuple(manifest.get('attributes', ())),
    text_paths=tuple(
      texts_path(*place, k, row['shards'])
      for k in numbers
      if manifest['kind'] == CAPTIONS
    ),
    contents=Contents(**manifest.get('contents', {})),
  )


def split_names(folder: str) -> tuple[str, ...]:
  """Splits of a complete folder; raises as `open_split` does."""
  return tuple(_read_manifest(_version_folder(folder))['splits'])


def read_texts(split: SplitInfo) -> tuple[tf.Tensor, tf.Tensor]:
  """Image ids and captions of a split, in record order, string `[N]` each."""
  rows = []
  for path in split.text_paths:
    with tf.io.gfile.GFile(path, 'rb') as file:
      rows += file.read().decode('utf-8').split('\n')[:-1]
  ids, captions = zip(*(row.split('\t') for row in rows), strict=True)
  return tf.constant(ids), tf.constant(captions)


def record_path(
  folder: str, name: str, split: str, number: int, shards: int
) -> str:
  """Path of a shard, named as TFDS wants it."""
  shard = f'{name}-{split}.tfrecord-{number:05d}-of-{shards:05d}'
  return os.path.join(folder, shard)


def texts_path(
  folder: str, name: str, split: str, number: int, shards: int
) -> str:
  """Path of a shard's table of captions."""
  table = f'{name}-{split}-{number:05d}-of-{shards:05d}.tsv'
  return os.path.join(folder, 'texts', table)


def layout(kind: str, contents: Contents) -> record_kinds.Layout:
  """Type and shape of what is dense; () is a scalar.

  Args:
    kind: of `record_kinds.KINDS`.
    contents: what the records hold of an image.
  """
  features = {
    'image/id': (tf.string, ()),
    'image/height': (tf.int64, ()),
    'image/width': (tf.int64, ()),
    'roi/box': (tf.float32, (None, 4)),
    'roi/category': (tf.int64, (None,)),
    'roi/score': (tf.float32, (None,)),
    'roi/source': (tf.string, ()),
    'schema/version': (tf.int64, ()),
    'detector/fingerprint': (tf.string, ()),
  }
  return {**features, **contents.layout(), **record_kinds.layout(kind)}


def _fill(feature: tf.train.Feature, dtype: tf.DType, values: list) -> None:
  if dtype == tf.string:
    target = feature.bytes_list
    values = [tf.compat.as_bytes(value) for value in values]
  else:
    target = feature.int64_list if dtype == tf.int64 else feature.float_list
  # An empty list must still be a list of its type, as TFDS writes it.
  target.SetInParent()
  target.value.extend(values)


def _version_folder(folder: str) -> str:
  """The folder itself, or the one version in it."""
  folder = folder.rstrip('/')
  if not folder or not tf.io.gfile.isdir(folder):
    raise ValueError(
      'Records are read from a folder that vlbert-build-examples wrote. '
      f'There is no folder {folder!r}. Check the path, or build it.'
    )
  names = tf.io.gfile.listdir(folder)
  versions = [name for name in names if _VERSION_FOLDER.fullmatch(name)]
  if MANIFEST in names or not versions:
    return folder
  if len(versions) > 1:
    raise ValueError(
      'A folder with several versions does not say which to read. '
      f'Received: {folder}, with {", ".join(sorted(versions))}. '
      'Add the version to the path.'
    )
  return os.path.join(folder, versions[0].rstrip('/'))


def _read_manifest(folder: str) -> dict:
  """The manifest of a complete folder of this version."""
  for name in (MANIFEST, DATASET_INFO):
    if not tf.io.gfile.exists(os.path.join(folder, name)):
      raise ValueError(
        f'A complete folder of records holds {name}. {folder} does not: it '
        'is incomplete, or not written by vlbert-build-examples. Run the '
        'command that builds it again.'
      )
  path = os.path.join(folder, MANIFEST)
  with tf.io.gfile.GFile(path) as file:
    try:
      manifest = json.loads(file.read())
      version = manifest['schema_version']
    except (ValueError, KeyError, TypeError) as error:
      raise ValueError(
        f'{path} must be JSON with schema_version. Received: {error!r}. '
        'Build the folder again.'
      ) from error
  if version != SCHEMA_VERSION:
    raise ValueError(
      f'This program reads records of version {SCHEMA_VERSION}. {folder} has '
      f'version {version}. Build it again with: '
      f'{manifest.get("command", "vlbert-build-examples")}'
    )
  return manifest
