"""Arrays of a batch by the names of docs/checkpoints.md, and their checks.

The authors' own modules take the same arrays by other names, some of them
packed into one array; both are understood.
"""

from collections.abc import Mapping

import numpy as np
from absl import logging

Arrays = Mapping[str, np.ndarray]

# Padding rows of `boxes` hold -2; VCR's hold -1 in the released code.
_PADDING = -1.5
_VCR_PADDING = -0.5

# Names of ours, and how else they are spelled: first by the released code.
_NAMES = {
  'boxes': (),
  'image_size': ('im_info', 'image_info'),
  'roi_features': ('box_features', 'features'),
  'image': ('images', 'pixels'),
  'roi_masks': ('masks', 'segms', 'segm_masks', 'object_masks', 'box_masks'),
  'text_ids': ('text',),
  'text_len': (),
  'mlm_labels': (),
  'roi_masked': ('mvrc_ops',),
  'roi_soft_labels': ('mvrc_labels',),
  'related': ('relationship_label',),
  'question_ids': ('question',),
  'question_len': (),
  'question_tags': ('question_obj_tags', 'question_rois'),
  'query_ids': ('expression', 'expression_ids', 'query'),
  'query_len': ('expression_len',),
  'answer_ids': (
    'answer_choices', 'rationale_choices', 'answer_choices_ids', 'answers',
    'choice_ids', 'rationale_ids', 'answers_ids',
  ),
  'answer_len': (
    'answer_choices_len', 'answers_len', 'choice_len', 'rationale_len',
  ),
  'answer_tags': (
    'answer_choices_tags', 'answers_tags', 'choice_tags', 'rationale_tags',
    'answer_obj_tags', 'answer_rois',
  ),
}  # fmt: skip
# More columns than corners, score and category: features follow the corners.
_MOST_COLUMNS = 100
# Follow from others, or serve training.
_NOT_READ = (
  'num_rois', 'label', 'answer_label', 'rationale_label',
  'question_align_matrix', 'answer_align_matrix', 'rationale_align_matrix',
)  # fmt: skip


def named(arrays: Arrays) -> dict[str, np.ndarray]:
  """Arrays by our names.

  Args:
    arrays: by our names or those of the released code. Its `question`,
      `answer_choices` and `rationale_choices` may hold ids and tags, its
      `im_info` width, height and the scales of both, and its `boxes` features.

  Returns:
    The arrays that a model reads, each number once.

  Raises:
    ValueError: a shape is not as in docs/checkpoints.md.
  """
  given = {k: np.asarray(v) for k, v in arrays.items() if v is not None}
  found = {}
  for name, others in _NAMES.items():
    for spelled in (name, *others):
      if spelled in given:
        found[name] = given.pop(spelled)
        break
  unread = sorted(set(given) - set(_NOT_READ))
  if unread:
    logging.warning(
      'Not read: %s. Known are %s.', ', '.join(unread), ', '.join(_NAMES)
    )
  for name, tags, dims in (
    ('question_ids', 'question_tags', 3),
    ('answer_ids', 'answer_tags', 4),
  ):
    if name in found and found[name].ndim == dims:
      found.setdefault(tags, found[name][..., 1])
      found[name] = found[name][..., 0]
  boxes = found.get('boxes')
  if boxes is not None and boxes.shape[-1] > _MOST_COLUMNS:
    found.setdefault('roi_features', boxes[..., 4:])
  _check_shapes(found)
  return found


def one(arrays: Arrays, name: str) -> np.ndarray:
  """An array that a model cannot do without.

  Args:
    arrays: of `named`.
    name: of the array.

  Returns:
    It.

  Raises:
    ValueError: it is missing.
  """
  if name not in arrays:
    others = _NAMES.get(name)
    raise ValueError(
      f'This model reads the array {name}'
      + (f' (or {", ".join(others)})' if others else '')
      + f'. Received: {", ".join(sorted(arrays))}. See docs/checkpoints.md.'
    )
  return arrays[name]


def real_rois(arrays: Arrays, vcr: bool) -> tuple[np.ndarray, np.ndarray]:
  """Boxes `[B, R, 4]`, and bool `[B, R]`, True where they are no padding.

  Args:
    arrays: of `named`.
    vcr: whether padding is told as the released code does it for VCR.

  Returns:
    Boxes as they came, and which are real.
  """
  boxes = one(arrays, 'boxes')[..., :4].astype(np.float32)
  if vcr:
    return boxes, boxes[..., 3] > _VCR_PADDING
  return boxes, boxes[..., 0] > _PADDING


def scales(arrays: Arrays) -> np.ndarray:
  """By how much images were resized, `[B, 4]` as the corners of boxes."""
  info = one(arrays, 'image_size')
  if info.shape[1] < 4:
    return np.ones([len(info), 4], np.float32)
  return np.tile(info[:, 2:4], 2).astype(np.float32)


# Shapes by letters: B the batch, N candidates, L words, R RoIs.
_SHAPES = {
  'boxes': 'B R 4',
  'image_size': 'B 2',
  'roi_features': 'B R A',
  'image': 'B 3 H W',
  'roi_masks': 'B R 14 14',
  'text_ids': 'B T',
  'mlm_labels': 'B T',
  'roi_masked': 'B R',
  'roi_soft_labels': 'B R C',
  'question_ids': 'B L',
  'question_tags': 'B L',
  'query_ids': 'B L',
  'answer_ids': 'B N L',
  'answer_tags': 'B N L',
}
_MAY_BE_WIDER = ('boxes', 'image_size')


def _check_shapes(arrays: Arrays) -> None:
  batch = len(arrays['boxes']) if 'boxes' in arrays else None
  for name, shape in _SHAPES.items():
    if name not in arrays:
      continue
    sides, given = shape.split(), arrays[name].shape
    fits = len(sides) == len(given) and given[0] == (batch or given[0])
    for letter, side in zip(sides, given, strict=False):
      if letter.isdigit():
        wide = name in _MAY_BE_WIDER and side > int(letter)
        fits &= side == int(letter) or wide
    if not fits:
      raise ValueError(
        f'The array {name} has the shape [{", ".join(sides)}], with as many '
        f'examples as boxes. Received: {list(given)}, boxes of '
        f'{batch or "no"} examples. See docs/checkpoints.md.'
      )
  if 'boxes' in arrays:
    _check_rows(arrays)


def _check_rows(arrays: Arrays) -> None:
  """Everything about RoIs has a row for each box, tags name rows."""
  rows = arrays['boxes'].shape[1]
  for name in ('roi_features', 'roi_masks', 'roi_masked', 'roi_soft_labels'):
    if name in arrays and arrays[name].shape[1] != rows:
      raise ValueError(
        f'The array {name} has a row for each of the {rows} boxes, the whole '
        f'image first. Received: {arrays[name].shape[1]} rows.'
      )
  for name in ('question_tags', 'answer_tags'):
    if name in arrays and arrays[name].max(initial=0) >= rows:
      raise ValueError(
        f'The array {name} holds rows of boxes, less than {rows}. '
        f'Received: {arrays[name].max()}.'
      )
