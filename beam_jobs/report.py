"""What a job came to: as JSON beside the records, and as a page to read."""

import collections
from typing import Any

from vlbert_tf.data.annotations import Drop

NAME = 'report.json'

_BIN = 10  # RoIs in a bar of the printed histogram
_BAR = 40  # characters of the longest bar


def build(
  rows: dict[str, list[dict[str, Any]]], drops: dict[str, list[Drop]]
) -> dict[str, Any]:
  """Sums up the shards of each split.

  Args:
    rows: of `shards.build`, by split.
    drops: all that was set aside, by split.

  Returns:
    By split: images and annotations written and set aside, items set aside by
    reason, images by number of RoIs, bytes, and seconds by stage, summed over
    the workers. The seconds differ from run to run, all else does not.
  """
  return {split: _split(rows[split], drops[split]) for split in rows}


def page(name: str, report: dict[str, Any]) -> str:
  """A page of text.

  Args:
    name: of the data set, or its folder.
    report: of `build`.

  Returns:
    Lines that fit 80 columns.
  """
  return '\n'.join([name, *(_lines(*item) for item in report.items())])


def _split(rows: list[dict[str, Any]], drops: list[Drop]) -> dict[str, Any]:
  rois, seconds = collections.Counter(), collections.Counter()
  for row in rows:
    rois.update({int(count): images for count, images in row['rois'].items()})
    seconds.update(row['seconds'])
  images = sum(row['images'] for row in rows)
  size = sum(row['bytes'] for row in rows)
  return {
    'images': images,
    'annotations': sum(row['annotations'] for row in rows),
    'dropped_images': sum(drop.images for drop in drops),
    'dropped_annotations': sum(drop.annotations for drop in drops),
    'dropped': dict(
      sorted(collections.Counter(drop.reason for drop in drops).items())
    ),
    'images_by_rois': {str(count): rois[count] for count in sorted(rois)},
    'bytes': size,
    'bytes_per_image': round(size / images) if images else 0,
    'seconds': {stage: round(seconds[stage], 3) for stage in sorted(seconds)},
  }


def _lines(split: str, content: dict[str, Any]) -> str:
  total = content['images'] + content['dropped_images']
  lines = [
    f'  {split}: {content["images"]:,} of {total:,} images, '
    f'{content["annotations"]:,} items, {content["bytes"]:,} bytes '
    f'({content["bytes_per_image"]:,} an image)'
  ]
  seconds = content['seconds']
  whole = sum(seconds.values())
  for stage, spent in seconds.items():
    each = spent / total if total else 0.0
    share = spent / whole if whole else 0.0
    lines.append(
      f'    {stage:<8}{spent:10.1f} s {share:5.0%}  {each:8.4f} s an image'
    )
  lines += _histogram(content['images_by_rois'])
  dropped = content['dropped']
  lines.append(f'    set aside: {"nothing" if not dropped else ""}'.rstrip())
  for reason in sorted(dropped, key=lambda reason: -dropped[reason]):
    lines.append(f'      {dropped[reason]:8,} {reason}')
  return '\n'.join(lines)


def _histogram(images_by_rois: dict[str, int]) -> list[str]:
  bins = collections.Counter()
  for count, images in images_by_rois.items():
    bins[int(count) // _BIN] += images
  longest = max(bins.values(), default=1)
  return [
    f'    {place * _BIN:3}-{place * _BIN + _BIN - 1:3} RoIs {bins[place]:8,} '
    + '#' * round(_BAR * bins[place] / longest)
    for place in sorted(bins)
  ]
