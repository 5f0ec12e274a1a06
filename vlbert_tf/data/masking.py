"""What pre-training hides, and which captions it swaps (VL-BERT §3.3).

Everything here is a function of uniform random numbers that are drawn, per
example, from (seed, epoch, example id): an example is masked in the same way
on any number of hosts, and a resumed run repeats nothing.
"""

from typing import NamedTuple

import tensorflow as tf

from vlbert_tf import elements
from vlbert_tf.text.sequence import TextSequence
from vlbert_tf.text.tokenizer import WordPieceTokenizer

# One stream of random numbers for each use, so that changing one use leaves
# the others as they were.
STREAM_WORDS = 1
STREAM_ROIS = 2
STREAM_CAPTION = 3
STREAM_FLIP = 4
STREAM_FATES = 5

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

  def labels_by_name(self) -> dict[str, tf.Tensor]:
    """What a model is to name, by the names of `elements`."""
    return {
      elements.MASKED_POSITIONS: self.positions,
      elements.MASKED_WORD_IDS: self.labels,
      elements.MASKED_WORD_WEIGHTS: self.weights,
    }


class WordMasking(NamedTuple):
  """How words are hidden; the defaults are those of VL-BERT §3.3.

  Attributes:
    rate: probability that a word piece, or a whole word, is chosen.
    max_masked: M; a text with more chosen pieces keeps the first M of them.
    whole_words: whether all pieces of a word are chosen together, and then
      hidden, replaced or kept together.
    random_share: of the chosen pieces, those that become any other piece.
    kept_share: of the chosen pieces, those that stay and are to be named.
  """

  rate: float
  max_masked: int
  whole_words: bool = False
  random_share: float = 0.0
  kept_share: float = 0.0


def most_masked(fraction: float, longest: int) -> int:
  """M of texts of at most `longest` pieces, at least 1."""
  return max(1, int(fraction * longest))


def mask_words(
  sequence: TextSequence,
  uniform: tf.Tensor,
  masking: WordMasking,
  tokenizer: WordPieceTokenizer,
  fates: tf.Tensor | None = None,
) -> MaskedWords:
  """Hides words.

  Args:
    sequence: text of the batch; special words are never hidden.
    uniform: float32 `[B, L]` in [0, 1), L at least the longest text.
    masking: which, and how.
    tokenizer: gives the id of [MASK], and says which pieces go on a word.
    fates: float32 `[B, L, 2]` in [0, 1), by which chosen pieces become
      [MASK], another piece, or stay, and which piece; None where all become
      [MASK].

  Returns:
    The masked text and its labels.
  """
  ids = sequence.word_ids.to_tensor()
  is_word = sequence.is_word.to_tensor(False)
  length = tf.shape(ids)[1]
  uniform = uniform[:, :length]
  if masking.whole_words:
    uniform = _shared_in_words(uniform, tf.gather(tokenizer.goes_on, ids))
  hidden = (uniform < masking.rate) & is_word
  order = tf.cumsum(tf.cast(hidden, tf.int32), axis=1)
  hidden = hidden & (order <= masking.max_masked)
  shown = tf.fill(tf.shape(ids), tokenizer.mask_id)
  if fates is not None:
    shown = _shown(ids, fates[:, :length], masking, tokenizer)
  masked_ids = tf.where(hidden, shown, ids)
  places = tf.ragged.boolean_mask(
    tf.broadcast_to(tf.range(length)[None], tf.shape(ids)), hidden
  )
  words = tf.ragged.boolean_mask(ids, hidden)
  shape = [None, masking.max_masked]
  return MaskedWords(
    word_ids=tf.RaggedTensor.from_tensor(
      masked_ids, sequence.word_ids.row_lengths()
    ),
    positions=places.to_tensor(0, shape=shape),
    labels=words.to_tensor(0, shape=shape),
    weights=tf.ones_like(words, tf.float32).to_tensor(0.0, shape=shape),
  )


def _shared_in_words(uniform: tf.Tensor, goes_on: tf.Tensor) -> tf.Tensor:
  """Gives all pieces of the n-th word the n-th number.

  Args:
    uniform: float32 `[B, L]`.
    goes_on: bool `[B, L]`, True for pieces that are not the first of a word.

  Returns:
    float32 `[B, L]`.
  """
  word = tf.cumsum(tf.cast(~goes_on, tf.int32), axis=1) - 1
  return tf.gather(uniform, word, batch_dims=1)


def _shown(
  ids: tf.Tensor,
  fates: tf.Tensor,
  masking: WordMasking,
  tokenizer: WordPieceTokenizer,
) -> tf.Tensor:
  """What a chosen piece is replaced by, int32 `[B, L]`."""
  fate, which = fates[..., 0], fates[..., 1]
  if masking.whole_words:
    fate = _shared_in_words(fate, tf.gather(tokenizer.goes_on, ids))
  size = tokenizer.vocab_size
  other = tf.minimum(tf.cast(which * float(size), tf.int32), size - 1)
  shown = tf.where(fate < masking.random_share, other, tokenizer.mask_id)
  return tf.where(fate >= 1.0 - masking.kept_share, ids, shown)


class MaskedRois(NamedTuple):
  """RoIs of which some are hidden.

  Attributes:
    chosen: bool `[..., R]`, those whose category is to be named.
    hidden: bool `[..., R]`, those of them that are hidden.
  """

  chosen: tf.Tensor
  hidden: tf.Tensor


def mask_rois(
  uniform: tf.Tensor,
  roi_mask: tf.Tensor,
  rate: float,
  kept_share: float = 0.0,
) -> MaskedRois:
  """Chooses each RoI with probability `rate` (0.15 in VL-BERT §3.3).

  Args:
    uniform: float32 `[..., R]` in [0, 1).
    roi_mask: bool `[..., R]`, True where real.
    rate: probability.
    kept_share: of the chosen RoIs, those that stay as they are and are to be
      named all the same: none in the paper, 0.1 in the released code.

  Returns:
    Which are chosen and which are hidden.
  """
  chosen = (uniform < rate) & roi_mask
  # Below the rate the numbers are uniform as well.
  return MaskedRois(chosen, chosen & (uniform < rate * (1.0 - kept_share)))


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
  own: tf.Tensor,
  image_id: tf.Tensor,
  table: CaptionTable,
  seed: tf.Tensor,
  probability: float,
) -> tuple[tf.Tensor, tf.Tensor]:
  """Puts another image's caption in place of an example's own, sometimes.

  Args:
    caption: scalar string, the image's own.
    own: string `[N]`, all captions of the image. None of them is put in the
      place of another, not even where another image has it as well.
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
  same_text = tf.reduce_any(drawn[:, None] == own[None], axis=1)
  other = (tf.gather(table.image_ids, rows) != image_id) & ~same_text
  swapped = (uniform[0] < probability) & tf.reduce_any(other)
  first_other = drawn[tf.argmax(tf.cast(other, tf.int32))]
  return tf.where(swapped, first_other, caption), ~swapped
