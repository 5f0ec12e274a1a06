"""Turns official annotation files and images into records for training.

One command builds all splits of a data set. Each --split is a name and the
paths of its files, with commas between them:

  vlbert-build-examples --dataset=vqa --name=vqa2 --output_dir=records \\
    --split=train,questions=v2_OpenEnded_mscoco_train2014_questions.json,\\
annotations=v2_mscoco_train2014_annotations.json,\\
images=train2014,instances=instances_train2014.json \\
    --split=test,questions=v2_OpenEnded_mscoco_test2015_questions.json,\\
images=test2015,instances=boxes_test2015.json

  vlbert-build-examples --dataset=captions --name=cc --output_dir=records \\
    --split=train,captions=Train_GCC-training.tsv,images=downloads,\\
image_index=index.tsv,instances=boxes.json

  vlbert-build-examples --dataset=refcoco --name=refcoco_plus \\
    --output_dir=records \\
    --split='train,refs=refs(unc).p,instances=instances.json,images=train2014'

  vlbert-build-examples --dataset=vcr --name=vcr --output_dir=records \\
    --split=train,questions=vcr1annots/train.jsonl,images=vcr1images

  vlbert-build-examples --dataset=visual_genome --name=genome \\
    --output_dir=records --split=train,objects=objects.json,\\
image_data=image_data.json,images=VG_100K,images=VG_100K_2,\\
categories=objects_vocab.txt,attributes=attributes.json,\\
attribute_names=attributes_vocab.txt

Boxes of a detector of one's own, with its categories, in place of instances=:

  vlbert-build-examples --dataset=captions --name=cc --output_dir=records \
    --detector=export/detector \
    --split=train,captions=Train_GCC-training.tsv,images=downloads

Keys of --dataset=vqa: questions, annotations (left out where the answers are
not public), images (folder, may be repeated), instances (COCO's JSON: boxes).
Images are found by their number. Keys of --dataset=captions: captions,
images (folder), instances, image_index (`url<TAB>path under images`; without
it images are named by row number from 0). Boxes are found by file name.
Keys of --dataset=refcoco: refs (the split's name is one of the file's:
train, val, testA, testB), instances, images (folder, may be repeated),
detections (MAttNet's JSON: candidates in place of the annotated boxes). Keys
of --dataset=vcr: questions (JSON lines), images (folder), metadata (folder,
where it is another), categories (one a line, where they are not COCO's).
Keys of --dataset=own, questions of one's own (docs/datasets.md): questions
(JSON lines), images (folder), categories (labels of boxes, one a line).
Keys of --dataset=visual_genome, objects without texts, to train a detector on:
objects, image_data, images (folder, may be repeated), categories (names, one a
line, synonyms after commas), attributes, attribute_names (as categories).

The records appear in OUTPUT_DIR/NAME/1.0.0 when they are complete, with
manifest.json (counts), drops.jsonl (every item set aside, and why),
categories.txt, and answers.txt (answers of the split `train`, or of the first
one, the most frequent first; all answers are normalised by the rules of VQA's
evaluation). A job that ended early goes on where it was when the same command
is given again.

All other flags are Beam's. Two processes on this machine:

  --direct_running_mode=multi_processing --direct_num_workers=2
"""

import sys

from absl import app, flags

from vlbert_tf import program

_DATASET = flags.DEFINE_enum(
  'dataset',
  None,
  ['vqa', 'captions', 'refcoco', 'vcr', 'own'],
  'Form of the annotation files.',
)
_NAME = flags.DEFINE_string('name', None, 'Name of the records.')
_OUTPUT_DIR = flags.DEFINE_string(
  'output_dir', None, 'Folder that gets a folder NAME/1.0.0; local or gs://.'
)
_SPLIT = flags.DEFINE_multi_string(
  'split', [], 'NAME,key=path,...; see above. May be repeated.'
)
_IMAGES_PER_SHARD = flags.DEFINE_integer(
  'images_per_shard', 512, 'Images in a record file, at most.', lower_bound=1
)
_MAX_ROIS = flags.DEFINE_integer(
  'max_rois', 100, 'Boxes kept of an image: those of highest score.', 1
)
_MAX_MEGAPIXELS = flags.DEFINE_float(
  'max_megapixels', 64.0, 'Images with more pixels are set aside.', 0.0
)
_MAX_DROP_FRACTION = flags.DEFINE_float(
  'max_drop_fraction',
  0.05,
  'Fails when more of the captions or questions of a split are set aside.',
  lower_bound=0.0,
  upper_bound=1.0,
)
_MIN_ANSWER_OCCURRENCES = flags.DEFINE_integer(
  'min_answer_occurrences',
  1,
  'Leaves answers of fewer questions out of answers.txt; the official list of '
  'VQA v2.0 has those of 9.',
  lower_bound=1,
)
_DETECTOR = flags.DEFINE_string(
  'detector',
  '',
  'SavedModel of vlbert-export that finds the boxes; no instances= then.',
)
_OVERWRITE = flags.DEFINE_bool(
  'overwrite', False, 'Replaces complete records of the same name.'
)


def main(beam_flags: list[str]) -> None:
  program.require(
    dataset=_DATASET.value,
    name=_NAME.value,
    output_dir=_OUTPUT_DIR.value,
    split=_SPLIT.value,
  )
  from beam_jobs import job

  job.run(
    job.Request(
      dataset=_DATASET.value,
      name=_NAME.value,
      output_dir=_OUTPUT_DIR.value,
      splits=tuple(_SPLIT.value),
      images_per_shard=_IMAGES_PER_SHARD.value,
      max_rois=_MAX_ROIS.value,
      max_pixels=int(_MAX_MEGAPIXELS.value * 1e6),
      max_drop_fraction=_MAX_DROP_FRACTION.value,
      min_answer_occurrences=_MIN_ANSWER_OCCURRENCES.value,
      detector=_DETECTOR.value,
      overwrite=_OVERWRITE.value,
      beam_flags=tuple(beam_flags),
    )
  )


def split_flags(arguments: list[str]) -> tuple[list[str], list[str]]:
  """Parts the flags of this program from Beam's.

  Args:
    arguments: of the command line, without the program's name. A value that
      follows its flag after a space stays with it.

  Returns:
    Ours, and the rest.
  """
  app.define_help_flags()
  ours, others = [], []
  target = others
  for argument in arguments:
    if argument.startswith('-'):
      name = argument.lstrip('-').partition('=')[0]
      known = name in flags.FLAGS or (
        name.startswith('no') and name[2:] in flags.FLAGS
      )
      target = ours if known else others
    target.append(argument)
  return ours, others


def cli() -> None:
  """Entry point of `vlbert-build-examples`."""
  ours, others = split_flags(sys.argv[1:])
  # absl hands all that follows `--` to main as it is.
  sys.argv = [sys.argv[0], *ours, '--', *others]
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
