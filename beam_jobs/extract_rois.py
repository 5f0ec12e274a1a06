"""Finds the RoIs of images with a detector, one record an image.

  vlbert-extract-rois --name=cc_rois --output_dir=records \\
    --detector=export/detector --split=train,images=downloads

  vlbert-extract-rois --name=coco_rois --output_dir=records --keep=both \\
    --detector=export/detector \\
    --split=train,images=train2014,index=instances_train2014.json \\
    --split=val,images=val2014,index=instances_val2014.json

Keys of --split=NAME,key=path,...: images (folder, or tar files: those right in
the folder, or a pattern such as cc/*.tar), and index where not all images of
the folder and below are wanted: COCO's JSON, of which `images` is read, or a
table `id<TAB>path under images`; a tar file is a folder in paths. Without it
the id of an image is its path.

A record holds the boxes, the best first, each with category, score, and the
likeliest categories where the detector says them; and by --keep the file of
the image, its features (appearance of each box and of the whole image in
float16), or both.

To train on captions or questions, give --detector= to vlbert-build-examples,
which does the same and joins the texts.

The records appear in OUTPUT_DIR/NAME/1.0.0 when they are complete, with
manifest.json (counts), report.json (the page that is printed at the end),
drops.jsonl (every image set aside, and why) and categories.txt. A job that
ended early goes on where it was when the same command is given again.

All other flags are Beam's; docs/preprocessing.md has those of a pool of worker
processes and of Dataflow.
"""

import sys

from absl import flags

from beam_jobs import job_flags
from vlbert_tf import program

_KEEP = job_flags.define_keep('features')
flags.adopt_module_key_flags(job_flags)


def main(beam_flags: list[str]) -> None:
  program.require(detector=flags.FLAGS.detector, **job_flags.needed())
  from beam_jobs import job

  page = job.run_with_page(
    job.Request(
      program='vlbert-extract-rois',
      dataset='images',
      keep=_KEEP.value,
      beam_flags=tuple(beam_flags),
      **job_flags.fields(),
    )
  )
  sys.stdout.write(page)


def cli() -> None:
  """Entry point of `vlbert-extract-rois`."""
  job_flags.prepare()
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
