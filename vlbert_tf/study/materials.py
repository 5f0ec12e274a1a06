"""Data, vocabulary, detector and records of the study, as steps."""

import os
import pathlib

from vlbert_tf import recipes
from vlbert_tf.study import runs
from vlbert_tf.study.measures import GROUNDING_SPLITS
from vlbert_tf.walkthrough import programs
from vlbert_tf.walkthrough.steps import Step, Walk

_VOCABULARY = 1500
_HELD_OUT = 8
_VAL_IMAGES = 100
# Masked RoIs of related pairs are counted there.
_CAPTION_VAL_IMAGES = 600


def prepare(walk: Walk, scale: runs.Scale) -> None:
  """Makes all that the runs read, as far as it is not there.

  Args:
    walk: its folder gets `data`, `detector`, `vocab.txt` and `records`.
    scale: numbers of images.
  """
  root = walk.folder
  data, records = root / 'data', root / 'records'
  walk.run(
    _scenes(data, scale),
    programs.export('export detector', recipes.DETECTOR, root / 'detector'),
  )
  walk.run(
    programs.learn_vocabulary(
      root,
      _VOCABULARY,
      data / 'captions' / 'train.tsv',
      programs.questions_file(data, 'train'),
    )
  )
  detector = f'--detector={root}/detector'
  walk.run(_captions(data, records, detector), _choices(data, records))
  walk.run(
    programs.build_questions(
      data, records, runs.QUESTIONS, ['--keep=features', detector]
    ),
    _annotated(data, records),
  )
  walk.run(_detected(data, records, detector))


def _scenes(data: pathlib.Path, scale: runs.Scale) -> Step:
  return Step(
    'make scenes',
    'vlbert-make-scenes',
    [
      f'--output_dir={data}',
      f'--train_images={scale.labelled_images}',
      f'--val_images={_VAL_IMAGES}',
      f'--test_images={scale.test_images}',
      f'--caption_images={scale.caption_images}',
      f'--caption_val_images={_CAPTION_VAL_IMAGES}',
      f'--held_out_combinations={_HELD_OUT}',
      '--with_regions',
      f'--num_workers={os.cpu_count()}',
    ],
  )


def _captions(data, records, detector) -> Step:
  """With pixels and features, for both kinds of runs."""
  splits = [
    f'--split={split},captions={data}/captions/{split}.tsv,'
    f'images={data}/images,'
    f'image_index={data}/captions/{split}_index.tsv'
    for split in ('train', 'val')
  ]
  return _build('captions', runs.CAPTIONS, records, splits, detector, 'both')


def _choices(data, records) -> Step:
  folder = data / 'vcr'
  splits = [
    f'--split={split},questions={folder}/{split}.jsonl,images={data}/images,'
    f'metadata={folder}/metadata,categories={folder}/categories.txt'
    for split in ('train', 'val', 'test')
  ]
  return _build('vcr', runs.CHOICES, records, splits)


def _annotated(data, records) -> Step:
  return _build('refcoco', runs.ANNOTATED, records, _expressions(data))


def _detected(data, records, detector) -> Step:
  return _build(
    'refcoco', runs.DETECTED, records, _expressions(data), detector, 'both'
  )


def _expressions(data) -> list[str]:
  folder = data / 'refcoco+'
  images = {'train': 'train', 'val': 'val'}
  images.update(dict.fromkeys(GROUNDING_SPLITS, 'test'))
  return [
    f'--split={split},refs={folder}/refs(unc).p,'
    f'instances={folder}/instances.json,images={data}/images/{place}'
    for split, place in images.items()
  ]


def _build(dataset, name, records, splits, detector='', keep='image') -> Step:
  arguments = [*splits, f'--keep={keep}']
  if detector:
    arguments.append(detector)
  return programs.build(
    f'build records {name}', dataset, name, records, arguments
  )
