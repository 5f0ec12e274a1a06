"""The easy-VQA data set, from its PyPI package, in the official layouts.

easy-VQA (Victor Zhou, 2019; MIT) has 64x64 images of one shape each, with
yes/no, color and shape questions. It has no boxes: they are found from the
pixels, which stand out clearly from a nearly uniform background. The only
category is 'shape', so that boxes give no answer away. A tenth of the train
images becomes the val split.
"""

import collections
import dataclasses
import types
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import logging
from PIL import Image

from vlbert_tf.data.scenes import official_files

VERSION = 1
CATEGORY = 'shape'
DESCRIPTION = 'easy-VQA by Victor Zhou, in the official layouts'
TEST_IDS_START = 100_000  # test images are numbered from 0 again
_VAL_EVERY = 10
_QUESTIONS_STRIDE = 1000
_ANSWERS_PER_QUESTION = 10
_CLEAR_DIFFERENCE = 40  # of one channel of 255, from the background
_TYPE_WORDS = 2  # of a question, as in 'what color' and 'is there'


@dataclasses.dataclass(frozen=True)
class _Example:
  image_id: int
  path: Path
  questions: list[tuple[str, str]]


def convert(folder: Path) -> None:
  """Writes easy-VQA in the layouts of VQA v2 and COCO instances.

  Args:
    folder: where it appears when complete.

  Raises:
    ModuleNotFoundError: the package is not installed.
    ValueError: the folder holds something else, or an image has no shape.
  """
  settings = {'dataset': 'easy_vqa', 'version': VERSION}
  if official_files.is_complete(folder, settings):
    logging.info('%s is complete already; nothing to do', folder)
    return
  splits = _read_splits(_require_package())
  with official_files.published(folder, settings, _ABOUT) as partial:
    for split, examples in splits.items():
      _write_split(partial, split, examples)
      logging.info('%s: %d images', split, len(examples))


def shape_box(pixels: np.ndarray) -> tuple[float, float, float, float]:
  """Finds the box around the pixels that differ clearly from the background.

  Args:
    pixels: uint8 `[height, width, 3]`.

  Returns:
    (x1, y1, x2, y2) in pixels, the last row and column included.

  Raises:
    ValueError: no pixel differs.
  """
  return _box_around(shape_mask(pixels))


def shape_mask(pixels: np.ndarray) -> np.ndarray:
  """The pixels that differ clearly from the background.

  Args:
    pixels: uint8 `[height, width, 3]`.

  Returns:
    bool `[height, width]`.
  """
  # The shape covers less than half of the image: the median is background.
  background = np.median(pixels.reshape(-1, pixels.shape[-1]), axis=0)
  differs = np.abs(pixels - background) >= _CLEAR_DIFFERENCE
  return differs[..., 0] | differs[..., 1] | differs[..., 2]


def _box_around(mask):
  rows, columns = np.nonzero(mask)
  if not rows.size:
    raise ValueError(
      'An image must show a shape that differs from its background by at '
      f'least {_CLEAR_DIFFERENCE} of 255. Received: a uniform image.'
    )
  return (
    float(columns.min()),
    float(rows.min()),
    float(columns.max() + 1),
    float(rows.max() + 1),
  )


def _require_package() -> types.ModuleType:
  try:
    import easy_vqa
  except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
      'The data set comes with the package easy-vqa, which is not installed. '
      'Run: pip install easy-vqa'
    ) from error
  return easy_vqa


def _read_splits(package) -> dict[str, list[_Example]]:
  train = _read(package.get_train_questions(), package.get_train_image_paths())
  test = _read(
    package.get_test_questions(),
    package.get_test_image_paths(),
    first_id=TEST_IDS_START,
  )
  return {
    'train': [e for e in train if e.image_id % _VAL_EVERY],
    'val': [e for e in train if not e.image_id % _VAL_EVERY],
    'test': test,
  }


def _read(rows: Sequence, paths: dict[int, str], first_id: int = 1):
  asked = collections.defaultdict(list)
  for text, answer, number in zip(*rows, strict=True):
    asked[number].append((text, answer))
  return [
    _Example(first_id + number, Path(path), asked[number])
    for number, path in sorted(paths.items())
  ]


def _write_split(folder, split, examples):
  target = folder / 'images' / split
  target.mkdir(parents=True)
  images, instances, questions, annotations = [], [], [], []
  for each in examples:
    name = official_files.image_name(split, each.image_id, 'png')
    (target / name).write_bytes(each.path.read_bytes())
    with Image.open(each.path) as image:
      pixels = np.asarray(image.convert('RGB'))
    mask = shape_mask(pixels)
    height, width = mask.shape
    images.append(
      official_files.image_entry(each.image_id, name, width, height)
    )
    instances.append(
      official_files.instance_entry(
        each.image_id,
        each.image_id,
        1,
        _box_around(mask),
        int(mask.sum()),
      )
    )
    for number, (text, answer) in enumerate(each.questions):
      question, annotation = _vqa_entries(each.image_id, number, text, answer)
      questions.append(question)
      annotations.append(annotation)
  official_files.write_vqa(folder, split, questions, annotations, DESCRIPTION)
  official_files.write_instances(
    folder, split, images, instances, [CATEGORY], DESCRIPTION
  )


def _vqa_entries(image_id, number, text, answer):
  question_id = image_id * _QUESTIONS_STRIDE + number
  question = {
    'image_id': image_id,
    'question': text,
    'question_id': question_id,
  }
  annotation = {
    'question_type': ' '.join(text.lower().split()[:_TYPE_WORDS]),
    'multiple_choice_answer': answer,
    'answers': [
      {'answer': answer, 'answer_confidence': 'yes', 'answer_id': place}
      for place in range(1, _ANSWERS_PER_QUESTION + 1)
    ],
    'image_id': image_id,
    'answer_type': 'yes/no' if answer in ('yes', 'no') else 'other',
    'question_id': question_id,
  }
  return question, annotation


_ABOUT = (
  'easy-VQA by Victor Zhou (MIT licence, PyPI package easy-vqa), converted to '
  'the official formats of VQA v2 and COCO instances.\n'
  'Boxes are found from the pixels. A tenth of the train images is val. Made '
  'by: vlbert-make-scenes --dataset=easy_vqa --output_dir=...'
)
