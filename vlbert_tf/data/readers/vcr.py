"""Visual Commonsense Reasoning: JSON lines, and a metadata file an image.

Words and objects are mixed: `["Why", "is", [0, 2], "here", "?"]`, where a list
of integers points at objects of the image.
"""

import dataclasses
import itertools
import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from vlbert_tf.data.annotations import (
  ChoiceQuestion,
  Drop,
  ImageAnnotations,
  Region,
  TaggedText,
  clip_regions,
)
from vlbert_tf.data.readers import files
from vlbert_tf.data.record_kinds import CANDIDATES
from vlbert_tf.data.spoken_names import spoken_name

# Those of COCO in its order, without blanks.
CATEGORIES = (
  'person', 'bicycle', 'car', 'motorcycle', 'airplane', 'bus', 'train',
  'truck', 'boat', 'trafficlight', 'firehydrant', 'stopsign', 'parkingmeter',
  'bench', 'bird', 'cat', 'dog', 'horse', 'sheep', 'cow', 'elephant', 'bear',
  'zebra', 'giraffe', 'backpack', 'umbrella', 'handbag', 'tie', 'suitcase',
  'frisbee', 'skis', 'snowboard', 'sportsball', 'kite', 'baseballbat',
  'baseballglove', 'skateboard', 'surfboard', 'tennisracket', 'bottle',
  'wineglass', 'cup', 'fork', 'knife', 'spoon', 'bowl', 'banana', 'apple',
  'sandwich', 'orange', 'broccoli', 'carrot', 'hotdog', 'pizza', 'donut',
  'cake', 'chair', 'couch', 'pottedplant', 'bed', 'diningtable', 'toilet',
  'tv', 'laptop', 'mouse', 'remote', 'keyboard', 'cellphone', 'microwave',
  'oven', 'toaster', 'sink', 'refrigerator', 'book', 'clock', 'vase',
  'scissors', 'teddybear', 'hairdrier', 'toothbrush',
)  # fmt: skip
_TEXTS = ('question', 'answer_choices', 'rationale_choices')


class UnusableError(Exception):
  """A question that is set aside: a word to be counted, and a sentence."""


@dataclasses.dataclass(frozen=True)
class Objects:
  """What a metadata file says of an image.

  Attributes:
    names: of the objects, in order.
    regions: of those that have an area, tagged by their number.
    size: height and width, pixels.
    drops: regions that were set aside.
  """

  names: tuple[str, ...]
  regions: tuple[Region, ...]
  size: tuple[int, int]
  drops: tuple[Drop, ...]


def read_images(
  questions: str,
  images: str,
  metadata: str,
  categories: Sequence[str],
) -> Iterator[ImageAnnotations | Drop]:
  """Reads a split of VCR.

  Args:
    questions: path of the JSON lines, such as `val.jsonl`.
    images: folder that `img_fn` starts from: `vcr1images`.
    metadata: folder that `metadata_fn` starts from; the same, officially.
    categories: known names of objects.

  Yields:
    Images, named by `img_fn`, in the order of their first question, and what
    was set aside. Labels are -1 where the lines have none, as in the test
    split.

  Raises:
    ValueError: the file is missing.
  """
  by_image: dict[str, list[ChoiceQuestion]] = {}
  objects: dict[str, Objects] = {}
  seen: set[str] = set()
  name = os.path.basename(questions)
  for number, line in enumerate(files.read_text(questions).split('\n'), 1):
    if not line.strip():
      continue
    try:
      row = _row(line)
      question_id, image = _text(row, 'annot_id'), _path(row, 'img_fn')
      if question_id in seen:
        raise UnusableError('question_duplicate', f'{question_id} came before.')
      seen.add(question_id)
      if image not in objects:
        objects[image] = _read_objects(
          os.path.join(metadata, _path(row, 'metadata_fn')), image, categories
        )
        yield from objects[image].drops
      by_image.setdefault(image, []).append(read_question(row, objects[image]))
    except UnusableError as error:
      yield Drop(f'line {number} of {name}', *error.args, annotations=1)
  for image, asked in by_image.items():
    yield ImageAnnotations(
      image,
      os.path.join(images, image),
      objects[image].regions,
      choices=tuple(asked),
      size=objects[image].size,
    )


def read_question(row: dict[str, Any], objects: Objects) -> ChoiceQuestion:
  """Makes a question of a line.

  Args:
    row: of the file.
    objects: of its image.

  Returns:
    The question, its texts written out.

  Raises:
    UnusableError: a text, a tag or a label is not usable.
  """
  if tuple(row.get('objects', objects.names)) != objects.names:
    raise UnusableError(
      'objects_differ',
      f'{len(row["objects"])} objects; the metadata have '
      f'{len(objects.names)}, or other ones.',
    )
  answers, rationales = (
    tuple(tagged_text(text, objects) for text in _candidates(row, key))
    for key in _TEXTS[1:]
  )
  return ChoiceQuestion(
    _text(row, 'annot_id'),
    tagged_text(row.get('question'), objects),
    answers,
    rationales,
    _label(row, 'answer_label'),
    _label(row, 'rationale_label'),
  )


def tagged_text(tokens: Any, objects: Objects) -> TaggedText:
  """Writes out a text: `[[0, 2], "run"]` becomes `Casey and Jessie run`.

  Args:
    tokens: words, and lists of numbers of objects.
    objects: of the image; see `spoken_name` for their names.

  Returns:
    Words with the number of the object that each of them names.

  Raises:
    UnusableError: it is no such text, is empty, or a tag points to no box.
  """
  if not isinstance(tokens, list):
    raise UnusableError('text_malformed', f'{str(tokens)[:60]} is no list.')
  boxes = {region.tag for region in objects.regions}
  words, tags = [], []
  for token in tokens:
    if not isinstance(token, list):
      plain = files.clean_text(token).split()
      words += plain
      tags += [-1] * len(plain)
      continue
    for place, tag in enumerate(token):
      if tag not in boxes or isinstance(tag, bool):
        raise UnusableError(
          'tag_without_box',
          f'It points at object {tag}; the image has {len(objects.names)}, '
          f'{len(boxes)} of them with a box.',
        )
      words += ['and'] * (place > 0) + [spoken_name(objects.names[tag], tag)]
      tags += [-1] * (place > 0) + [tag]
  if not words:
    raise UnusableError('text_empty', 'A question or candidate has no words.')
  return TaggedText(tuple(words), tuple(tags))


def _read_objects(path: str, image: str, categories: Sequence[str]) -> Objects:
  """Objects of an image by its metadata file."""
  if not files.is_file(path):
    raise UnusableError('metadata_missing', f'There is no file {path}.')
  try:
    content = json.loads(files.read_text(path))
    size = int(content['height']), int(content['width'])
    names = tuple(map(str, content['names']))
    unknown = sorted(set(names).difference(categories))
    if unknown:
      raise UnusableError(
        'region_category_unknown',
        f'{path}: {unknown[0]} is none of the {len(categories)} categories; '
        'categories= names a file of others.',
      )
    polygons = content.get('segms') or [[]] * len(names)
    rows = list(zip(names, content['boxes'], polygons, strict=True))
    numbers = [categories.index(name) + 1 for name in names]
    regions = [
      Region(
        tuple(map(float, box[:4])),
        number,
        float(box[4]),
        tag,
        _outline(shape),
      )
      for tag, (number, (_, box, shape)) in enumerate(
        zip(numbers, rows, strict=True)
      )
    ]
  except (KeyError, TypeError, ValueError, IndexError) as error:
    raise UnusableError(
      'metadata_malformed', f'{path}: {type(error).__name__}: {error}'
    ) from error
  regions, drops = clip_regions(image, regions, *size)
  return Objects(names, regions, size, tuple(drops))


def _outline(polygons: Any) -> str:
  """JSON of the polygons that have an inside; '' where there is none."""
  kept = [
    points
    for points in polygons or ()
    if len(points) > 2 and all(map(math.isfinite, itertools.chain(*points)))
  ]
  return json.dumps(kept) if kept else ''


def _row(line: str) -> dict[str, Any]:
  try:
    row = json.loads(line)
  except ValueError as error:
    raise UnusableError('line_malformed', f'No JSON: {error}.') from error
  if not isinstance(row, dict):
    raise UnusableError('line_malformed', 'No JSON object.')
  return row


def _text(row: dict[str, Any], key: str) -> str:
  value = files.clean_text(row.get(key))
  if not value:
    raise UnusableError('line_malformed', f'It has no text {key!r}.')
  return value


def _path(row: dict[str, Any], key: str) -> str:
  """A path that stays under the folder that it is relative to."""
  path = _text(row, key)
  if os.path.isabs(path) or '..' in path.split('/'):
    raise UnusableError('line_malformed', f'{key} {path} leaves its folder.')
  return path


def _candidates(row: dict[str, Any], key: str) -> list[Any]:
  texts = row.get(key)
  if not isinstance(texts, list) or len(texts) != CANDIDATES:
    raise UnusableError(
      'candidates_malformed', f'{key} must hold {CANDIDATES} texts.'
    )
  return texts


def _label(row: dict[str, Any], key: str) -> int:
  if row.get(key) is None:
    return -1
  label = row[key]
  if not isinstance(label, int) or not 0 <= label < CANDIDATES:
    raise UnusableError(
      'label_out_of_range',
      f'{key} must lie between 0 and {CANDIDATES - 1}, and is {label}.',
    )
  return label
