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
from vlbert_tf.data import (
  example_schema,
  grouping,
  hosts,
  record_contents,
  record_kinds,
)
from vlbert_tf.data.batching import Tensors, merge_texts

_GRAY = 117  # near the mean of photos, which becomes 0

ROWS = 'rows'  # int64 [G], annotations of a record that make an example


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
    texts_per_image: how many questions about an image share one pass over its
      pixels, in training. Above 1 each image comes once an epoch, with so many
      of its questions, drawn anew.
    swap_images: whether each image is shown with the texts of another one,
      to see what a model answers that looks at the wrong picture.
    hide_images: whether each image is shown as plain gray, with the RoIs of
      its own, to see what a model does without eyes.
    show_images: whether images are read beside precomputed features, to be
      drawn.
    grouped_batches: batches whose examples are drawn together and sorted by
      their number of RoIs, so that a batch needs little padding; the batches
      come in random order. 1 sorts nothing.
    deterministic: whether the order is the same in every run, which resuming
      relies on. Off, batches come as soon as they are ready.
    data_service: address of a tf.data service, `grpc://host:port`, whose
      workers make the batches of training; empty for this machine.
    seed: of the order and of all random numbers.
  """

  path: str = ''
  split: str = 'train'
  global_batch_size: int = 32
  is_training: bool = True
  shuffle_buffer_size: int = 10_000
  text_buckets: list[int] = dataclasses.field(default_factory=list)
  roi_buckets: list[int] = dataclasses.field(default_factory=list)
  texts_per_image: int = 1
  swap_images: bool = False
  hide_images: bool = False
  show_images: bool = False
  grouped_batches: int = 1
  deterministic: bool = True
  data_service: str = ''
  seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExampleSource:
  """How a task turns records into batches.

  Attributes:
    prepare: maps a record and its epoch to what the task needs before
      batching. The record holds under `ROWS` which of its annotations are
      wanted; what belongs to them has their number G as its first dimension.
    finish: maps a batch, padded to its own longest members, to model inputs.
    of_images: whether an image is one example, whatever is said about it;
      `ROWS` is then the first annotation and G is 1.
    texts: of an example; the candidates of multiple choice.
  """

  prepare: Callable[[Tensors, tf.Tensor], Tensors]
  finish: Callable[[Tensors], Tensors]
  of_images: bool = False
  texts: int = 1


# To look for control flow on tensors, of which there is none, takes longer than
# to trace the functions.
@tf.autograph.experimental.do_not_convert
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
    Batches by the names of `elements`, without end when training; the number
    of their rows is static. The last batch of an evaluation is filled up with
    rows of weight 0.

  Raises:
    ValueError: the texts of an image do not divide a replica's batch.
  """
  context = context or tf.distribute.InputContext()
  batch_size = context.get_per_replica_batch_size(config.global_batch_size)
  texts = _texts_per_image(config, batch_size)
  share = hosts.share(
    split,
    context,
    of_images=source.of_images or texts > 1,
    keep_order=config.swap_images,
  )
  if config.is_training:
    dataset = _endless(config, split, source, share, start_step)
  else:
    dataset = _once(config, split, source, share)
  dataset = share.every_nth(dataset).map(
    lambda record, epoch, weight: {
      **source.prepare(record, epoch),
      elements.EXAMPLE_WEIGHT: tf.repeat(weight, tf.size(record[ROWS])),
    },
    num_parallel_calls=tf.data.AUTOTUNE,
  )
  dataset = dataset.padded_batch(batch_size // texts, drop_remainder=True)
  dataset = dataset.map(
    lambda batch: _with_rows(
      source.finish(
        {
          **batch,
          elements.EXAMPLE_WEIGHT: merge_texts(batch[elements.EXAMPLE_WEIGHT]),
        }
      ),
      batch_size * source.texts,
    ),
    num_parallel_calls=tf.data.AUTOTUNE,
  )
  options = tf.data.Options()
  options.deterministic = config.deterministic
  dataset = dataset.with_options(options)
  if config.data_service and config.is_training:
    service = tf.data.experimental.service
    dataset = dataset.apply(
      service.distribute(
        processing_mode=service.ShardingPolicy.DYNAMIC,
        service=config.data_service,
      )
    )
  return dataset.prefetch(tf.data.AUTOTUNE)


def _with_rows(batch: Tensors, texts: int) -> Tensors:
  """Says how many rows there are, which tokenization forgets of its texts.

  Micro-batches are cut where the graph is made, from rows that are known.
  """
  known = {
    name: tf.ensure_shape(x, [texts, *x.shape[1:]])
    for name, x in batch.items()
    if x.shape[0] is None
  }
  return {**batch, **known}


def _texts_per_image(config: DataConfig, batch_size: int) -> int:
  texts = config.texts_per_image if config.is_training else 1
  if texts < 1 or batch_size % texts:
    raise ValueError(
      'texts_per_image must divide the batch of a replica. '
      f'Received: {texts} for a batch of {batch_size}.'
    )
  return texts


def _endless(
  config: DataConfig,
  split: example_schema.SplitInfo,
  source: ExampleSource,
  share: hosts.Share,
  start_step: int,
) -> tf.data.Dataset:
  """`(record, epoch, weight)` from a step on, epoch after epoch."""
  batch = share.batch(config.global_batch_size // config.texts_per_image)
  # Groups are sorted as a whole: begin with the first of the group.
  in_group = start_step % config.grouped_batches
  start = (start_step - in_group) * batch

  def seed_of(epoch):
    return epoch + config.seed * 1_000_003

  def epoch_of(number):
    # Each epoch has an order of its own: no reshuffling within one.
    seed = seed_of(number)
    files = share.file_numbers(seed)
    examples = _examples(files, split, config, source, seed)
    shuffled = examples.shuffle(
      config.shuffle_buffer_size, seed=seed, reshuffle_each_iteration=False
    )
    return shuffled.map(lambda record: (record, number, 1.0))

  first_epoch, consumed = share.place_of(start, seed_of)
  first = epoch_of(tf.constant(first_epoch, tf.int64)).skip(consumed)
  later = tf.data.Dataset.range(first_epoch + 1, tf.int64.max)
  examples = first.concatenate(later.flat_map(epoch_of))
  if config.grouped_batches == 1:
    return examples
  grouped = grouping.similar_sizes(
    examples,
    lambda record, epoch, weight: tf.size(record['roi/category']),
    batch=batch,
    batches=config.grouped_batches,
    first_group=start_step // config.grouped_batches,
    seed=config.seed,
  )
  return grouped.skip(in_group * batch)


def _once(
  config: DataConfig,
  split: example_schema.SplitInfo,
  source: ExampleSource,
  share: hosts.Share,
) -> tf.data.Dataset:
  """`(record, epoch, weight)`, each example once, in whole batches."""
  files = share.file_numbers()
  examples = _examples(files, split, config, source, tf.zeros([], tf.int64))
  missing = share.missing(config.global_batch_size)
  real = examples.map(lambda record: (record, tf.zeros([], tf.int64), 1.0))
  filling = examples.repeat().take(missing)
  return real.concatenate(
    filling.map(lambda record: (record, tf.zeros([], tf.int64), 0.0))
  )


def _examples(
  files: tf.data.Dataset,
  split: example_schema.SplitInfo,
  config: DataConfig,
  source: ExampleSource,
  seed: tf.Tensor,
) -> tf.data.Dataset:
  """Records with `ROWS` of the files of such numbers.

  A record shares its tensors among its examples.
  """
  paths = tf.constant(split.paths)
  records = files.interleave(
    lambda number: tf.data.TFRecordDataset(tf.gather(paths, number)),
    cycle_length=4,
  )
  records = records.map(
    lambda serialized: example_schema.parse_example(
      serialized, split.kind, split.contents
    )
  )
  if config.swap_images:
    records = _with_next_image(records)
  if config.hide_images:
    records = records.map(_in_gray)
  if source.of_images:
    return records.map(lambda record: {**record, ROWS: tf.zeros([1], tf.int64)})
  texts = config.texts_per_image if config.is_training else 1
  if texts > 1:
    return records.map(
      lambda record: {**record, ROWS: _drawn_rows(record, split, texts, seed)}
    )
  return records.flat_map(
    lambda record: tf.data.Dataset.range(_count(record, split)).map(
      lambda row: {**record, ROWS: row[None]}
    )
  )


def _count(record: Tensors, split: example_schema.SplitInfo) -> tf.Tensor:
  """Annotations of a record, int64 scalar."""
  return tf.size(record[record_kinds.COUNTED[split.kind]], out_type=tf.int64)


def _drawn_rows(
  record: Tensors,
  split: example_schema.SplitInfo,
  texts: int,
  seed: tf.Tensor,
) -> tf.Tensor:
  """`texts` annotations in random order; all of them before one comes again."""
  place = tf.strings.to_hash_bucket_fast(record['image/id'], 2**31 - 1)
  count = _count(record, split)
  order = tf.random.experimental.stateless_shuffle(
    tf.range(count), tf.stack([place, seed])
  )
  return tf.gather(order, tf.range(texts, dtype=tf.int64) % count)


def _with_next_image(records: tf.data.Dataset) -> tf.data.Dataset:
  """Gives each record the image and the RoIs of the one after it."""
  following = records.skip(1).concatenate(records.take(1))

  def swap(record, other):
    return {
      key: (other if key.startswith(('image/', 'roi/')) else record)[key]
      for key in record
    }

  return tf.data.Dataset.zip(records, following).map(swap)


def _in_gray(record: Tensors) -> Tensors:
  """The record with a picture of one color, or with features of nothing."""
  hidden = {
    name: tf.zeros_like(record[name])
    for name in (record_contents.ROI_FEATURE, record_contents.IMAGE_FEATURE)
    if name in record
  }
  if record_contents.ENCODED in record:
    size = tf.stack([record['image/height'], record['image/width'], 3])
    gray = tf.fill(tf.cast(size, tf.int32), tf.constant(_GRAY, tf.uint8))
    hidden[record_contents.ENCODED] = tf.io.encode_png(gray)
  return {**record, **hidden}
