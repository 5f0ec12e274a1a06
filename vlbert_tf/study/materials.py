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
  # With pixels and features, for both kinds of runs.
  both = ['--keep=both', detector]
  walk.run(
    programs.build_captions(data, records, runs.CAPTIONS, both),
    programs.build_choices(data, records, runs.CHOICES),
  )
  walk.run(
    programs.build_questions(
      data, records, runs.QUESTIONS, ['--keep=features', detector]
    ),
    programs.build_references(data, records, runs.ANNOTATED, GROUNDING_SPLITS),
  )
  walk.run(
    programs.build_references(
      data,
      records,
      runs.DETECTED,
      GROUNDING_SPLITS,
      both,
      'build records of references to detected boxes',
    )
  )


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
