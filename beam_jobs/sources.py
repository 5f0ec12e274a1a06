"""From the words on the command line to the annotations of a split."""

import dataclasses
import difflib
import re
from collections.abc import Iterable

from vlbert_tf.data import example_schema
from vlbert_tf.data.annotations import Drop, ImageAnnotations
from vlbert_tf.data.readers import coco, conceptual_captions, files, vqa

VQA = 'vqa'
CAPTIONS = 'captions'
KINDS = {
  VQA: example_schema.QUESTIONS,
  CAPTIONS: example_schema.CAPTIONS,
}

_REQUIRED = {
  VQA: ('questions', 'images'),
  CAPTIONS: ('captions', 'images'),
}
# Boxes, unless a detector finds them.
_INSTANCES = 'instances'
_OPTIONAL = {VQA: ('annotations',), CAPTIONS: ('image_index',)}
_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*')


@dataclasses.dataclass(frozen=True)
class SplitSource:
  """Where the annotations and images of a split are.

  Attributes:
    dataset: `VQA` or `CAPTIONS`.
    split: its name.
    paths: by what they are, such as 'questions'; 'images' may be several.
  """

  dataset: str
  split: str
  paths: dict[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class SplitItems:
  """All that the reader made of a split.

  Attributes:
    split: its name.
    categories: names of the categories of regions.
    images: that have annotations.
    drops: what was set aside.
  """

  split: str
  categories: tuple[str, ...]
  images: list[ImageAnnotations]
  drops: list[Drop]


def parse_split(dataset: str, text: str, detected: bool = False) -> SplitSource:
  """Reads the value of one `--split`.

  Args:
    dataset: `VQA` or `CAPTIONS`.
    text: `NAME,key=path,key=path...`.
    detected: whether a detector finds the boxes, so that none are given.

  Returns:
    What it says.

  Raises:
    ValueError: a key is unknown, missing, or given twice.
  """
  split, *pairs = [part.strip() for part in text.split(',')]
  check_name('split', split)
  required = _REQUIRED[dataset] + (() if detected else (_INSTANCES,))
  known = required + _OPTIONAL[dataset]
  paths: dict[str, tuple[str, ...]] = {}
  for pair in pairs:
    key, _, path = pair.partition('=')
    if key not in known or not path:
      near = difflib.get_close_matches(key, known, 1)
      hint = f' Did you mean {near[0]}=?' if near else ''
      raise ValueError(
        f'A --split of {dataset} takes {_keys(known)}. '
        f'Received: {pair!r}, in {text!r}.{hint}'
      )
    if key in paths and (dataset, key) != (VQA, 'images'):
      raise ValueError(
        f'A --split of {dataset} takes {key}= once. Received: {text!r}.'
      )
    paths[key] = (*paths.get(key, ()), path)
  missing = [key for key in required if key not in paths]
  if missing:
    raise ValueError(
      f'A --split of {dataset} needs {_keys(missing)}. Received: {text!r}.'
    )
  return SplitSource(dataset, split, paths)


def check_name(what: str, name: str) -> None:
  """Fails unless a name can be part of a file name of TFDS.

  Raises:
    ValueError: it cannot.
  """
  if not _NAME.fullmatch(name):
    raise ValueError(
      f'The name of a {what} must be letters, digits and underscores, a letter '
      f'first. Received: {name!r}.'
    )


def read(
  source: SplitSource, detected_categories: tuple[str, ...] = ()
) -> SplitItems:
  """Reads the annotations of a split.

  Args:
    source: where they are.
    detected_categories: of the detector, where one will find the boxes.

  Returns:
    Images and what was set aside.

  Raises:
    ValueError: a file is missing or malformed as a whole.
  """
  paths = source.paths
  if _INSTANCES in paths:
    instances = coco.read_instances(paths[_INSTANCES][0])
  else:
    instances = coco.Instances(detected_categories, {}, {}, ())
  if source.dataset == VQA:
    items = vqa.read_images(
      paths['questions'][0],
      *paths.get('annotations', (None,)),
      files.images_by_number(paths['images']),
      instances,
    )
  else:
    items = conceptual_captions.read_images(
      paths['captions'][0],
      paths['images'][0],
      instances,
      *paths.get('image_index', (None,)),
    )
  images, drops = _sort_out(items)
  return SplitItems(
    source.split, instances.categories, images, [*instances.drops, *drops]
  )


def _sort_out(
  items: Iterable[ImageAnnotations | Drop],
) -> tuple[list[ImageAnnotations], list[Drop]]:
  images, drops = [], []
  for item in items:
    (drops if isinstance(item, Drop) else images).append(item)
  return images, drops


def _keys(names: Iterable[str]) -> str:
  return ', '.join(f'{name}=' for name in names)
