"""Record files → batches: flatten, shuffle, decode, batch, pad.

The order of examples is a function of the seed and the epoch alone, and so
are all random numbers. A run that is resumed at step n therefore sees what
the uninterrupted run would have seen from step n on.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf
from official.modeling import hyperparams

from vlbert_tf import elements
from vlbert_tf.data import example_schema
from vlbert_tf.vision import image as images

Tensors = dict[str, tf.Tensor]


@dataclasses.dataclass
class DataConfig(hyperparams.Config):
  """What is read, and in which batches.

  Attributes:
    path: folder of records that `vlbert-build-examples` wrote.
    split: its split.
    global_batch_size: examples a step over all replicas.
    is_training: whether examples are shuffled and repeated.
    shuffle_buffer_size: examples among which the next one is drawn.
    text_buckets: lengths that texts are padded to, in elements; a batch takes
      the smallest that holds it. The last is `model.max_text_length`.
    roi_buckets: the same for RoIs; the last is `model.max_rois`.
    swap_images: whether each image is shown with the texts of another one,
      to see what a model answers that looks at the wrong picture.
    seed: of the order and of all random numbers.
  """

  path: str = ''
  split: str = 'train'
  global_batch_size: int = 32
  is_training: bool = True
  shuffle_buffer_size: int = 10_000
  text_buckets: list[int] = dataclasses.field(default_factory=list)
  roi_buckets: list[int] = dataclasses.field(default_factory=list)
  swap_images: bool = False
  seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchShape:
  """Static shapes that batches are padded to."""

  text_buckets: tuple[int, ...]
  roi_buckets: tuple[int, ...]
  short_side: int
  long_side: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExampleSource:
  """How a task turns records into batches.

  Attributes:
    flatten: maps a parsed record to a dataset of its annotations; each
      element is a dict that holds at least `elements.EXAMPLE_ID`, and the
      record's image and RoIs.
    prepare: maps one element and its epoch to the tensors that the task
      needs before batching.
    finish: maps a batch, padded to its own longest members, to model inputs.
  """

  flatten: Callable[[Tensors], tf.data.Dataset]
  prepare: Callable[[Tensors, tf.Tensor], Tensors]
  finish: Callable[[Tensors], Tensors]


def build_dataset(
  config: DataConfig,
  split: example_schema.SplitInfo,
  source: ExampleSource,
  context: tf.distribute.InputContext | None = None,
  start_step: int = 0,
) -> tf.data.Dataset:
  """Builds the batches of one host.

  Args:
    config: what is read.
    split: the opened split.
    source: the task's part.
    context: of tf.distribute, or None on one device.
    start_step: first step, for training that is resumed.

  Returns:
    Batches by the names of `elements`, without end when training. The last
    batch of an evaluation is filled up with rows of weight 0.
  """
  context = context or tf.distribute.InputContext()
  if config.is_training:
    dataset = _endless(config, split, source.flatten, start_step)
  else:
    dataset = _once(config, split, source.flatten)
  dataset = dataset.shard(
    context.num_input_pipelines, context.input_pipeline_id
  )
  dataset = dataset.map(
    lambda example, epoch, weight: {
      **source.prepare(example, epoch),
      elements.EXAMPLE_WEIGHT: weight,
    },
    num_parallel_calls=tf.data.AUTOTUNE,
  )
  batch_size = context.get_per_replica_batch_size(config.global_batch_size)
  dataset = dataset.padded_batch(batch_size, drop_remainder=True)
  dataset = dataset.map(source.finish, num_parallel_calls=tf.data.AUTOTUNE)
  return dataset.prefetch(tf.data.AUTOTUNE)


def _endless(
  config: DataConfig,
  split: example_schema.SplitInfo,
  flatten: Callable[[Tensors], tf.data.Dataset],
  start_step: int,
) -> tf.data.Dataset:
  """`(example, epoch, weight)` from a step on, epoch after epoch."""
  start = start_step * config.global_batch_size
  first_epoch, consumed = divmod(start, split.annotations)

  def epoch_of(number):
    # Each epoch has an order of its own: no reshuffling within one.
    seed = number + config.seed * 1_000_003
    files = tf.data.Dataset.from_tensor_slices(list(split.paths)).shuffle(
      len(split.paths), seed=seed, reshuffle_each_iteration=False
    )
    examples = _annotations(files, split, flatten, config.swap_images)
    shuffled = examples.shuffle(
      config.shuffle_buffer_size, seed=seed, reshuffle_each_iteration=False
    )
    return shuffled.map(lambda example: (example, number, 1.0))

  first = epoch_of(tf.constant(first_epoch, tf.int64)).skip(consumed)
  later = tf.data.Dataset.range(first_epoch + 1, tf.int64.max)
  return first.concatenate(later.flat_map(epoch_of))


def _once(
  config: DataConfig,
  split: example_schema.SplitInfo,
  flatten: Callable[[Tensors], tf.data.Dataset],
) -> tf.data.Dataset:
  """`(example, epoch, weight)`, each once, filled to whole batches."""
  files = tf.data.Dataset.from_tensor_slices(list(split.paths))
  examples = _annotations(files, split, flatten, config.swap_images)
  missing = -split.annotations % config.global_batch_size
  real = examples.map(lambda example: (example, tf.zeros([], tf.int64), 1.0))
  filling = examples.repeat().take(missing)
  return real.concatenate(
    filling.map(lambda example: (example, tf.zeros([], tf.int64), 0.0))
  )


def _annotations(
  files: tf.data.Dataset,
  split: example_schema.SplitInfo,
  flatten: Callable[[Tensors], tf.data.Dataset],
  swap_images: bool,
) -> tf.data.Dataset:
  records = files.interleave(tf.data.TFRecordDataset, cycle_length=4)
  records = records.map(
    lambda serialized: example_schema.parse_example(serialized, split.kind)
  )
  if swap_images:
    records = _with_next_image(records)
  return records.flat_map(flatten)


def _with_next_image(records: tf.data.Dataset) -> tf.data.Dataset:
  """Gives each record the image and the RoIs of the one after it."""
  following = records.skip(1).concatenate(records.take(1))

  def swap(record, other):
    return {
      key: (other if key.startswith(('image/', 'roi/')) else record)[key]
      for key in record
    }

  return tf.data.Dataset.zip(records, following).map(swap)


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
  boxes = record['roi/box'][:max_rois]
  image, boxes = images.scale_image_and_boxes(
    images.decode(record['image/encoded']),
    boxes,
    shape.short_side,
    shape.long_side,
  )
  return {
    elements.IMAGE: image,
    elements.IMAGE_SIZE: tf.cast(tf.shape(image)[:2], tf.float32),
    elements.BOXES: boxes,
    elements.ROI_CATEGORIES: tf.cast(
      record['roi/category'][:max_rois], tf.int32
    ),
    elements.ROI_MASK: tf.ones(tf.shape(boxes)[:1], tf.bool),
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
  image = batch[elements.IMAGE]
  canvas = _smallest_canvas(tf.shape(image)[1:3], shape)
  padded = dict(batch)
  padded[elements.IMAGE] = _pad_axes(image, {1: canvas[0], 2: canvas[1]})
  count = smallest_bucket(
    tf.shape(batch[elements.BOXES])[1], shape.roi_buckets, 'RoIs'
  )
  static = shape.roi_buckets[0] if len(shape.roi_buckets) == 1 else None
  for key in (
    elements.BOXES,
    elements.ROI_MASK,
    elements.ROI_MASKED,
    elements.ROI_CATEGORIES,
  ):
    if key in batch:
      value = _pad_axes(batch[key], {1: count})
      rest = batch[key].shape[2:]
      padded[key] = tf.ensure_shape(value, [None, static, *rest])
  return padded


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
