"""Members of a batch made equal in shape: images, RoIs, texts.

Shapes come in a few sizes, so that a compiled program serves many batches.
"""

import dataclasses

import tensorflow as tf

from vlbert_tf import boxes, elements
from vlbert_tf.vision import image as images

Tensors = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchShape:
  """Static shapes that batches are padded to."""

  text_buckets: tuple[int, ...]
  roi_buckets: tuple[int, ...]
  short_side: int
  long_side: int


def merge_texts(x: tf.Tensor) -> tf.Tensor:
  """Makes one dimension of images and of the texts of each.

  Args:
    x: `[I, G, ...]`.

  Returns:
    `[I * G, ...]`, the texts of an image side by side.
  """
  return tf.reshape(x, tf.concat([[-1], tf.shape(x)[2:]], axis=0))


def decode_visual(record: Tensors, shape: BatchShape) -> Tensors:
  """Image, RoIs and categories of one example.

  Args:
    record: of one image; see `example_schema`.
    shape: gives the sides that images are scaled to, and the most RoIs.

  Returns:
    IMAGE, IMAGE_SIZE, BOXES and ROI_CATEGORIES without a batch dimension,
    ROI_MASK all True.
  """
  max_rois = shape.roi_buckets[-1]
  image, rois = images.scale_image_and_boxes(
    images.decode(record['image/encoded']),
    record['roi/box'][:max_rois],
    shape.short_side,
    shape.long_side,
  )
  return {
    elements.IMAGE: image,
    elements.IMAGE_SIZE: tf.cast(tf.shape(image)[:2], tf.float32),
    elements.BOXES: rois,
    elements.ROI_CATEGORIES: tf.cast(
      record['roi/category'][:max_rois], tf.int32
    ),
    elements.ROI_MASK: tf.ones(tf.shape(rois)[:1], tf.bool),
  }


def flip_visual(visual: Tensors, flip: tf.Tensor) -> Tensors:
  """Mirrors the image and the boxes of one example.

  Args:
    visual: IMAGE, IMAGE_SIZE and whatever boxes, `[..., 4]`, go with it under
      BOXES and TARGET_BOX.
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
  return {
    name: tf.where(flip, flipped[name], value) if name in flipped else value
    for name, value in visual.items()
  }


def pad_visual(batch: Tensors, shape: BatchShape) -> Tensors:
  """Pads images to a canvas and RoIs to a bucket.

  Args:
    batch: with IMAGE and what belongs to RoIs, padded to the batch's own
      largest members.
    shape: what to pad to.

  Returns:
    The batch; all keys that do not concern the image are as they were.
  """
  return pad_rois(pad_image(batch, shape), shape)


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
  for key in (
    elements.BOXES,
    elements.ROI_MASK,
    elements.ROI_MASKED,
    elements.ROI_CATEGORIES,
    elements.APPEARANCE,
  ):
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
