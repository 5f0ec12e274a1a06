"""One shard: images read, checked and written, with one row of what came.

A shard is the unit of work, since a runner may repeat work and hand it out in
any order: the bytes of a shard depend on its plan and its images alone.
"""

import collections
import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from absl import logging

from beam_jobs import detector, image_files, plans
from beam_jobs import output as outputs
from vlbert_tf.data import example_schema
from vlbert_tf.data.annotations import Drop, ImageAnnotations, clip_regions


class BuildShard(beam.DoFn):
  """`ShardTask` → the row that is also written to its result path."""

  def __init__(self, output: outputs.Output):
    self._output = output

  def process(self, task: plans.ShardTask) -> Iterator[dict[str, Any]]:
    yield build(task, self._output)


def build(task: plans.ShardTask, output: outputs.Output) -> dict[str, Any]:
  """Builds a shard; its files appear when they are whole.

  Args:
    task: of the shard.
    output: where it goes.

  Returns:
    What came of it: `split`, `number`, `shards`, `fingerprint` of the plan,
    `images` and `annotations` written, `bytes` and `sha256` of the records,
    `drops` as rows, and `answers`: how often each is the most frequent of a
    question.
  """
  start = time.monotonic()
  plan = plans.read(task.plan_path)
  written, drops = _write_records(plan, output)
  records = plan.records_path(output.building)
  row = {
    'split': plan.split,
    'number': plan.number,
    'shards': plan.shards,
    'fingerprint': task.fingerprint,
    'images': len(written),
    'annotations': sum(image.count for image in written),
    'bytes': tf.io.gfile.stat(records).length,
    'sha256': _sha256(records),
    'drops': [dataclasses.asdict(drop) for drop in sorted(drops)],
    'answers': _answers(written),
  }
  outputs.write_file(task.result_path, json.dumps(row, sort_keys=True))
  logging.info(
    'Shard %d of %d of %s: %d images, %d set aside, %.1f s.',
    plan.number + 1,
    plan.shards,
    plan.split,
    len(written),
    task.images - len(written),
    time.monotonic() - start,
  )
  return row


def finished(
  task: plans.ShardTask, output: outputs.Output
) -> dict[str, Any] | None:
  """The row of a shard that an earlier job finished after the same plan."""
  if not tf.io.gfile.exists(task.result_path):
    return None
  row = json.loads(outputs.read_file(task.result_path))
  plan = plans.read(task.plan_path)
  records = plan.records_path(output.building)
  same = (
    row['fingerprint'] == task.fingerprint
    and tf.io.gfile.exists(records)
    and tf.io.gfile.stat(records).length == row['bytes']
  )
  return row if same else None


def _write_records(
  plan: plans.ShardPlan, output: outputs.Output
) -> tuple[list[ImageAnnotations], list[Drop]]:
  """Writes records and texts; what was written, and what was not."""
  settings = plan.settings
  written, drops = [], []
  temporary = outputs.temporary_path(output.work)
  with tf.io.TFRecordWriter(temporary) as writer:
    for image, loaded in _load(plan):
      if isinstance(loaded, image_files.UnusableImageError):
        drops.append(_drop(image, loaded.reason, loaded.detail))
        continue
      try:
        image, boxes_dropped = _fit_regions(image, loaded, settings)
      except image_files.UnusableImageError as error:
        drops.append(_drop(image, error.reason, error.detail))
        continue
      drops += boxes_dropped
      writer.write(
        example_schema.encode_example(
          settings.kind,
          image,
          loaded.encoded,
          loaded.height,
          loaded.width,
          _source_of_rois(image, settings),
          settings.detector_fingerprint,
        )
      )
      written.append(image)
  texts = plan.texts_path(output.building)
  if texts:
    tf.io.gfile.makedirs(os.path.dirname(texts))
    outputs.write_file(
      texts,
      ''.join(
        f'{image.image_id}\t{caption.text}\n'
        for image in written
        for caption in image.captions
      ),
    )
  outputs.move_into_place(temporary, plan.records_path(output.building))
  return written, drops


def _source_of_rois(image: ImageAnnotations, settings: plans.Settings) -> str:
  found = settings.detector or image.detected
  return example_schema.DETECTED if found else example_schema.ANNOTATED


def _load(
  plan: plans.ShardPlan,
) -> Iterator[
  tuple[
    ImageAnnotations, image_files.LoadedImage | image_files.UnusableImageError
  ]
]:
  """Each image of a plan, with its file or why there is none."""
  if not plan.settings.detector:
    for image in plan.images:
      yield image, _load_one(image, plan.settings)
    return
  files = [_load_one(image, plan.settings) for image in plan.images]
  usable = [f for f in files if isinstance(f, image_files.LoadedImage)]
  found = iter(detector.detect(plan.settings.detector, usable))
  for image, file in zip(plan.images, files, strict=True):
    if isinstance(file, image_files.LoadedImage):
      image = dataclasses.replace(image, regions=next(found))
    yield image, file


def _load_one(
  image: ImageAnnotations, settings: plans.Settings
) -> image_files.LoadedImage | image_files.UnusableImageError:
  try:
    return image_files.load(image.image_path, settings.max_pixels)
  except image_files.UnusableImageError as error:
    return error


def _fit_regions(
  image: ImageAnnotations,
  loaded: image_files.LoadedImage,
  settings: plans.Settings,
) -> tuple[ImageAnnotations, list[Drop]]:
  """Clips regions to the decoded image and keeps those of highest score."""
  size = (loaded.height, loaded.width)
  if image.size and image.size != size:
    raise image_files.UnusableImageError(
      'image_size_differs',
      f'{image.image_path} has {size[0]} rows of {size[1]} pixels; its boxes '
      f'are measured in {image.size[0]} rows of {image.size[1]}.',
    )
  regions, drops = clip_regions(image.image_id, image.regions, *size)
  if not regions:
    raise image_files.UnusableImageError(
      'no_rois', 'There is no box with an area on this image.'
    )
  if len(regions) > settings.max_rois:
    # Python's sort keeps the file's order among equal scores.
    best = sorted(regions, key=lambda region: -region.score)
    detail = f'{len(regions)}; the {settings.max_rois} of highest score stay.'
    drops.append(Drop(f'regions of image {image.image_id}', 'rois_cut', detail))
    regions = tuple(best[: settings.max_rois])
  return dataclasses.replace(image, regions=regions), drops


def _drop(image: ImageAnnotations, reason: str, detail: str) -> Drop:
  return Drop(
    f'image {image.image_id}',
    reason,
    detail,
    images=1,
    annotations=image.count,
  )


def _answers(images: list[ImageAnnotations]) -> dict[str, int]:
  return dict(
    collections.Counter(
      question.answers[0][0]
      for image in images
      for question in image.questions
      if question.answers
    )
  )


def _sha256(path: str) -> str:
  digest = hashlib.sha256()
  with tf.io.gfile.GFile(path, 'rb') as file:
    while block := file.read(1 << 20):
      digest.update(block)
  return digest.hexdigest()
