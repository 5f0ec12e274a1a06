"""Which images make up a shard: decided before the work starts, in files.

Images in the order of `shuffle` are cut into equal parts, so the same
annotations give the same shards on any machine. A plan's hash says, after a
restart, whether a finished shard is the one that is wanted.
"""

import dataclasses
import hashlib
import itertools
import json
import os
from collections.abc import Iterator
from typing import Any

from beam_jobs import output as outputs
from beam_jobs import shuffle, storage
from vlbert_tf.data import example_schema
from vlbert_tf.data.annotations import (
  Caption,
  ChoiceQuestion,
  Expression,
  ImageAnnotations,
  Question,
  RecordPlace,
  Region,
  TaggedText,
)
from vlbert_tf.data.record_contents import Contents


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
  """What holds for all shards.

  Attributes:
    name: of the data set.
    kind: of the records; see `example_schema`.
    max_rois: RoIs kept of an image.
    max_pixels: of an image, height times width.
    detector: path of the SavedModel that finds the RoIs; '' where they are
      annotated.
    detector_fingerprint: of its files.
    contents: what the records hold of an image.
    earlier: what the records hold whose RoIs are joined; None where none are.
    appearance: path of the detector's SavedModel that tells the appearance of
      annotated boxes; '' where none does.
  """

  name: str
  kind: str
  max_rois: int
  max_pixels: int
  detector: str = ''
  detector_fingerprint: str = ''
  contents: Contents = Contents()
  earlier: Contents | None = None
  appearance: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardPlan:
  """The images of one shard, in the order of its records."""

  settings: Settings
  split: str
  number: int
  shards: int
  images: tuple[ImageAnnotations, ...]

  def records_path(self, folder: str) -> str:
    """Path of its records."""
    return example_schema.record_path(folder, *self._place)

  def texts_path(self, folder: str) -> str | None:
    """Path of its table: captions, or where the record of an image is."""
    if self.settings.kind not in (
      example_schema.CAPTIONS,
      example_schema.IMAGES,
    ):
      return None
    return example_schema.texts_path(folder, *self._place)

  def to_json(self) -> str:
    """The plan as a text, the same for the same plan."""
    return json.dumps(
      {
        'schema_version': example_schema.SCHEMA_VERSION,
        **dataclasses.asdict(self),
      },
      sort_keys=True,
    )

  @property
  def _place(self) -> tuple[str, str, int, int]:
    return self.settings.name, self.split, self.number, self.shards


@dataclasses.dataclass(frozen=True)
class ShardTask:
  """One shard to be built, small enough to be sent around.

  Attributes:
    plan_path: file of the plan.
    result_path: where to write what came of it.
    fingerprint: of the plan.
    images: in the plan.
    annotations: captions or questions in the plan.
  """

  plan_path: str
  result_path: str
  fingerprint: str
  images: int
  annotations: int


def cut(
  images: shuffle.ShuffledImages,
  split: str,
  settings: Settings,
  images_per_shard: int,
) -> Iterator[ShardPlan]:
  """Cuts a split into shards of equal size.

  Args:
    images: of the split.
    split: its name.
    settings: of all shards.
    images_per_shard: at most.

  Yields:
    Plans; the images of one at a time are in memory.
  """
  stream = iter(images)
  shards = max(1, -(-images.count // images_per_shard))
  ends = [number * images.count // shards for number in range(shards + 1)]
  for number, (first, end) in enumerate(itertools.pairwise(ends)):
    yield ShardPlan(
      settings=settings,
      split=split,
      number=number,
      shards=shards,
      images=tuple(itertools.islice(stream, end - first)),
    )


def write(plan: ShardPlan, output: outputs.Output) -> ShardTask:
  """Writes a plan where the workers will find it."""
  text = plan.to_json()
  stem = os.path.join(
    output.work, f'{plan.split}-{plan.number:05d}-of-{plan.shards:05d}'
  )
  storage.write(f'{stem}.plan.json', text.encode('utf-8'))
  return ShardTask(
    plan_path=f'{stem}.plan.json',
    result_path=f'{stem}.result.json',
    fingerprint=hashlib.sha256(text.encode('utf-8')).hexdigest(),
    images=len(plan.images),
    annotations=sum(image.count for image in plan.images),
  )


def read(path: str) -> ShardPlan:
  """Reads a plan that `write` wrote."""
  content = json.loads(storage.read(path))
  settings = content['settings']
  return ShardPlan(
    settings=Settings(
      **{
        **settings,
        'contents': Contents(**settings['contents']),
        'earlier': settings['earlier'] and Contents(**settings['earlier']),
      }
    ),
    split=content['split'],
    number=content['number'],
    shards=content['shards'],
    images=tuple(_image(row) for row in content['images']),
  )


def _image(row: dict[str, Any]) -> ImageAnnotations:
  return ImageAnnotations(
    **{
      **row,
      'regions': tuple(
        Region(
          **{
            **region,
            'box': tuple(region['box']),
            'attributes': tuple(region['attributes']),
          }
        )
        for region in row['regions']
      ),
      'captions': tuple(Caption(**caption) for caption in row['captions']),
      'questions': tuple(
        Question(
          **{**question, 'answers': tuple(map(tuple, question['answers']))}
        )
        for question in row['questions']
      ),
      'expressions': tuple(
        Expression(**{**each, 'box': tuple(each['box'])})
        for each in row['expressions']
      ),
      'choices': tuple(_choice(each) for each in row['choices']),
      'size': tuple(row['size']) if row['size'] else None,
      'rois': RecordPlace(**row['rois']) if row['rois'] else None,
      'file': RecordPlace(**row['file']) if row['file'] else None,
    }
  )


def _choice(row: dict[str, Any]) -> ChoiceQuestion:
  def text(words_and_tags):
    return TaggedText(**{k: tuple(v) for k, v in words_and_tags.items()})

  return ChoiceQuestion(
    **{
      **row,
      'question': text(row['question']),
      'answers': tuple(map(text, row['answers'])),
      'rationales': tuple(map(text, row['rationales'])),
    }
  )
