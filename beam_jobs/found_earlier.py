"""RoIs that `vlbert-extract-rois` has found, joined to texts by image.

Its folder says for each image in which file, and where in it, the record is;
so a worker reads the records of its own images, and no others.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from beam_jobs import storage
from beam_jobs.detector import DetectorFile, FoundRois
from beam_jobs.image_files import LoadedImage
from vlbert_tf.data import example_schema, record_contents
from vlbert_tf.data.annotations import DetectedRegion, RecordPlace
from vlbert_tf.data.record_contents import FEATURE_DTYPE, Contents


@dataclasses.dataclass(frozen=True)
class EarlierRois:
  """A folder of RoIs.

  Attributes:
    detector: that found them; its path is the folder.
    places: of records, by the id of the image, in all splits.
  """

  detector: DetectorFile
  places: Mapping[str, RecordPlace]


def open_folder(folder: str) -> EarlierRois:
  """Opens a folder of RoIs.

  Args:
    folder: `OUT/NAME/1.0.0`, or `OUT/NAME`.

  Returns:
    Where the RoIs of each image are.

  Raises:
    ValueError: there is no such folder, it is not complete, holds something
      else, or an image twice.
  """
  folder, manifest = _open(folder)
  places: dict[str, RecordPlace] = {}
  for split, row in manifest['splits'].items():
    for number in range(row['shards']):
      shard = folder, manifest['name'], split, number, row['shards']
      path = example_schema.record_path(*shard)
      index = storage.read(example_schema.texts_path(*shard)).decode('utf-8')
      for line in index.splitlines():
        image_id, start, size = line.split('\t')
        if image_id in places:
          raise ValueError(
            f'An image has RoIs once. Received: {image_id}, in two splits of '
            f'{folder}.'
          )
        places[image_id] = RecordPlace(path, int(start), int(size))
  return EarlierRois(
    DetectorFile(
      folder,
      manifest['detector_fingerprint'],
      tuple(manifest['categories']),
      Contents(**manifest['contents']),
      tuple(manifest['attributes']),
    ),
    places,
  )


def _open(folder: str) -> tuple[str, dict[str, Any]]:
  """The folder with its version, and its manifest."""
  folder = folder.rstrip('/')
  for place in (folder, os.path.join(folder, example_schema.FOLDER_VERSION)):
    path = os.path.join(place, example_schema.MANIFEST)
    if storage.exists(path):
      manifest = json.loads(storage.read(path))
      break
  else:
    raise ValueError(
      '--rois= takes a complete folder of vlbert-extract-rois. '
      f'Received: {folder}, without {example_schema.MANIFEST}.'
    )
  found = manifest['schema_version'], manifest['kind']
  if found != (example_schema.SCHEMA_VERSION, example_schema.IMAGES):
    raise ValueError(
      '--rois= takes a folder of vlbert-extract-rois of this release. '
      f'Received: {folder}, records of {found[1]}, version {found[0]}.'
    )
  return place, manifest


def read(
  place: RecordPlace, contents: Contents
) -> tuple[LoadedImage, FoundRois]:
  """Reads the record of an image.

  Args:
    place: of the record.
    contents: what the records of the folder hold.

  Returns:
    The image, without bytes where the record has none, and its RoIs.
  """
  example = tf.train.Example.FromString(storage.read_part(place))
  features = example.features.feature

  def numbers(key, kind):
    return np.array(getattr(features[key], kind).value)

  def raw(key):
    return features[key].bytes_list.value[0] if key in features else b''

  boxes = numbers('roi/box', 'float_list').reshape(-1, 4)
  count = len(boxes)
  width = contents.appearance_size * FEATURE_DTYPE.size
  top = count, contents.top_categories
  appearance = raw(record_contents.ROI_FEATURE)
  top_categories = np.reshape(
    numbers(record_contents.TOP_CATEGORIES, 'int64_list'), top
  )
  top_probabilities = np.reshape(
    numbers(record_contents.TOP_PROBABILITIES, 'float_list'), top
  )
  attributes, attribute_scores = [0] * count, [0.0] * count
  if contents.attributes:
    attributes = numbers(record_contents.ATTRIBUTE, 'int64_list')
    attribute_scores = numbers(record_contents.ATTRIBUTE_SCORE, 'float_list')
  categories = numbers('roi/category', 'int64_list')
  scores = numbers('roi/score', 'float_list')
  regions = tuple(
    DetectedRegion(
      box=tuple(boxes[k].tolist()),
      category=int(categories[k]),
      score=float(scores[k]),
      appearance=appearance[k * width : (k + 1) * width],
      top_categories=tuple(top_categories[k].tolist()),
      top_probabilities=tuple(top_probabilities[k].tolist()),
      attribute=int(attributes[k]),
      attribute_score=float(attribute_scores[k]),
    )
    for k in range(count)
  )
  loaded = LoadedImage(
    raw(record_contents.ENCODED),
    int(numbers('image/height', 'int64_list')[0]),
    int(numbers('image/width', 'int64_list')[0]),
  )
  return loaded, FoundRois(regions, raw(record_contents.IMAGE_FEATURE))
