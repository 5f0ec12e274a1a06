"""Where the RoIs of a request come from, inside the served graph."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from serving import signatures, statuses
from serving.decoding import decode_images
from vlbert_tf import elements
from vlbert_tf.boxes import rescale
from vlbert_tf.data import batching, outlines

NOT_A_BOX = (
  'A box is (x1, y1, x2, y2) with x1 < x2 and y1 < y2, or a row of -1.'
)
NO_BOX = 'Each image needs at least one box.'
OUTSIDE = 'A box must overlap its image.'
NOT_A_SIZE = 'An image has a height and a width of at least one pixel.'
NOT_FINITE = 'Appearance must be finite numbers.'
NOT_OUTLINES = (
  'An outline is a JSON list of polygons, lists of [x, y] in pixels, or empty.'
)
# Every edge is held against every cell of its box, so a few bytes would cost
# thousands. An annotated object has some hundred edges of 20 bytes.
_LONGEST_OUTLINES = 1 << 18
LONG_OUTLINES = (
  f'The outlines of an image may have at most {_LONGEST_OUTLINES >> 10} KiB.'
)
_NUMBER = r'\s*-?[0-9]{1,6}(\.[0-9]{1,20})?(e-[0-9]{1,2})?\s*'
_POINT = rf'\s*\[{_NUMBER},{_NUMBER}\]\s*'
_POLYGON = rf'\s*\[{_POINT}(,{_POINT})*\]\s*'
_OUTLINE = rf'(\s*\[(\s*|{_POLYGON}(,{_POLYGON})*)\]\s*)?'

Detect = Callable[[tf.Tensor], batching.Tensors]


class Regions(NamedTuple):
  """RoIs of a batch as the model reads them.

  Attributes:
    inputs: by the names of `elements`, R padded to a bucket; rows that break
      a rule have one RoI that covers the whole image.
    boxes: float32 `[B, R, 4]`, as `signatures` tells them to the client.
    status: string `[B]`.
  """

  inputs: batching.Tensors
  boxes: tf.Tensor
  status: tf.Tensor


def given(
  inputs: batching.Tensors, shape: batching.BatchShape, cells: int = 0
) -> Regions:
  """RoIs that a request names on its image.

  Args:
    inputs: see `signatures.BOXES`, or with `cells` `signatures.OUTLINES`.
    shape: what to pad to.
    cells: rows and columns of a RoI that its outline is drawn on; 0 for boxes.

  Returns:
    `Regions`.
  """
  decoded = decode_images(inputs['image'], shape)
  ratio = decoded.ratio[:, None]
  boxes, status, drawn = inputs['boxes'], decoded.status, {}
  if cells:
    drawn, of_outlines = _drawn(inputs['outlines'], boxes, cells)
    status = statuses.first(status, of_outlines)
  regions = _padded(
    boxes,
    rescale(boxes, ratio[..., 0], ratio[..., 1]),
    decoded.size,
    status,
    drawn,
    shape,
  )
  pixels = batching.pad_image({elements.IMAGE: decoded.pixels}, shape)
  return regions._replace(inputs={**regions.inputs, **pixels})


def featured(inputs: batching.Tensors, shape: batching.BatchShape) -> Regions:
  """RoIs with their appearance; see `signatures.FEATURES`."""
  size, appearance = inputs['image_size'], inputs['appearance']
  sized = tf.reduce_all(tf.math.is_finite(size) & (size >= 1.0), axis=1)
  finite = _finite(inputs['image_appearance'], [1])
  finite &= _finite(appearance, [1, 2])
  status = statuses.first(
    statuses.rule(~sized, NOT_A_SIZE), statuses.rule(~finite, NOT_FINITE)
  )
  good = (status == statuses.OK)[:, None]
  features = {
    elements.APPEARANCE: tf.where(good[..., None], appearance, 0.0),
    elements.IMAGE_APPEARANCE: tf.where(good, inputs['image_appearance'], 0.0),
  }
  return _padded(
    inputs['boxes'],
    inputs['boxes'],
    tf.where(sized[:, None], size, 1.0),
    status,
    features,
    shape,
  )


def detected(
  inputs: batching.Tensors,
  shape: batching.BatchShape,
  detect: Detect,
  features: str | None,
) -> Regions:
  """RoIs that a detector finds.

  Args:
    inputs: see `signatures.DETECTED`.
    shape: what to pad to; gives the most RoIs.
    detect: maps the bytes of images to the outputs of `signatures.DETECT`.
    features: None where the model reads pixels; else it reads the detector's
      appearance, and that of the whole image is the one `given` by the
      detector or the `mean` of the RoIs; see `Arithmetic`.

  Returns:
    `Regions`.
  """
  found = detect(inputs['image'])
  if features is None:
    return given({**inputs, 'boxes': found['boxes']}, shape)
  decoded = decode_images(inputs['image'], shape)
  found = {**found, 'image_size': decoded.size / decoded.ratio}
  if features == 'mean':
    found['image_appearance'] = tf.zeros_like(found['image_appearance'])
  regions = featured(found, shape)
  status = statuses.first(decoded.status, regions.status)
  return regions._replace(status=status)


def _padded(told, boxes, size, status, features, shape) -> Regions:
  """Checks RoIs and pads them to a bucket.

  Args:
    told: float32 `[B, R, 4]`, as they came.
    boxes: the same in pixels of the model's image.
    size: float32 `[B, 2]`, of that image.
    status: string `[B]`, what is wrong already.
    features: with their appearance, or what is drawn on them, or empty.
    shape: what to pad to.
  """
  most = shape.roi_buckets[-1]
  padding = tf.reduce_all(told == signatures.PADDING_COORDINATE, axis=-1)
  valid = _has_area(told) & _finite(told, [2])
  real, boxes = ~padding, _clip(boxes, size)
  status = statuses.first(
    status,
    statuses.rule(tf.reduce_any(real & ~valid, axis=1), NOT_A_BOX),
    statuses.rule(~tf.reduce_any(real, axis=1), NO_BOX),
    statuses.rule(tf.reduce_any(real & ~_has_area(boxes), axis=1), OUTSIDE),
    statuses.rule(
      tf.reduce_any(real[:, most:], axis=1),
      f'An image may have at most {most} boxes.',
    ),
  )
  real, told = real[:, :most], told[:, :most]
  batch = {
    elements.IMAGE_SIZE: size,
    elements.BOXES: tf.where(real[..., None], boxes[:, :most], 0.0),
    elements.ROI_MASK: real,
    **features,
  }
  if elements.ROI_CELL_MASKS in features:
    batch[elements.ROI_CELL_MASKS] = features[elements.ROI_CELL_MASKS][:, :most]
  if elements.APPEARANCE in features:
    batch[elements.APPEARANCE] = tf.where(
      real[..., None], features[elements.APPEARANCE][:, :most], 0.0
    )
  batch = batching.pad_rois(batch, shape)
  return Regions(
    _answerable(batch, status),
    tf.where(real[..., None], told, signatures.PADDING_COORDINATE),
    status,
  )


def _drawn(
  texts: tf.Tensor, boxes: tf.Tensor, cells: int
) -> tuple[batching.Tensors, tf.Tensor]:
  """Outlines on the cells of their boxes, and a status.

  Args:
    texts: string `[B, R]`.
    boxes: float32 `[B, R, 4]`, in the same pixels.
    cells: s.
  """
  same = tf.debugging.assert_equal(
    tf.shape(texts), tf.shape(boxes)[:2], 'Each box must have an outline, or '
    "'' in its place."
  )  # fmt: skip
  # Eagerly the assertion is no operation; it has raised already.
  with tf.control_dependencies([] if same is None else [same]):
    bytes_in_all = tf.reduce_sum(tf.strings.length(texts), axis=1)
  written = tf.strings.regex_full_match(texts, _OUTLINE)
  status = statuses.first(
    statuses.rule(bytes_in_all > _LONGEST_OUTLINES, LONG_OUTLINES),
    statuses.rule(~tf.reduce_all(written, axis=1), NOT_OUTLINES),
  )
  texts = tf.where((status == statuses.OK)[:, None], texts, '')
  masks = outlines.cell_masks(
    tf.reshape(texts, [-1]), tf.reshape(boxes, [-1, 4]), cells
  )
  size = [*tf.unstack(tf.shape(texts)), cells, cells]
  return {elements.ROI_CELL_MASKS: tf.reshape(masks, size)}, status


def _answerable(batch: batching.Tensors, status: tf.Tensor) -> batching.Tensors:
  """Puts the whole image in the place of the RoIs of rows with a status."""
  bad = (status != statuses.OK)[:, None]
  corner = tf.reverse(batch[elements.IMAGE_SIZE], [-1])
  whole = tf.concat([tf.zeros_like(corner), corner], axis=-1)[:, None]
  first = tf.range(tf.shape(batch[elements.ROI_MASK])[1])[None] == 0
  mask = tf.where(bad, first, batch[elements.ROI_MASK])
  boxes = tf.where(bad[..., None], whole, batch[elements.BOXES])
  return {
    **batch,
    elements.ROI_MASK: mask,
    elements.BOXES: tf.where(mask[..., None], boxes, 0.0),
  }


def _finite(x: tf.Tensor, axes: list[int]) -> tf.Tensor:
  return tf.reduce_all(tf.math.is_finite(x), axis=axes)


def _has_area(boxes: tf.Tensor) -> tf.Tensor:
  return (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])


def _clip(boxes: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
  """Boxes `[B, R, 4]` cut to images of height and width `[B, 2]`."""
  limit = tf.gather(size, [1, 0, 1, 0], axis=1)[:, None]
  return tf.clip_by_value(boxes, 0.0, limit)
