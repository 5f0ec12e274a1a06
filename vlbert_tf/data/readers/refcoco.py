"""RefCOCO, RefCOCO+, RefCOCOg: words that refer to one object of an image.

The references are a pickle, which could run any program when it is loaded
carelessly: here plain lists, dicts, texts and numbers are let in alone.
"""

import dataclasses
import io
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np

from vlbert_tf import boxes
from vlbert_tf.data.annotations import Drop, Expression, ImageAnnotations
from vlbert_tf.data.readers import files
from vlbert_tf.data.readers.coco import Instances, images_with_texts


@dataclasses.dataclass(frozen=True)
class Reference:
  """An object that was referred to, and how.

  Attributes:
    annotation_id: of the object in the instances.
    image_id: COCO's.
    sentences: id and text of each expression.
  """

  annotation_id: int
  image_id: int
  sentences: tuple[tuple[int, str], ...]


def read_images(
  refs: str,
  split: str,
  images: dict[int, str],
  instances: Instances,
  candidates: Instances | None = None,
) -> Iterator[ImageAnnotations | Drop]:
  """Reads a split of RefCOCO+.

  Args:
    refs: path of the pickled references, such as `refs(unc).p`.
    split: 'train', 'val', 'testA', 'testB', or whatever the file holds.
    images: paths by image number; see `files.images_by_number`.
    instances: the annotated objects; the target of an expression is one.
    candidates: detected regions to choose among; by default all annotated
      ones of the image (VL-BERT §4.2.3).

  Yields:
    Images in the order of their first reference, and what was set aside.

  Raises:
    ValueError: a file is missing or malformed as a whole, or has no such
      split.
  """
  by_image: dict[int, list[Expression]] = {}
  seen: set[int] = set()
  for item in read_references(refs, split):
    if isinstance(item, Drop):
      yield item
      continue
    for sentence_id, text in item.sentences:
      made = _expression(sentence_id, text, item, instances, seen)
      if isinstance(made, Drop):
        yield made
      else:
        by_image.setdefault(item.image_id, []).append(made)
  yield from images_with_texts(
    'expressions',
    by_image,
    images,
    candidates or instances,
    detected=candidates is not None,
  )


def read_targets(
  refs: str, split: str, instances: Instances
) -> Iterator[tuple[int, int, tuple[float, ...]]]:
  """What the usable expressions of a split mean, without their images.

  Args:
    refs: path of the pickled references.
    split: its name in the file.
    instances: the annotated objects.

  Yields:
    Ids of expression and image, and the box, (x1, y1, x2, y2) in pixels.

  Raises:
    ValueError: as `read_images`.
  """
  seen: set[int] = set()
  for item in read_references(refs, split):
    if isinstance(item, Drop):
      continue
    for sentence_id, text in item.sentences:
      made = _expression(sentence_id, text, item, instances, seen)
      if isinstance(made, Expression):
        yield made.expression_id, item.image_id, made.box


def read_references(path: str, split: str) -> Iterator[Reference | Drop]:
  """Reads the references of a split, without images and boxes.

  Args:
    path: of the pickle.
    split: its name in the file.

  Yields:
    References in the order of the file, and rows that were set aside.

  Raises:
    ValueError: the file is missing, holds more than plain data, or has no
      such split.
  """
  rows = read_plain_pickle(path)
  if not isinstance(rows, list):
    raise ValueError(
      f'{path} must be a pickled list of references. Received: '
      f'{type(rows).__name__}. Is it the file of another kind?'
    )
  splits = {
    str(row['split'])
    for row in rows
    if isinstance(row, dict) and 'split' in row
  }
  if split not in splits:
    raise ValueError(
      f'A --split of references must be one of those in {path}: '
      f'{", ".join(sorted(splits)) or "none"}. Received: {split!r}.'
    )
  for number, row in enumerate(rows):
    if isinstance(row, dict) and row.get('split', split) != split:
      continue
    try:
      yield Reference(
        int(row['ann_id']),
        int(row['image_id']),
        tuple(
          (int(each['sent_id']), files.clean_text(each['sent']))
          for each in row['sentences']
        ),
      )
    except (KeyError, TypeError, ValueError) as error:
      detail = f'{type(error).__name__}: {error}'
      yield Drop(
        f'reference row {number}',
        'reference_malformed',
        detail,
        annotations=_sentences(row),
      )


def read_plain_pickle(path: str) -> Any:
  """Loads a pickle of lists, dicts, texts and numbers, and of nothing else.

  Args:
    path: of the file, written by Python 2 or 3.

  Returns:
    What it holds; bytes of Python 2 are read as Latin-1.

  Raises:
    ValueError: the file is missing, broken, or asks for a class or function.
  """
  content = files.read_bytes(path)
  try:
    return _PlainUnpickler(io.BytesIO(content), encoding='latin1').load()
  # Broken pickles raise nearly everything.
  except Exception as error:
    raise ValueError(
      f'{path} must be a whole pickle of plain lists, dicts, texts and '
      f'numbers. Received: {error}. Download it again from its authors.'
    ) from error


class _PlainUnpickler(pickle.Unpickler):
  """Builds no object but those that have opcodes of their own."""

  def find_class(self, module, name):
    raise pickle.UnpicklingError(f'it asks for {module}.{name}')


def _expression(
  sentence_id: int,
  text: str,
  reference: Reference,
  instances: Instances,
  seen: set[int],
) -> Expression | Drop:
  def drop(reason, detail):
    return Drop(f'expression {sentence_id}', reason, detail, annotations=1)

  if sentence_id in seen:
    return drop('expression_duplicate', 'Its id came before.')
  seen.add(sentence_id)
  if not text:
    return drop('expression_empty', 'It has no words.')
  annotation_id = reference.annotation_id
  image_id, box = instances.boxes.get(annotation_id, (-1, ()))
  if image_id == -1:
    detail = f'There is no usable annotation {annotation_id}.'
    return drop('expression_without_box', detail)
  if image_id != reference.image_id:
    detail = f'Annotation {annotation_id} is on image {image_id}.'
    return drop('box_of_another_image', detail)
  size = instances.of_id(image_id).size
  if size:
    box = boxes.clip(np.array(box, np.float32), *size).tolist()
  if not (box[0] < box[2] and box[1] < box[3]):
    return drop('expression_without_box', f'{list(box)} has no area.')
  return Expression(sentence_id, text, tuple(box))


def _sentences(row: Any) -> int:
  """How many expressions a malformed row stands for, at least."""
  sentences = row.get('sentences') if isinstance(row, dict) else None
  return max(1, len(sentences)) if isinstance(sentences, list) else 1
