"""One shard: images read, checked and written, with one row of what came.

A shard is the unit of work, since a runner may repeat work and hand it out in
any order: the bytes of a shard depend on its plan and its images alone.
"""

import collections
import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from absl import logging

from beam_jobs import (
  appearance,
  detector,
  found_earlier,
  image_files,
  plans,
  shape_batches,
  storage,
)
from beam_jobs import output as outputs
from beam_jobs.record_file import RecordWriter
from beam_jobs.stopwatch import Stopwatch
from vlbert_tf.data import example_schema
from vlbert_tf.data.annotations import Drop, ImageAnnotations, clip_regions

_SECONDS_BETWEEN_LINES = 30.0
_BEGUN = '.begun'
# Stages of which the seconds are counted.
_READ, _DETECT, _WRITE = 'read', 'detect', 'write'


class BuildShard(beam.DoFn):
  """`ShardTask` → the row that is also written to its result path."""

  def __init__(self, output: outputs.Output):
    self._output = output

  def process(self, task: plans.ShardTask) -> Iterator[dict[str, Any]]:
    yield build(task, self._output)


class _Tally:
  """What was written and set aside; nothing of the size of images."""

  def __init__(self):
    self.images = 0
    self.annotations = 0
    self.drops: list[Drop] = []
    self.texts: list[str] = []
    self.answers: collections.Counter[str] = collections.Counter()
    self.rois: collections.Counter[int] = collections.Counter()
    self.bytes = 0
    self.sha256 = ''

  def add(self, image: ImageAnnotations, start: int, size: int) -> None:
    """Counts an image whose record was written.

    Args:
      image: as it was written.
      start: place of the record in the file.
      size: of the record, bytes.
    """
    if image.without_text:
      self.texts.append(f'{image.image_id}\t{start}\t{size}\n')
    self.images += 1
    self.annotations += image.count
    self.rois[len(image.regions)] += 1
    self.texts += [
      f'{image.image_id}\t{caption.text}\n' for caption in image.captions
    ]
    self.answers.update(
      question.answers[0][0] for question in image.questions if question.answers
    )


def build(task: plans.ShardTask, output: outputs.Output) -> dict[str, Any]:
  """Builds a shard; its files appear when they are whole.

  Args:
    task: of the shard.
    output: where it goes.

  Returns:
    What came of it: `split`, `number`, `shards`, `fingerprint` of the plan,
    `images` and `annotations` written, `bytes` and `sha256` of the records,
    `drops` as rows, `answers`: how often each is the most frequent of a
    question, `rois`: images by their number of RoIs, and `seconds` by stage.
  """
  watch = Stopwatch()
  storage.write(task.result_path + _BEGUN, b'')
  plan = plans.read(task.plan_path)
  tally = _write_records(plan, output, watch)
  row = {
    'split': plan.split,
    'number': plan.number,
    'shards': plan.shards,
    'fingerprint': task.fingerprint,
    'images': tally.images,
    'annotations': tally.annotations,
    'bytes': tally.bytes,
    'sha256': tally.sha256,
    'drops': [dataclasses.asdict(drop) for drop in sorted(tally.drops)],
    'answers': dict(tally.answers),
    'rois': {str(count): images for count, images in tally.rois.items()},
    'seconds': watch.seconds(),
  }
  storage.write(
    task.result_path, json.dumps(row, sort_keys=True).encode('utf-8')
  )
  logging.info(
    'Shard %d of %d of %s: %d images, %d set aside, %.1f s.',
    plan.number + 1,
    plan.shards,
    plan.split,
    tally.images,
    task.images - tally.images,
    watch.total(),
  )
  return row


def begun(output: outputs.Output) -> bool:
  """Whether a worker has begun a shard."""
  return any(name.endswith(_BEGUN) for name in storage.names(output.work))


def finished(
  task: plans.ShardTask, output: outputs.Output
) -> dict[str, Any] | None:
  """The row of a shard that an earlier job finished after the same plan."""
  if not storage.exists(task.result_path):
    return None
  row = json.loads(storage.read(task.result_path))
  plan = plans.read(task.plan_path)
  records = plan.records_path(output.building)
  same = (
    row['fingerprint'] == task.fingerprint
    and storage.exists(records)
    and storage.size(records) == row['bytes']
  )
  return row if same else None


def _write_records(
  plan: plans.ShardPlan, output: outputs.Output, watch: Stopwatch
) -> _Tally:
  """Writes records and texts."""
  settings = plan.settings
  tally = _Tally()
  digest = hashlib.sha256()
  with storage.replaced(plan.records_path(output.building)) as file:
    writer = RecordWriter(file, digest)
    for number, (image, loaded, rois) in enumerate(_load(plan, watch)):
      watch.start(_WRITE)
      try:
        image, cut = _fit(image, loaded, rois, settings)
      except image_files.UnusableImageError as error:
        tally.drops.append(_drop(image, error))
        continue
      tally.drops += cut
      record = _encode(image, loaded, rois, settings)
      tally.add(image, writer.write(record), len(record))
      if watch.every(_SECONDS_BETWEEN_LINES):
        _log_progress(plan, number + 1, watch)
    tally.bytes = writer.size
  tally.sha256 = digest.hexdigest()
  texts = plan.texts_path(output.building)
  if texts:
    storage.write(texts, ''.join(tally.texts).encode('utf-8'))
  watch.start(None)
  return tally


def _encode(
  image: ImageAnnotations,
  loaded: image_files.LoadedImage,
  rois: detector.FoundRois | None,
  settings: plans.Settings,
) -> bytes:
  found = image.detected or (rois is not None and not settings.appearance)
  return example_schema.encode_example(
    settings.kind,
    image,
    loaded.encoded,
    loaded.height,
    loaded.width,
    example_schema.DETECTED if found else example_schema.ANNOTATED,
    settings.detector_fingerprint,
    settings.contents,
    rois.image_appearance if rois else b'',
  )


def _load(
  plan: plans.ShardPlan, watch: Stopwatch
) -> Iterator[
  tuple[
    ImageAnnotations,
    image_files.Loaded,
    detector.FoundRois | image_files.UnusableImageError | None,
  ]
]:
  """Each image of a plan, with its file and what was found on it."""
  settings = plan.settings
  computes = bool(settings.detector or settings.appearance)

  def load_all():
    for image in plan.images:
      watch.start(_READ)
      loaded = _load_one(image, settings)
      watch.start(_DETECT if computes else _WRITE)
      yield loaded

  if settings.earlier:
    watch.start(_READ)
    pairs = (_load_earlier(image, settings) for image in plan.images)
  elif settings.detector:
    ask = functools.partial(detector.detect, settings.detector)
    pairs = shape_batches.in_order(ask, load_all(), detector.batch_size())
  elif settings.appearance:
    ask = functools.partial(appearance.describe, settings.appearance)
    with_boxes = map(appearance.with_regions, load_all(), plan.images)
    pairs = shape_batches.in_order(ask, with_boxes, detector.batch_size())
  else:
    pairs = ((loaded, None) for loaded in load_all())
  for image, (loaded, rois) in zip(plan.images, pairs, strict=True):
    yield image, loaded, rois
    watch.start(_DETECT if computes else _READ)


def _load_earlier(
  image: ImageAnnotations, settings: plans.Settings
) -> tuple[
  image_files.Loaded, detector.FoundRois | image_files.UnusableImageError
]:
  """The image with the RoIs that were found earlier."""
  if image.rois is None:
    error = image_files.UnusableImageError(
      'rois_missing', 'The image is not among those of --rois.'
    )
    return error, error
  loaded, rois = found_earlier.read(image.rois, settings.earlier)
  if settings.contents.image and not loaded.encoded:
    return _load_one(image, settings), rois
  return loaded, rois


def _load_one(
  image: ImageAnnotations, settings: plans.Settings
) -> image_files.Loaded:
  try:
    return image_files.load(image.image_path, settings.max_pixels, image.file)
  except image_files.UnusableImageError as error:
    return error


def _fit(
  image: ImageAnnotations,
  loaded: image_files.Loaded,
  rois: detector.FoundRois | image_files.UnusableImageError | None,
  settings: plans.Settings,
) -> tuple[ImageAnnotations, list[Drop]]:
  """Clips regions to the decoded image and keeps those of highest score."""
  for each in (loaded, rois):
    if isinstance(each, image_files.UnusableImageError):
      raise each
  if rois is not None:
    image = dataclasses.replace(image, regions=rois.regions)
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


def _drop(
  image: ImageAnnotations, error: image_files.UnusableImageError
) -> Drop:
  return Drop(
    f'image {image.image_id}',
    error.reason,
    error.detail,
    images=1,
    annotations=image.count,
  )


def _log_progress(plan: plans.ShardPlan, done: int, watch: Stopwatch) -> None:
  logging.info(
    'Shard %d of %d of %s: %d of %d images, %.2f images/s.',
    plan.number + 1,
    plan.shards,
    plan.split,
    done,
    len(plan.images),
    done / watch.total(),
  )
