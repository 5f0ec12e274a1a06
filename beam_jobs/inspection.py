"""Looks at a folder of records: counts, rules, and a sheet of pictures."""

import collections
import dataclasses
import json
import os
import random
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from beam_jobs import contact_sheet, storage
from vlbert_tf.data import (
  example_schema,
  record_contents,
  record_kinds,
  tfds_features,
)
from vlbert_tf.vision import image as images

# Flaws that are named; all are counted.
_NAMED = 20
_MOST_FREQUENT = 8


@dataclasses.dataclass(frozen=True)
class Findings:
  """What was found.

  Attributes:
    page: to read.
    flaws: a sentence for each broken rule.
  """

  page: str
  flaws: tuple[str, ...]


def inspect(
  folder: str,
  *,
  splits: Sequence[str] = (),
  sheet: str = '',
  images: int = 12,
  seed: int = 0,
  check_images: int = 0,
) -> Findings:
  """Inspects records.

  Args:
    folder: `OUT/NAME/1.0.0`, or `OUT/NAME`; local.
    splits: names; all when there are none.
    sheet: path of the picture; '' for none.
    images: records on it.
    seed: of their choice.
    check_images: records of each split that are checked; 0 is all.

  Returns:
    `Findings`.

  Raises:
    ValueError: there is no such folder, it is not complete, or has no such
      split.
  """
  names = tuple(splits) or example_schema.split_names(folder)
  opened = [example_schema.open_split(folder, name) for name in names]
  lines = [f'{opened[0].folder}: {opened[0].kind}']
  lines += _features(opened[0])
  flaws: list[str] = []
  chosen: list[dict[str, np.ndarray]] = []
  for split in opened:
    sample = _Sample(images, seed)
    counts, attributes = collections.Counter(), collections.Counter()
    for place, record in _records(split, check_images):
      sample.offer(record)
      _count(record, split, counts)
      for names in contact_sheet.attributes(record, split):
        attributes.update(names)
      flaws += [f'{place}: {flaw}' for flaw in broken_rules(record, split)]
    if not check_images:
      flaws += _wrong_counts(split, counts)
    lines += _lines(split, counts)
    lines += _attribute_lines(split, attributes)
    chosen += sample.kept
  if sheet:
    picture = contact_sheet.draw(chosen[:images], opened[0])
    storage.write(sheet, picture)
    lines.append(f'{min(len(chosen), images)} records are drawn in {sheet}.')
  lines += [f'FLAW {flaw}' for flaw in flaws[:_NAMED]]
  lines.append(f'{len(flaws)} flaws.' if flaws else 'All rules hold.')
  return Findings('\n'.join(lines) + '\n', tuple(flaws))


def broken_rules(
  record: dict[str, np.ndarray], split: example_schema.SplitInfo
) -> Iterator[str]:
  """What is wrong with a record.

  Args:
    record: of `parse_example`, as arrays.
    split: it belongs to.

  Yields:
    A sentence for each rule that does not hold.
  """
  height, width = int(record['image/height']), int(record['image/width'])
  boxes = record['roi/box']
  count = len(boxes)
  if not count:
    yield 'it has no RoI'
  if not np.isfinite(boxes).all():
    yield 'a coordinate is no number'
  x1, y1, x2, y2 = boxes.T
  if not ((x1 < x2) & (y1 < y2)).all():
    yield 'a box has no area'
  outside = (x1 < 0) | (y1 < 0) | (x2 > width) | (y2 > height)
  if outside.any():
    yield f'box {boxes[outside][0].tolist()} leaves {height} x {width} pixels'
  for name, value in record.items():
    # Ragged features are lists, of which numpy would make no array.
    listed = isinstance(value, list) or np.ndim(value) > 0
    if name.startswith('roi/') and listed and len(value) != count:
      yield f'{name} has {len(value)} rows for {count} RoIs'
  categories = record['roi/category']
  if not ((categories >= 0) & (categories <= len(split.categories))).all():
    yield f'a category is none of the {len(split.categories)}'
  yield from broken_attributes(record, split)
  scores = record['roi/score']
  if not ((scores >= 0) & (scores <= 1)).all():
    yield 'a score is no probability'
  for name in (record_contents.ROI_FEATURE, record_contents.IMAGE_FEATURE):
    if name in record and not np.isfinite(record[name]).all():
      yield f'{name} holds what is no number'
  yield from _broken_texts(record, split)
  if record_contents.ENCODED in record:
    yield from _broken_image(record[record_contents.ENCODED], height, width)


def broken_attributes(
  record: dict[str, np.ndarray], split: example_schema.SplitInfo
) -> Iterator[str]:
  """What is wrong with detected attributes; see `broken_rules`."""
  numbers = np.array(record.get(record_contents.ATTRIBUTE, ()))
  known = len(split.attributes)
  if not ((numbers >= 0) & (numbers <= known)).all():
    yield f'an attribute is none of the {known}'


def _broken_texts(record, split) -> Iterator[str]:
  counted = record_kinds.COUNTED[split.kind]
  prefix = counted.partition('/')[0]
  if prefix == 'image':
    return
  count = len(record[counted])
  if not count:
    yield 'it has no text'
  for name, value in record.items():
    if name.startswith(f'{prefix}/') and len(value) != count:
      yield f'{name} has {len(value)} rows for {count} texts'
    if name == f'{prefix}/text' and not all(value):
      yield f'{name} is empty'


def _broken_image(encoded: bytes, height: int, width: int) -> Iterator[str]:
  try:
    shape = tuple(images.decode(tf.constant(encoded)).shape[:2])
  except tf.errors.InvalidArgumentError:
    yield 'its image cannot be decoded'
    return
  if shape != (height, width):
    yield f'its image has {shape} pixels in place of {(height, width)}'


class _Sample:
  """Some of a stream, each with the same chance (reservoir sampling)."""

  def __init__(self, size: int, seed: int):
    self.kept: list[dict[str, np.ndarray]] = []
    self._size, self._seen = size, 0
    self._random = random.Random(seed)

  def offer(self, record: dict[str, np.ndarray]) -> None:
    self._seen += 1
    if len(self.kept) < self._size:
      self.kept.append(record)
      return
    place = self._random.randrange(self._seen)
    if place < self._size:
      self.kept[place] = record


def _records(
  split: example_schema.SplitInfo, limit: int
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
  """Each record as arrays, with a name for messages."""
  # Not interleaved: a flaw is named by file and place.
  for path in split.paths:
    for number, serialized in enumerate(tf.data.TFRecordDataset(path)):
      if limit and number >= limit:
        return
      record = example_schema.parse_example(
        serialized, split.kind, split.contents
      )
      arrays = {
        name: value.to_list()
        if isinstance(value, tf.RaggedTensor)
        else value.numpy()
        for name, value in record.items()
      }
      yield f'{os.path.basename(path)}, record {number}', arrays


def _count(record, split, counts: collections.Counter) -> None:
  counts['images'] += 1
  counts['rois'] += len(record['roi/box'])
  counts[record['roi/source'].decode('utf-8')] += 1
  of_text = record[record_kinds.COUNTED[split.kind]]
  counts['annotations'] += 1 if np.ndim(of_text) == 0 else len(of_text)
  counts['bytes'] += sum(
    len(value) for value in record.values() if isinstance(value, bytes)
  )


def _wrong_counts(split, counts) -> Iterator[str]:
  for name in ('images', 'annotations'):
    if counts[name] != getattr(split, name):
      yield (
        f'{split.split}: {counts[name]} {name}, and the manifest says '
        f'{getattr(split, name)}'
      )


def _features(split: example_schema.SplitInfo) -> list[str]:
  described = tfds_features.features_dict(split.kind, split.contents)
  contents = json.dumps(dataclasses.asdict(split.contents))
  lines = [f'contents: {contents}', f'categories: {len(split.categories)}']
  if split.attributes:
    lines.append(f'attributes: {len(split.attributes)}')
  return [*lines, *(f'  {name}: {described[name]!r}' for name in described)]


def _attribute_lines(split, attributes: collections.Counter) -> list[str]:
  if not split.attributes:
    return []
  # Equal counts in the order of names, whatever order the records are in.
  ranked = sorted(attributes.items(), key=lambda item: (-item[1], item[0]))
  most = ', '.join(f'{name} {n:,}' for name, n in ranked[:_MOST_FREQUENT])
  return [f'  attributes: {len(attributes):,} of them seen: {most or "none"}']


def _lines(split, counts) -> list[str]:
  seen = max(1, counts['images'])
  return [
    f'{split.split}: {split.images:,} images, {split.annotations:,} '
    f'{split.kind}, {len(split.paths)} files; looked at '
    f'{counts["images"]:,}: {counts["rois"] / seen:.1f} RoIs and '
    f'{counts["annotations"] / seen:.2f} {split.kind} an image, '
    f'{counts[example_schema.DETECTED]:,} detected, '
    f'{counts[example_schema.ANNOTATED]:,} annotated'
  ]
