"""What pre-training hides, and which captions it swaps (VL-BERT §3.3).

Everything here is a function of uniform random numbers that are drawn, per
example, from (seed, epoch, example id): an example is masked in the same way
on any number of hosts, and a resumed run repeats nothing.
"""

from typing import NamedTuple

import tensorflow as tf

from vlbert_tf.text.sequence import TextSequence
from vlbert_tf.text.tokenizer import WordPieceTokenizer

# One stream of random numbers for each use, so that changing one use leaves
# the others as they were.
STREAM_WORDS = 1
STREAM_ROIS = 2
STREAM_CAPTION = 3
STREAM_FLIP = 4

# Captions drawn for an example before it is kept as a related pair because
# all of them were the image's own: below one in 10⁹ for 1,000 captions.
_CAPTION_DRAWS = 4


def example_seed(
  seed: int, epoch: tf.Tensor, example_id: tf.Tensor, stream: int
) -> tf.Tensor:
  """Seed of one use of random numbers in one example.

  Args:
    seed: of the run.
    epoch: int64 scalar.
    example_id: scalar string.
    stream: one of the STREAM numbers.

  Returns:
    int32 `[2]`.
  """
  place = tf.strings.to_hash_bucket_fast(example_id, 2**31 - 1)
  use = (tf.cast(epoch, tf.int64) * 16 + stream + seed * 1_000_003) % (2**31)
  return tf.cast(tf.stack([place, use]), tf.int32)


class MaskedWords(NamedTuple):
  """Words of which some are hidden.

  Attributes:
    word_ids: int32 `[B, (n)]`, ragged, with [MASK] where a word is hidden.
    positions: int32 `[B, M]`, the hidden places, 0 in padding.
    labels: int32 `[B, M]`, the hidden words, 0 in padding.
    weights: float32 `[B, M]`, 1 where real.
  """

  word_ids: tf.RaggedTensor
  positions: tf.Tensor
  labels: tf.Tensor
  weights: tf.Tensor


def mask_words(
  sequence: TextSequence,
  uniform: tf.Tensor,
  *,
  rate: float,
  max_masked: int,
  tokenizer: WordPieceTokenizer,
) -> MaskedWords:
  """Hides each word piece with probability `rate`.

  Args:
    sequence: text of the batch; special words are never hidden.
    uniform: float32 `[B, L]` in [0, 1), L at least the longest text.
    rate: 0.15 in VL-BERT §3.3.
    max_masked: M; a text with more hidden words keeps the first M of them.
    tokenizer: gives the id of [MASK].

  Returns:
    The masked text and its labels.
  """
  ids = sequence.word_ids.to_tensor()
  is_word = sequence.is_word.to_tensor(False)
  length = tf.shape(ids)[1]
  hidden = (uniform[:, :length] < rate) & is_word
  order = tf.cumsum(tf.cast(hidden, tf.int32), axis=1)
  hidden = hidden & (order <= max_masked)
  masked_ids = tf.where(hidden, tokenizer.mask_id, ids)
  places = tf.ragged.boolean_mask(
    tf.broadcast_to(tf.range(length)[None], tf.shape(ids)), hidden
  )
  words = tf.ragged.boolean_mask(ids, hidden)
  shape = [None, max_masked]
  return MaskedWords(
    word_ids=tf.RaggedTensor.from_tensor(
      masked_ids, sequence.word_ids.row_lengths()
    ),
    positions=places.to_tensor(0, shape=shape),
    labels=words.to_tensor(0, shape=shape),
    weights=tf.ones_like(words, tf.float32).to_tensor(0.0, shape=shape),
  )


def mask_rois(
  uniform: tf.Tensor, roi_mask: tf.Tensor, rate: float
) -> tf.Tensor:
  """Hides each RoI with probability `rate` (0.15 in VL-BERT §3.3).

  Args:
    uniform: float32 `[B, R]` in [0, 1).
    roi_mask: bool `[B, R]`, True where real.
    rate: probability.

  Returns:
    bool `[B, R]`, True where hidden.
  """
  return (uniform < rate) & roi_mask


class CaptionTable(NamedTuple):
  """All captions of a split, from which swapped ones are drawn.

  Attributes:
    image_ids: string `[N]`.
    captions: string `[N]`.
  """

  image_ids: tf.Tensor
  captions: tf.Tensor


def maybe_swap_caption(
  caption: tf.Tensor,
  image_id: tf.Tensor,
  table: CaptionTable,
  seed: tf.Tensor,
  probability: float,
) -> tuple[tf.Tensor, tf.Tensor]:
  """Puts another image's caption in place of an example's own, sometimes.

  Args:
    caption: scalar string, the image's own.
    image_id: scalar string.
    table: captions of the whole data set.
    seed: int32 `[2]`.
    probability: of a swap; ½ in VL-BERT §3.3.

  Returns:
    The caption, and a bool scalar: whether it is the image's own.
  """
  uniform = tf.random.stateless_uniform([_CAPTION_DRAWS + 1], seed)
  count = tf.shape(table.captions)[0]
  rows = tf.cast(uniform[1:] * tf.cast(count, tf.float32), tf.int32)
  rows = tf.minimum(rows, count - 1)
  drawn = tf.gather(table.captions, rows)
  other = (tf.gather(table.image_ids, rows) != image_id) & (drawn != caption)
  swapped = (uniform[0] < probability) & tf.reduce_any(other)
  first_other = drawn[tf.argmax(tf.cast(other, tf.int32))]
  return tf.where(swapped, first_other, caption), ~swapped
