"""The last step: all shards are there, the sum is right, the folder appears."""

import collections
import dataclasses
import json
import os
import tempfile
from typing import Any

from absl import logging

from beam_jobs import output as outputs
from beam_jobs import plans, report, storage
from vlbert_tf.data import example_schema, tfds_features
from vlbert_tf.data.annotations import Drop
from vlbert_tf.text import answers

_COMMON_REASONS = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitWork:
  """What a split should come to.

  Attributes:
    split: its name.
    tasks: its shards, in order.
    drops: what its reader set aside.
  """

  split: str
  tasks: tuple[plans.ShardTask, ...]
  drops: tuple[Drop, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Publication:
  """What is written beside the records.

  Attributes:
    settings: of the shards.
    categories: names of the categories of RoIs.
    command: that builds the folder.
    max_drop_fraction: of the captions or questions of a split.
    min_answer_occurrences: see `build_answer_vocabulary`.
    attributes: names of the attributes of RoIs.
  """

  settings: plans.Settings
  categories: tuple[str, ...]
  command: str
  max_drop_fraction: float
  min_answer_occurrences: int
  attributes: tuple[str, ...] = ()


def publish(
  publication: Publication,
  splits: list[SplitWork],
  output: outputs.Output,
) -> dict[str, Any]:
  """Checks all shards, describes them, and makes the folder visible.

  Args:
    publication: what is to be said of them.
    splits: what they should come to.
    output: where they are.

  Returns:
    The manifest.

  Raises:
    RuntimeError: a shard is missing, or images were lost.
    ValueError: too much was set aside, or nothing is left.
  """
  rows = {work.split: _rows(work) for work in splits}
  drops = {
    work.split: sorted(
      [*work.drops]
      + [Drop(**drop) for row in rows[work.split] for drop in row['drops']]
    )
    for work in splits
  }
  for work in splits:
    _check_fraction(
      work.split, rows[work.split], drops[work.split], publication
    )
  manifest = _manifest(publication, rows, drops)
  texts = {
    'drops.jsonl': _drop_lines(drops),
    'categories.txt': ''.join(f'{name}\n' for name in publication.categories),
    report.NAME: json.dumps(report.build(rows, drops), indent=2) + '\n',
  }
  counts = _answer_counts(rows)
  if counts:
    texts['answers.txt'] = answers.answer_vocabulary_text(
      answers.build_answer_vocabulary(
        counts, publication.min_answer_occurrences
      )
    )
  texts |= _tfds_metadata(publication.settings, rows)
  # The last one: readers refuse a folder without it.
  texts[example_schema.MANIFEST] = json.dumps(manifest, indent=2) + '\n'
  for name, text in texts.items():
    storage.write(os.path.join(output.building, name), text.encode('utf-8'))
  output.complete()
  return manifest


def _rows(work: SplitWork) -> list[dict[str, Any]]:
  """The rows of a split's shards, checked against their plans."""
  rows = []
  for task in work.tasks:
    try:
      row = json.loads(storage.read(task.result_path))
    except Exception as error:
      raise RuntimeError(
        f'Each shard must be built before the folder is complete. There is no '
        f'{task.result_path}. Run the same command again.'
      ) from error
    for what in ('images', 'annotations'):
      came = row[what] + sum(drop[what] for drop in row['drops'])
      if row['fingerprint'] != task.fingerprint or came != getattr(task, what):
        raise RuntimeError(
          f'Written and set aside must add up to what was planned. '
          f'{task.result_path} has {came} {what} of {getattr(task, what)}. '
          'Remove it and run the same command again.'
        )
    rows.append(row)
  return rows


def _check_fraction(
  split: str,
  rows: list[dict[str, Any]],
  drops: list[Drop],
  publication: Publication,
) -> None:
  kind = publication.settings.kind
  kept = sum(row['annotations'] for row in rows)
  lost = sum(drop.annotations for drop in drops)
  reasons = collections.Counter()
  for drop in drops:
    reasons[drop.reason] += drop.annotations
  most = ', '.join(
    f'{reason} ({count})'
    for reason, count in reasons.most_common(_COMMON_REASONS)
    if count
  )
  if lost > publication.max_drop_fraction * (kept + lost):
    worst = reasons.most_common(1)[0][0]
    first = next(drop for drop in drops if drop.reason == worst)
    example = f'{first.item} ({first.detail.rstrip(".")})'
    raise ValueError(
      f'At most {publication.max_drop_fraction:.1%} of the {kind} of a split '
      f'may be set aside. Received: {lost} of {kept + lost} in {split}; most '
      f'frequent: {most}; for example {example}. '
      'Repair the data, or pass a higher --max_drop_fraction: the finished '
      'shards are used again.'
    )
  if not kept:
    raise ValueError(
      f'A split must keep at least one of its {kind}. Received: {split}, with '
      f'{lost} set aside: {most or "there were none"}.'
    )


def _manifest(
  publication: Publication,
  rows: dict[str, list[dict[str, Any]]],
  drops: dict[str, list[Drop]],
) -> dict[str, Any]:
  splits = {}
  for split, shards in rows.items():
    reasons = collections.Counter(drop.reason for drop in drops[split])
    splits[split] = {
      'shards': len(shards),
      'images': sum(row['images'] for row in shards),
      'annotations': sum(row['annotations'] for row in shards),
      'dropped_images': sum(drop.images for drop in drops[split]),
      'dropped_annotations': sum(drop.annotations for drop in drops[split]),
      'dropped': dict(sorted(reasons.items())),
      'shard_lengths': [row['images'] for row in shards],
      'shard_annotations': [row['annotations'] for row in shards],
      'sha256': [row['sha256'] for row in shards],
    }
    logging.info(
      '%s: %d images with %d %s; set aside: %s.',
      split,
      splits[split]['images'],
      splits[split]['annotations'],
      publication.settings.kind,
      ', '.join(f'{key} {n}' for key, n in sorted(reasons.items()))
      or 'nothing',
    )
  return {
    'schema_version': example_schema.SCHEMA_VERSION,
    'kind': publication.settings.kind,
    'name': publication.settings.name,
    'detector_fingerprint': publication.settings.detector_fingerprint,
    'contents': dataclasses.asdict(publication.settings.contents),
    'command': publication.command,
    'categories': list(publication.categories),
    'attributes': list(publication.attributes),
    'splits': splits,
  }


def _drop_lines(drops: dict[str, list[Drop]]) -> str:
  return ''.join(
    json.dumps({'split': split, **dataclasses.asdict(drop)}) + '\n'
    for split in sorted(drops)
    for drop in drops[split]
  )


def _answer_counts(rows: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
  """Answers of the training split, or of the first one."""
  split = 'train' if 'train' in rows else next(iter(rows))
  counts = collections.Counter()
  for row in rows[split]:
    counts.update(row['answers'])
  # An answer of articles and marks alone is nothing when normalised.
  counts.pop('', None)
  return counts


def _tfds_metadata(
  settings: plans.Settings, rows: dict[str, list[dict[str, Any]]]
) -> dict[str, str]:
  """What TensorFlow Datasets wants to find in the folder, by file name."""
  import tensorflow_datasets as tfds

  with tempfile.TemporaryDirectory() as parent:
    # Name and version are read from the path.
    folder = os.path.join(parent, settings.name, example_schema.FOLDER_VERSION)
    os.makedirs(folder)
    # The records lie elsewhere, on a file system that it may not know; it
    # wants to see their names.
    for split, shards in rows.items():
      for row in shards:
        place = settings.name, split, row['number'], row['shards']
        storage.write(example_schema.record_path(folder, *place), b'')
    splits = [
      tfds.core.SplitInfo(
        name=split,
        shard_lengths=[row['images'] for row in shards],
        num_bytes=sum(row['bytes'] for row in shards),
        filename_template=tfds.core.ShardedFileTemplate(
          data_dir=folder,
          dataset_name=settings.name,
          split=split,
          filetype_suffix='tfrecord',
        ),
      )
      for split, shards in rows.items()
    ]
    tfds.folder_dataset.write_metadata(
      data_dir=folder,
      features=tfds_features.features_dict(settings.kind, settings.contents),
      split_infos=splits,
      filename_template='{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}',
      check_data=False,
    )
    return {
      name: storage.read(os.path.join(folder, name)).decode('utf-8')
      for name in ('features.json', example_schema.DATASET_INFO)
    }
