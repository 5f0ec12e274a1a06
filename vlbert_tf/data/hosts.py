"""Which examples a host reads, of several that train together."""

import dataclasses

import tensorflow as tf

from vlbert_tf.data.example_schema import SplitInfo


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
  """The part of a split that one host reads.

  Files are dealt out anew each epoch, so that no host reads what the others
  train on. Hosts then end their epochs at different steps, as their files are
  of different lengths; each goes on with the next epoch by itself.

  Attributes:
    host: its number, from 0.
    hosts: how many there are.
    lengths: examples in each file, in their order, where files are dealt out.
      Empty where there are too few: each host then reads all of them and takes
      every `hosts`-th example.
    files: of the split.
    examples: of the split.
  """

  host: int
  hosts: int
  lengths: tuple[int, ...]
  files: int
  examples: int

  def batch(self, global_batch: int) -> int:
    """Examples of a global batch among those that `file_numbers` lead to."""
    return global_batch // self.hosts if self.lengths else global_batch

  def file_numbers(self, seed: tf.Tensor | None = None) -> tf.data.Dataset:
    """Files that the host reads in an epoch, int64 scalars.

    Args:
      seed: int64 scalar, of their order; None keeps that of the split.
    """
    numbers = tf.data.Dataset.range(self.files)
    if seed is not None:
      numbers = numbers.shuffle(
        self.files, seed=seed, reshuffle_each_iteration=False
      )
    return numbers.shard(self.hosts, self.host) if self.lengths else numbers

  def every_nth(self, examples: tf.data.Dataset) -> tf.data.Dataset:
    """Those of the host's examples that it trains on."""
    if self.lengths:
      return examples
    return examples.shard(self.hosts, self.host)

  def place_of(self, start: int, seed_of) -> tuple[int, int]:
    """Where the host is in its epochs after so many examples.

    Args:
      start: examples of its files that have gone by.
      seed_of: maps an epoch, int64 scalar, to the seed of its order.

    Returns:
      The epoch, and examples of it that have gone by.
    """
    if not self.lengths:
      return divmod(start, self.examples)
    lengths = tf.constant(self.lengths, tf.int64)
    epochs = tf.data.Dataset.range(tf.int64.max).map(
      lambda epoch: self.file_numbers(seed_of(epoch)).reduce(
        tf.zeros([], tf.int64),
        lambda total, number: total + tf.gather(lengths, number),
      )
    )
    for epoch, length in enumerate(epochs.as_numpy_iterator()):
      if start < length:
        return epoch, start
      start -= int(length)
    raise AssertionError('Epochs are without end.')

  def missing(self, global_batch: int) -> int:
    """Rows that fill up the host's last batch of an evaluation.

    All hosts take part in every batch: one with few examples fills up to the
    batches of the one with the most.

    Args:
      global_batch: examples of all hosts in a step.
    """
    if not self.lengths:
      return -self.examples % global_batch
    batch = self.batch(global_batch)
    each = [sum(self.lengths[k :: self.hosts]) for k in range(self.hosts)]
    return -(-max(each) // batch) * batch - each[self.host]


def share(
  split: SplitInfo,
  context: tf.distribute.InputContext,
  *,
  of_images: bool,
  keep_order: bool = False,
) -> Share:
  """The part of a split that a host reads.

  Args:
    split: the opened split.
    context: of tf.distribute.
    of_images: whether an image is one example, whatever is said about it.
    keep_order: whether examples have to follow each other as in the split.

  Returns:
    Of whole files where there is one for each host, each with an example at
    least, and it is known how many they hold.
  """
  lengths = split.shard_lengths if of_images else split.shard_annotations
  hosts = context.num_input_pipelines
  by_file = 1 < hosts <= len(lengths) and min(lengths) > 0 and not keep_order
  return Share(
    host=context.input_pipeline_id,
    hosts=hosts,
    lengths=tuple(lengths) if by_file else (),
    files=len(split.paths),
    examples=split.images if of_images else split.annotations,
  )
