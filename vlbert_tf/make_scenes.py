"""Makes a data set to train and try VL-BERT on, in the official formats.

`scenes` are rendered images of a few objects, with captions and questions:
Conceptual Captions TSV, VQA v2 questions and annotations, COCO instances; with
--with_regions RefCOCO+ references and VCR questions about their objects too.
`easy_vqa` converts the published data set of that name (pip install easy-vqa).
The output folder appears when it is complete; a second run finds it there.

Examples:
  vlbert-make-scenes --output_dir=data/scenes
  vlbert-make-scenes --output_dir=data/small --train_images=200 \
      --caption_images=200 --val_images=50 --test_images=50 --seed=11
  vlbert-make-scenes --output_dir=data/regions --with_regions
  vlbert-make-scenes --output_dir=data/apart --held_out_combinations=8
  vlbert-make-scenes --dataset=easy_vqa --output_dir=data/easy_vqa
"""

import os
from pathlib import Path

from absl import flags

from vlbert_tf import program

_DATASET = flags.DEFINE_enum(
  'dataset', 'scenes', ['scenes', 'easy_vqa'], 'Which data set to make.'
)
_OUTPUT_DIR = flags.DEFINE_string(
  'output_dir', '', 'Folder to write; new, empty, or written by this program.'
)
_SEED = flags.DEFINE_integer(
  'seed', 7, 'Scenes: the same seed gives the same bytes.', lower_bound=0
)
_TRAIN_IMAGES = flags.DEFINE_integer(
  'train_images', 2500, 'Scenes: training images with questions.'
)
_VAL_IMAGES = flags.DEFINE_integer(
  'val_images', 150, 'Scenes: validation images with questions.'
)
_TEST_IMAGES = flags.DEFINE_integer(
  'test_images', 400, 'Scenes: test images with questions.'
)
_CAPTION_IMAGES = flags.DEFINE_integer(
  'caption_images', 2500, 'Scenes: training images with captions.'
)
_CAPTION_VAL_IMAGES = flags.DEFINE_integer(
  'caption_val_images', 150, 'Scenes: validation images with captions.'
)
_CAPTIONS_PER_IMAGE = flags.DEFINE_integer(
  'captions_per_image', 2, 'Scenes: captions of each of those images.'
)
_LONG_SIDE = flags.DEFINE_integer(
  'long_side', 160, 'Scenes: longer side of the images, in pixels.'
)
_SHORT_SIDE = flags.DEFINE_integer(
  'short_side', 120, 'Scenes: shorter side of the images, in pixels.'
)
_WITH_REGIONS = flags.DEFINE_bool(
  'with_regions',
  False,
  'Scenes: write RefCOCO+ and VCR files as well; the others stay the same.',
)
_HELD_OUT = flags.DEFINE_integer(
  'held_out_combinations',
  0,
  'Scenes: so many pairs of a color and a shape are in no image and no text of '
  'any split but test; held_out.txt lists them.',
  lower_bound=0,
)
_NUM_WORKERS = flags.DEFINE_integer(
  'num_workers',
  min(os.cpu_count() or 1, 8),
  'Scenes: processes that draw; the output does not depend on it.',
  lower_bound=1,
)


def main(argv: list[str]) -> None:
  del argv
  program.require(output_dir=_OUTPUT_DIR.value)
  folder = Path(_OUTPUT_DIR.value)
  if _DATASET.value == 'easy_vqa':
    from vlbert_tf.data import easy_vqa

    easy_vqa.convert(folder)
    return
  from vlbert_tf.data.scenes import generate

  sizes = generate.Sizes(
    train_images=_TRAIN_IMAGES.value,
    val_images=_VAL_IMAGES.value,
    test_images=_TEST_IMAGES.value,
    caption_train_images=_CAPTION_IMAGES.value,
    caption_val_images=_CAPTION_VAL_IMAGES.value,
    captions_per_image=_CAPTIONS_PER_IMAGE.value,
    long_side=_LONG_SIDE.value,
    short_side=_SHORT_SIDE.value,
  )
  generate.generate(
    folder,
    sizes,
    _SEED.value,
    _NUM_WORKERS.value,
    _WITH_REGIONS.value,
    _HELD_OUT.value,
  )


def cli() -> None:
  """Entry point of the installed command `vlbert-make-scenes`."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
