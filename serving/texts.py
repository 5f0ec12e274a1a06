"""From the strings of a request to the model's text, inside the graph."""

from typing import NamedTuple

import tensorflow as tf

from serving import statuses
from serving.signatures import CANDIDATES
from vlbert_tf import elements
from vlbert_tf.data import batching
from vlbert_tf.tasks import base
from vlbert_tf.text.sequence import (
  TextSequence,
  caption_sequence,
  choice_sequence,
  question_sequence,
)
from vlbert_tf.text.tagged import TaggedPieces, tokenize_tagged
from vlbert_tf.text.tokenizer import MASK, WordPieceTokenizer

# Numbers of up to nine digits, for int32, with spaces between them.
_TAGS = r'\s*(-?[0-9]{1,9}(\s+-?[0-9]{1,9})*)?\s*'
NOT_TAGS = 'Tags are as many whole numbers as there are words, or none.'
UNKNOWN_TAG = 'A tag is -1, or the row of a box of the image, from 0.'
NO_MASK = f'A text must contain {MASK} where a word is asked for.'


class Text(NamedTuple):
  """Text of a batch as the model reads it.

  Attributes:
    inputs: by the names of `elements`, T padded to a bucket.
    status: string `[B]`; a text that is too long is cut.
    positions: int32, places that are predicted from: `[B]` of an answer,
      `[B, M]` of masked words, 0 in padding; or None.
    counts: int32 `[B]`, masked words; or None.
  """

  inputs: batching.Tensors
  status: tf.Tensor
  positions: tf.Tensor | None = None
  counts: tf.Tensor | None = None


class TextReader:
  """Reads texts with the vocabulary and the lengths of a model."""

  def __init__(self, tokenizer: WordPieceTokenizer, shape: batching.BatchShape):
    """Keeps what reading needs.

    Args:
      tokenizer: of the model.
      shape: gives the lengths that texts are padded to.
    """
    self._tokenizer = tokenizer
    self._shape = shape
    self._longest = shape.text_buckets[-1]

  def question(self, texts: tf.Tensor) -> Text:
    """`[CLS] question [SEP] [MASK] [SEP]` from string `[B]`."""
    words = self._tokenizer.tokenize(texts)
    sequence, position = question_sequence(
      words, self._tokenizer, self._longest
    )
    return Text(
      self._padded(sequence, sequence.word_ids),
      self._status(words, 'A question', self._longest - 4),
      position,
    )

  def caption(self, texts: tf.Tensor, what: str) -> Text:
    """`[CLS] text [SEP]` from string `[B]`; `what` names it in statuses."""
    words = self._tokenizer.tokenize(texts)
    sequence = caption_sequence(words, self._tokenizer, self._longest)
    return Text(
      self._padded(sequence, sequence.word_ids),
      self._status(words, what, self._longest - 2),
    )

  def masked(self, texts: tf.Tensor) -> Text:
    """As `caption`, of texts in which [MASK] stands for words."""
    words = self._with_masks(texts)
    sequence = caption_sequence(words, self._tokenizer, self._longest)
    ids = self._padded(sequence, sequence.word_ids)
    hidden = ids[elements.WORD_IDS] == self._tokenizer.mask_id
    places = tf.range(tf.shape(hidden)[1])
    places = tf.broadcast_to(places[None], tf.shape(hidden))
    positions = tf.ragged.boolean_mask(places, hidden)
    status = self._status(words, 'A text', self._longest - 2)
    counts = tf.cast(positions.row_lengths(), tf.int32)
    return Text(
      ids,
      statuses.first(status, statuses.rule(counts == 0, NO_MASK)),
      # One place at least, so that no tensor is empty.
      tf.pad(positions.to_tensor(0), [[0, 0], [0, 1]])[
        :, : tf.maximum(tf.reduce_max(counts), 1)
      ],
      counts,
    )

  def choice(self, inputs: batching.Tensors, real: tf.Tensor) -> Text:
    """Question and candidates, N texts side by side for each request.

    Args:
      inputs: see `signatures`, function `choose`.
      real: bool `[B, R]`, which rows are RoIs.
    """
    given = [
      inputs['question'][:, None],
      inputs['question_tags'][:, None],
      inputs['candidates'],
      inputs['candidate_tags'],
    ]
    words = [tf.reshape(_per_candidate(x), [-1]) for x in given[::2]]
    tags = [tf.reshape(_per_candidate(x), [-1]) for x in given[1::2]]
    real = tf.repeat(real, CANDIDATES, axis=0)
    parts, found = [], []
    for name, text, numbers in zip(
      ('A question', 'A candidate'), words, tags, strict=True
    ):
      pieces, status = self._tagged(text, numbers, real)
      empty = self._status(pieces.ids, name, None)
      parts.append(pieces)
      found += [empty, status]
    sequence, rois = choice_sequence(*parts, self._tokenizer, self._longest)
    limit = (
      'Question and candidate may have at most '
      f'{self._longest - 3} word pieces together.'
    )
    status = statuses.first(*found, statuses.rule(sequence.cut, limit))
    of_row = tf.unstack(tf.reshape(status, [-1, CANDIDATES]), axis=1)
    return Text(
      {
        **self._padded(sequence, sequence.word_ids),
        elements.WORD_ROI_INDEX: batching.pad_text(
          rois, self._shape.text_buckets
        ),
      },
      statuses.first(*of_row),
    )

  def _with_masks(self, texts: tf.Tensor) -> tf.RaggedTensor:
    """Word pieces; the tokenizer itself would split [MASK]."""
    parts = tf.strings.split(texts, MASK)
    words = self._tokenizer.tokenize(parts.values)
    rows = words.nrows(out_type=tf.int32)
    mask = tf.fill([rows, 1], self._tokenizer.mask_id)
    words = tf.concat([words, tf.RaggedTensor.from_tensor(mask)], axis=1)
    nested = tf.RaggedTensor.from_row_splits(words, parts.row_splits)
    # A part is followed by [MASK], the last one by nothing.
    return nested.merge_dims(1, 2)[:, :-1]

  def _tagged(self, texts, tags, real) -> tuple[TaggedPieces, tf.Tensor]:
    """Pieces with the RoI of each, 0 for the whole image; and a status."""
    number_of_words = tf.strings.split(texts).row_lengths()
    written = tf.strings.regex_full_match(tags, _TAGS)
    tags = tf.where(written, tags, '')
    number_of_tags = tf.strings.split(tags).row_lengths()
    written &= (number_of_tags == 0) | (number_of_tags == number_of_words)
    none = _minus_ones(number_of_words)
    usable = written & (number_of_tags > 0)
    pieces = tokenize_tagged(
      texts, tf.where(usable, tags, none), self._tokenizer
    )
    named = _named(pieces.tags, real)
    known = named | (pieces.tags.values == -1)
    unknown = tf.reduce_any(pieces.tags.with_values(~known), axis=1)
    status = statuses.first(
      statuses.rule(~written, NOT_TAGS), statuses.rule(unknown, UNKNOWN_TAG)
    )
    rois = pieces.tags.with_values(tf.where(named, pieces.tags.values + 1, 0))
    return TaggedPieces(pieces.ids, rois), status

  def _status(self, words, what: str, most: int | None) -> tf.Tensor:
    """Whether there are words, and not too many."""
    lengths = words.row_lengths()
    status = statuses.rule(lengths == 0, f'{what} must contain a word.')
    if most is None:
      return status
    too_long = f'{what} may have at most {most} word pieces.'
    return statuses.first(status, statuses.rule(lengths > most, too_long))

  def _padded(self, sequence: TextSequence, ids) -> batching.Tensors:
    padded = base.padded_text(sequence, ids, self._shape)
    del padded[base.TEXT_CUT]
    return padded


def _per_candidate(x: tf.Tensor) -> tf.Tensor:
  """string `[B, N]` of `[B, 1]` or `[B, N]`."""
  return tf.broadcast_to(x, [tf.shape(x)[0], CANDIDATES])


def _named(tags: tf.RaggedTensor, real: tf.Tensor) -> tf.Tensor:
  """Which of all tags are the row of a RoI, bool, without rows."""
  last = tf.shape(real)[1] - 1
  inside = (tags.values >= 0) & (tags.values <= last)
  place = tf.clip_by_value(tags.values, 0, last)
  row = tf.cast(tags.value_rowids(), tf.int32)
  return inside & tf.gather_nd(real, tf.stack([row, place], axis=1))


def _minus_ones(counts: tf.Tensor) -> tf.Tensor:
  """Tags that name nothing, as many as there are words, string `[B]`."""
  ones = tf.fill([tf.reduce_sum(counts)], '-1')
  ragged = tf.RaggedTensor.from_row_lengths(ones, counts)
  return tf.strings.reduce_join(ragged, axis=1, separator=' ')
