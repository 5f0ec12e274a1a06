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

  vlbert-build-examples --dataset=coco_captions --name=coco \\
    --output_dir=records --split=train,captions=captions_train2014.json,\\
images=train2014,instances=instances_train2014.json

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

  vlbert-build-examples --dataset=captions --name=cc --output_dir=records \\
    --detector=export/detector \\
    --split=train,captions=Train_GCC-training.tsv,images=downloads

Boxes that were found once, for several data sets on the same images:

  vlbert-build-examples --dataset=vqa --name=vqa2 --output_dir=records \\
    --rois=records/coco_rois --split=train,questions=...,images=train2014

Boxes that people drew, with the features that a detector computes of them:

  vlbert-build-examples --dataset=vcr --name=vcr --output_dir=records \\
    --appearance=export/detector --keep=features \\
    --split=train,questions=vcr1annots/train.jsonl,images=vcr1images

With --keep=features the records hold what the detector computes of the boxes
and the whole image in place of the file, for visual_features: precomputed.

Keys of --dataset=vqa: questions, annotations (left out where the answers are
not public), images (folder, may be repeated), instances (COCO's JSON: boxes).
Images are found by their number. Keys of --dataset=captions: captions,
images (folder, or tar files, see docs/preprocessing.md), instances, image_index
(`url<TAB>path under images`; without it images are named by row number from 0).
Boxes are found by file name.
Keys of --dataset=coco_captions: captions (COCO's JSON), images (folder, may be
repeated), instances. Images are found by their number.
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
manifest.json (counts), report.json (the page that is printed at the end),
drops.jsonl (every item set aside, and why), categories.txt, and answers.txt
(answers of the split `train`, or of the first one, the most frequent first; all
answers are normalised by the rules of VQA's evaluation). A job that ended early
goes on where it was when the same command is given again.

All other flags are Beam's; docs/preprocessing.md has those of a pool of worker
processes and of Dataflow. Long jobs on this machine take all its cores; to say
how many:

  --direct_running_mode=multi_processing --direct_num_workers=2
"""

import sys

from absl import flags

from beam_jobs import job_flags
from vlbert_tf import program

_DATASET = flags.DEFINE_enum(
  'dataset',
  None,
  [
    'vqa',
    'captions',
    'coco_captions',
    'refcoco',
    'vcr',
    'own',
    'visual_genome',
  ],  # fmt: skip
  'Form of the annotation files.',
)
_MIN_ANSWER_OCCURRENCES = flags.DEFINE_integer(
  'min_answer_occurrences',
  1,
  'Leaves answers of fewer questions out of answers.txt; the official list of '
  'VQA v2.0 has those of 9.',
  lower_bound=1,
)
_ROIS = flags.DEFINE_string(
  'rois',
  '',
  'Folder of vlbert-extract-rois, in place of --detector: the RoIs that it '
  'found are joined by the id of the image.',
)
_APPEARANCE = flags.DEFINE_string(
  'appearance',
  '',
  'SavedModel of vlbert-export that computes the features of annotated boxes, '
  'for --keep=features or both.',
)
_KEEP = job_flags.define_keep('image')
flags.adopt_module_key_flags(job_flags)


def main(beam_flags: list[str]) -> None:
  program.require(dataset=_DATASET.value, **job_flags.needed())
  from beam_jobs import job

  page = job.run_with_page(
    job.Request(
      dataset=_DATASET.value,
      min_answer_occurrences=_MIN_ANSWER_OCCURRENCES.value,
      keep=_KEEP.value,
      rois=_ROIS.value,
      appearance=_APPEARANCE.value,
      beam_flags=tuple(beam_flags),
      **job_flags.fields(),
    )
  )
  sys.stdout.write(page)


def cli() -> None:
  """Entry point of `vlbert-build-examples`."""
  job_flags.prepare()
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
