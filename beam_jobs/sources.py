"""From the words on the command line to the annotations of a split."""

import dataclasses
import difflib
import itertools
import re
from collections.abc import Iterable

from vlbert_tf.data import example_schema
from vlbert_tf.data.annotations import Drop, ImageAnnotations
from vlbert_tf.data.readers import (
  coco,
  coco_captions,
  conceptual_captions,
  files,
  image_list,
  own,
  refcoco,
  vcr,
  visual_genome,
  vqa,
)

VQA = 'vqa'
CAPTIONS = 'captions'
COCO_CAPTIONS = 'coco_captions'
REFCOCO = 'refcoco'
VCR = 'vcr'
OWN = 'own'
IMAGES = 'images'
VISUAL_GENOME = 'visual_genome'
KINDS = {
  VQA: example_schema.QUESTIONS,
  CAPTIONS: example_schema.CAPTIONS,
  COCO_CAPTIONS: example_schema.CAPTIONS,
  REFCOCO: example_schema.EXPRESSIONS,
  VCR: example_schema.CHOICES,
  OWN: example_schema.QUESTIONS,
  IMAGES: example_schema.IMAGES,
  VISUAL_GENOME: example_schema.OBJECTS,
}

_REQUIRED = {
  VQA: ('questions', 'images', 'instances'),
  CAPTIONS: ('captions', 'images', 'instances'),
  COCO_CAPTIONS: ('captions', 'images', 'instances'),
  REFCOCO: ('refs', 'images', 'instances'),
  VCR: ('questions', 'images'),
  OWN: ('questions', 'images'),
  IMAGES: ('images',),
  VISUAL_GENOME: ('objects', 'image_data', 'images', 'categories'),
}
_OPTIONAL = {
  VQA: ('annotations',),
  CAPTIONS: ('image_index',),
  COCO_CAPTIONS: (),
  REFCOCO: ('detections',),
  VCR: ('metadata', 'categories'),
  OWN: ('categories',),
  IMAGES: ('index',),
  VISUAL_GENOME: ('attributes', 'attribute_names'),
}
_INSTANCES = 'instances'
# Boxes of these may come from a detector; the words of VCR point at boxes that
# people drew.
_DETECTABLE = (VQA, CAPTIONS, COCO_CAPTIONS, REFCOCO, OWN, IMAGES)
# Files that a detector takes the place of. Those of RefCOCO+ also say which
# boxes its expressions mean.
_REPLACED = {
  VQA: (_INSTANCES,),
  CAPTIONS: (_INSTANCES,),
  COCO_CAPTIONS: (_INSTANCES,),
  REFCOCO: ('detections',),
  OWN: ('categories',),
}
# Images are found by their number in any of several folders.
_SEVERAL_IMAGE_FOLDERS = (VQA, COCO_CAPTIONS, REFCOCO, VISUAL_GENOME)
_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*')


@dataclasses.dataclass(frozen=True)
class SplitSource:
  """Where the annotations and images of a split are.

  Attributes:
    dataset: a key of `KINDS`.
    split: its name.
    paths: by what they are, such as 'questions'; 'images' may be several.
    detected: whether a detector finds the boxes.
  """

  dataset: str
  split: str
  paths: dict[str, tuple[str, ...]]
  detected: bool = False


@dataclasses.dataclass(frozen=True)
class SplitItems:
  """All that the reader makes of a split.

  Attributes:
    split: its name.
    categories: names of the categories of regions.
    items: images that have annotations, and what was set aside; made as they
      are asked for, since there may be millions.
    attributes: names of the attributes of regions; mostly none.
  """

  split: str
  categories: tuple[str, ...]
  items: Iterable[ImageAnnotations | Drop]
  attributes: tuple[str, ...] = ()


def parse_split(dataset: str, text: str, detected: bool = False) -> SplitSource:
  """Reads the value of one `--split`.

  Args:
    dataset: a key of `KINDS`.
    text: `NAME,key=path,key=path...`.
    detected: whether a detector finds the boxes, so that none are given.

  Returns:
    What it says.

  Raises:
    ValueError: a key is unknown, missing, or given twice.
  """
  split, *pairs = [part.strip() for part in text.split(',')]
  check_name('split', split)
  required = _REQUIRED[dataset]
  if detected and dataset not in _DETECTABLE:
    raise ValueError(
      f'A detector finds the boxes of {", ".join(_DETECTABLE)}. '
      f'Received: --detector with --dataset={dataset}, whose texts point at '
      'boxes of their own. Leave --detector out.'
    )
  replaced = _REPLACED.get(dataset, ()) if detected else ()
  required = tuple(key for key in required if key not in replaced)
  optional = tuple(key for key in _OPTIONAL[dataset] if key not in replaced)
  known = required + optional
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
    if key in paths and not (
      key == 'images' and dataset in _SEVERAL_IMAGE_FOLDERS
    ):
      raise ValueError(
        f'A --split of {dataset} takes {key}= once. Received: {text!r}.'
      )
    paths[key] = (*paths.get(key, ()), path)
  missing = [key for key in required if key not in paths]
  if missing:
    raise ValueError(
      f'A --split of {dataset} needs {_keys(missing)}. Received: {text!r}.'
    )
  return SplitSource(dataset, split, paths, detected)


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
    ValueError: a file is missing or malformed as a whole; some are read with
      the items alone.
  """
  if source.dataset in _READERS_OF_INSTANCES:
    reader = _READERS_OF_INSTANCES[source.dataset]
    return reader(source, _instances(source, detected_categories))
  items = _READERS[source.dataset](source)
  if detected_categories:
    return dataclasses.replace(items, categories=detected_categories)
  return items


def _instances(
  source: SplitSource, detected_categories: tuple[str, ...]
) -> coco.Instances:
  if _INSTANCES in source.paths:
    return coco.read_instances(source.paths[_INSTANCES][0])
  return coco.Instances(detected_categories, {}, {}, ())


def _read_vqa(source: SplitSource, instances: coco.Instances) -> SplitItems:
  paths = source.paths
  items = vqa.read_images(
    paths['questions'][0],
    *paths.get('annotations', (None,)),
    files.images_by_number(paths['images']),
    instances,
  )
  return _split_items(source, instances.categories, items, instances.drops)


def _read_captions(
  source: SplitSource, instances: coco.Instances
) -> SplitItems:
  paths = source.paths
  items = conceptual_captions.read_images(
    paths['captions'][0],
    paths['images'][0],
    instances,
    *paths.get('image_index', (None,)),
  )
  return _split_items(source, instances.categories, items, instances.drops)


def _read_coco_captions(
  source: SplitSource, instances: coco.Instances
) -> SplitItems:
  items = coco_captions.read_images(
    source.paths['captions'][0],
    files.images_by_number(source.paths['images']),
    instances,
  )
  return _split_items(source, instances.categories, items, instances.drops)


def _read_refcoco(source: SplitSource) -> SplitItems:
  paths = source.paths
  instances = coco.read_instances(paths['instances'][0])
  detected = None
  if 'detections' in paths:
    detected = coco.read_detections(paths['detections'][0], instances)
  items = refcoco.read_images(
    paths['refs'][0],
    source.split,
    files.images_by_number(paths['images']),
    instances,
    detected,
  )
  drops = (*instances.drops, *(detected.drops if detected else ()))
  return _split_items(source, instances.categories, items, drops)


def _read_vcr(source: SplitSource) -> SplitItems:
  paths = source.paths
  categories = _categories(source, vcr.CATEGORIES)
  items = vcr.read_images(
    paths['questions'][0],
    paths['images'][0],
    paths.get('metadata', paths['images'])[0],
    categories,
  )
  return _split_items(source, categories, items, ())


def _read_own(source: SplitSource) -> SplitItems:
  paths = source.paths
  categories = None
  if not source.detected:
    categories = _categories(source, own.CATEGORIES)
  items = own.read_images(paths['questions'][0], paths['images'][0], categories)
  return _split_items(source, categories or (), items, ())


def _read_image_list(source: SplitSource) -> SplitItems:
  paths = source.paths
  items = image_list.read_images(
    paths['images'][0], *paths.get('index', (None,))
  )
  return _split_items(source, (), items, ())


def _read_visual_genome(source: SplitSource) -> SplitItems:
  paths = source.paths
  categories = visual_genome.read_vocabulary(paths['categories'][0])
  attributes = None
  if 'attribute_names' in paths:
    attributes = visual_genome.read_vocabulary(paths['attribute_names'][0])
  items = visual_genome.read_images(
    paths['objects'][0],
    paths['image_data'][0],
    files.images_by_number(paths['images']),
    categories,
    attributes,
    *paths.get('attributes', (None,)),
  )
  read_items = _split_items(source, categories.names, items, ())
  names = attributes.names if attributes else ()
  return dataclasses.replace(read_items, attributes=names)


def _categories(
  source: SplitSource, default: tuple[str, ...]
) -> tuple[str, ...]:
  if 'categories' in source.paths:
    return files.read_names(source.paths['categories'][0])
  return default


_READERS_OF_INSTANCES = {
  VQA: _read_vqa,
  CAPTIONS: _read_captions,
  COCO_CAPTIONS: _read_coco_captions,
}
_READERS = {
  REFCOCO: _read_refcoco,
  VCR: _read_vcr,
  OWN: _read_own,
  IMAGES: _read_image_list,
  VISUAL_GENOME: _read_visual_genome,
}


def _split_items(
  source: SplitSource,
  categories: tuple[str, ...],
  items: Iterable[ImageAnnotations | Drop],
  region_drops: Iterable[Drop],
) -> SplitItems:
  every = itertools.chain(region_drops, items)
  return SplitItems(source.split, categories, every)


def _keys(names: Iterable[str]) -> str:
  return ', '.join(f'{name}=' for name in names)
