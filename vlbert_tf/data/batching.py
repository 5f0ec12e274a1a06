"""Members of a batch made equal in shape: images, RoIs, texts.

Shapes come in a few sizes, so that a compiled program serves many batches.
"""

import dataclasses

import tensorflow as tf

from vlbert_tf import boxes, elements
from vlbert_tf.data import record_contents
from vlbert_tf.vision import image as images

Tensors = dict[str, tf.Tensor]

# Of an object; Visual Genome names few more of any.
_MAX_ATTRIBUTES = 16
# Their dimension after the batch's counts RoIs.
_OF_ROIS = (
  elements.BOXES,
  elements.ROI_MASK,
  elements.ROI_MASKED,
  elements.ROI_NAMED,
  elements.ROI_CATEGORIES,
  elements.APPEARANCE,
  elements.ROI_ATTRIBUTES,
  elements.ROI_TOP_CATEGORIES,
  elements.ROI_TOP_PROBABILITIES,
  elements.ROI_CELL_MASKS,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchShape:
  """Static shapes that batches are padded to.

  Attributes:
    text_buckets: lengths of texts.
    roi_buckets: numbers of RoIs.
    short_side: of scaled images; see `image.scaled_size`.
    long_side: likewise.
    appearance_size: A, where appearance is read from records in place of
      images; 0 where images are decoded.
    show_images: whether images come beside appearance, as they are stored.
  """

  text_buckets: tuple[int, ...]
  roi_buckets: tuple[int, ...]
  short_side: int
  long_side: int
  appearance_size: int = 0
  show_images: bool = False


def merge_texts(x: tf.Tensor) -> tf.Tensor:
  """Makes one dimension of images and of the texts of each.

  Args:
    x: `[I, G, ...]`.

  Returns:
    `[I * G, ...]`, the texts of an image side by side.
  """
  return tf.reshape(x, tf.concat([[-1], tf.shape(x)[2:]], axis=0))


def decode_visual(record: Tensors, shape: BatchShape) -> Tensors:
  """Image or appearance, RoIs and categories of one example.

  Args:
    record: of one image; see `example_schema`.
    shape: gives the sides that images are scaled to, and the most RoIs; or
      says that appearance is read.

  Returns:
    IMAGE, or APPEARANCE and IMAGE_APPEARANCE in float16, or all of them;
    IMAGE_SIZE, BOXES and ROI_CATEGORIES without a batch dimension, ROI_MASK
    all True; and ROI_ATTRIBUTES where the record has attributes.

  Raises:
    ValueError: the records do not hold what is asked for.
  """
  max_rois = shape.roi_buckets[-1]
  if shape.appearance_size:
    visual = _read_appearance(record, shape)
  else:
    visual = _decode_image(record, shape)
  rois = visual[elements.BOXES]
  visual = {
    **visual,
    elements.ROI_CATEGORIES: tf.cast(
      record['roi/category'][:max_rois], tf.int32
    ),
    elements.ROI_MASK: tf.ones(tf.shape(rois)[:1], tf.bool),
  }
  if 'roi/attribute' in record:
    visual[elements.ROI_ATTRIBUTES] = tf.cast(
      record['roi/attribute'][:max_rois].to_tensor(
        shape=[None, _MAX_ATTRIBUTES]
      ),
      tf.int32,
    )
  return visual


def likeliest_categories(record: Tensors, shape: BatchShape) -> Tensors:
  """What the detector says of the categories of RoIs.

  Args:
    record: of one image, with the likeliest categories.
    shape: gives the most RoIs.

  Returns:
    ROI_TOP_CATEGORIES and ROI_TOP_PROBABILITIES without a batch dimension.
  """
  max_rois = shape.roi_buckets[-1]
  categories = record[record_contents.TOP_CATEGORIES][:max_rois]
  return {
    elements.ROI_TOP_CATEGORIES: tf.cast(categories, tf.int32),
    elements.ROI_TOP_PROBABILITIES: record[record_contents.TOP_PROBABILITIES][
      :max_rois
    ],
  }


def _decode_image(record: Tensors, shape: BatchShape) -> Tensors:
  image, rois = images.scale_image_and_boxes(
    _stored_image(record),
    record['roi/box'][: shape.roi_buckets[-1]],
    shape.short_side,
    shape.long_side,
  )
  return {
    elements.IMAGE: image,
    elements.IMAGE_SIZE: tf.cast(tf.shape(image)[:2], tf.float32),
    elements.BOXES: rois,
  }


def _stored_image(record: Tensors) -> tf.Tensor:
  if record_contents.ENCODED not in record:
    raise ValueError(
      'Pixels are read and drawn from records with images. Received: records '
      'without. Build them with --keep=image or --keep=both, or set '
      'task.model.visual_features to precomputed and draw nothing.'
    )
  return images.decode(record[record_contents.ENCODED])


def _read_appearance(record: Tensors, shape: BatchShape) -> Tensors:
  """Appearance as it is stored, and boxes in pixels of the stored image."""
  appearance = record.get(record_contents.ROI_FEATURE)
  size = 0 if appearance is None else appearance.shape[-1]
  if size != shape.appearance_size:
    raise ValueError(
      'Precomputed visual features must be in the records, of the size '
      f'task.model.appearance_size = {shape.appearance_size}. Received: '
      f'records with features of size {size}. Build them with '
      '--detector= or --appearance=, and --keep=features, or set that field.'
    )
  height_and_width = [record['image/height'], record['image/width']]
  max_rois = shape.roi_buckets[-1]
  shown = {elements.IMAGE: _stored_image(record)} if shape.show_images else {}
  return {
    **shown,
    elements.APPEARANCE: appearance[:max_rois],
    elements.IMAGE_APPEARANCE: record[record_contents.IMAGE_FEATURE],
    elements.IMAGE_SIZE: tf.cast(tf.stack(height_and_width), tf.float32),
    elements.BOXES: record['roi/box'][:max_rois],
  }


def flip_visual(visual: Tensors, flip: tf.Tensor) -> Tensors:
  """Mirrors the image and the boxes of one example.

  Args:
    visual: IMAGE, IMAGE_SIZE and whatever boxes, `[..., 4]`, go with it under
      BOXES and TARGET_BOX, and ROI_CELL_MASKS.
    flip: bool scalar, whether to do it.

  Returns:
    All keys of `visual`.
  """
  width = visual[elements.IMAGE_SIZE][1]
  flipped = {
    elements.IMAGE: visual[elements.IMAGE][:, ::-1],
    **{
      name: boxes.flip_left_right(visual[name], width)
      for name in (elements.BOXES, elements.TARGET_BOX)
      if name in visual
    },
  }
  if elements.ROI_CELL_MASKS in visual:
    flipped[elements.ROI_CELL_MASKS] = visual[elements.ROI_CELL_MASKS][
      ..., ::-1
    ]
  return {
    name: tf.where(flip, flipped[name], value) if name in flipped else value
    for name, value in visual.items()
  }


def pad_visual(batch: Tensors, shape: BatchShape) -> Tensors:
  """Pads images to a canvas and RoIs to a bucket.

  Args:
    batch: with IMAGE or APPEARANCE and what belongs to RoIs, padded to the
      batch's own largest members.
    shape: what to pad to.

  Returns:
    The batch, with appearance in float32; all keys that do not concern the
    image are as they were.
  """
  if not shape.appearance_size:
    return pad_rois(pad_image(batch, shape), shape)
  # Not before: half the bytes go through the shuffle and the padding.
  floats = {
    name: tf.cast(batch[name], tf.float32)
    for name in (elements.APPEARANCE, elements.IMAGE_APPEARANCE)
  }
  return pad_rois({**batch, **floats}, shape)


def first_rois(batch: Tensors, counts: tf.Tensor) -> Tensors:
  """Leaves the first RoIs of each image: of a detector's, the best.

  Args:
    batch: with what belongs to RoIs, padded to the batch's own longest member.
    counts: int32 `[B]`, how many are left of each image.

  Returns:
    The batch, padded to the largest count; all other keys are as they were.
  """
  longest = tf.reduce_max(counts)
  kept = {name: batch[name][:, :longest] for name in _OF_ROIS if name in batch}
  kept[elements.ROI_MASK] &= tf.range(longest)[None] < counts[:, None]
  return {**batch, **kept}


def pad_rois(batch: Tensors, shape: BatchShape) -> Tensors:
  """Pads RoIs to a bucket.

  Args:
    batch: with what belongs to RoIs, padded to the batch's own longest member.
    shape: what to pad to.

  Returns:
    The batch; all other keys are as they were.
  """
  padded = dict(batch)
  count = smallest_bucket(
    tf.shape(batch[elements.BOXES])[1], shape.roi_buckets, 'RoIs'
  )
  static = shape.roi_buckets[0] if len(shape.roi_buckets) == 1 else None
  for key in _OF_ROIS:
    if key in batch:
      value = _pad_axes(batch[key], {1: count})
      rest = batch[key].shape[2:]
      padded[key] = tf.ensure_shape(value, [None, static, *rest])
  return padded


def pad_image(batch: Tensors, shape: BatchShape) -> Tensors:
  """Pads images to a canvas.

  Args:
    batch: with IMAGE, padded to the batch's own largest member.
    shape: what to pad to.

  Returns:
    The batch; all other keys are as they were.
  """
  image = batch[elements.IMAGE]
  canvas = _smallest_canvas(tf.shape(image)[1:3], shape)
  padded = _pad_axes(image, {1: canvas[0], 2: canvas[1]})
  return {**batch, elements.IMAGE: padded}


def pad_text(ragged: tf.RaggedTensor, buckets: tuple[int, ...]) -> tf.Tensor:
  """Pads texts to the smallest bucket that holds them all.

  Args:
    ragged: `[B, (n)]`.
    buckets: increasing lengths.

  Returns:
    `[B, T]`, zero (False) in padding.

  Raises:
    tf.errors.InvalidArgumentError: a text is longer than the last bucket.
  """
  longest = tf.cast(ragged.bounding_shape(1), tf.int32)
  length = smallest_bucket(longest, buckets, 'text elements')
  static = buckets[0] if len(buckets) == 1 else None
  return tf.ensure_shape(
    ragged.to_tensor(shape=tf.stack([-1, length])), [None, static]
  )


def smallest_bucket(
  length: tf.Tensor, buckets: tuple[int, ...], what: str
) -> tf.Tensor:
  """The first of `buckets`, int32 scalar, that is at least `length`.

  Raises:
    tf.errors.InvalidArgumentError: there is none.
  """
  fits = tf.debugging.assert_less_equal(
    length,
    buckets[-1],
    f'A batch may hold at most {buckets[-1]} {what}, the last bucket.',
  )
  # Eagerly the assertion is no operation; it has raised already.
  with tf.control_dependencies([] if fits is None else [fits]):
    length = tf.identity(length)
  place = tf.searchsorted(tf.constant(buckets), [length], side='left')[0]
  return tf.gather(tf.constant(buckets), place)


def _smallest_canvas(size: tf.Tensor, shape: BatchShape) -> tf.Tensor:
  canvases = tf.constant(images.canvas_sizes(shape.short_side, shape.long_side))
  fits = tf.reduce_all(canvases >= size[None], axis=1)
  return canvases[tf.argmax(tf.cast(fits, tf.int32))]


def _pad_axes(x: tf.Tensor, sizes: dict[int, tf.Tensor]) -> tf.Tensor:
  paddings = [
    [0, sizes[axis] - tf.shape(x)[axis] if axis in sizes else 0]
    for axis in range(len(x.shape))
  ]
  return tf.pad(x, paddings)
