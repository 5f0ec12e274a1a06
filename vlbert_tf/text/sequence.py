"""Sections of text in one sequence: [CLS] … [SEP] … [SEP] (VL-BERT §3.2)."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from vlbert_tf import elements
from vlbert_tf.text.tagged import TaggedPieces
from vlbert_tf.text.tokenizer import WordPieceTokenizer

CAPTION_SPECIALS = 2  # [CLS] and [SEP]


class TextSequence(NamedTuple):
  """Text of a batch, special words included.

  Attributes:
    word_ids: int32 `[B, (n)]`, ragged.
    segment_ids: int32 `[B, (n)]`, ragged.
    is_word: bool `[B, (n)]`, ragged; False on special words.
    cut: bool `[B]`, True where words were left out to fit the model.
  """

  word_ids: tf.RaggedTensor
  segment_ids: tf.RaggedTensor
  is_word: tf.RaggedTensor
  cut: tf.Tensor


def caption_sequence(
  captions: tf.RaggedTensor, tokenizer: WordPieceTokenizer, max_length: int
) -> TextSequence:
  """`[CLS] caption [SEP]`, all of segment A.

  Args:
    captions: int32 `[B, (n)]`, word pieces.
    tokenizer: gives the ids of the special words.
    max_length: longest sequence; longer captions lose their last words.

  Returns:
    The sequences.
  """
  fit = max_length - CAPTION_SPECIALS
  return _join([captions], [elements.SEGMENT_A], tokenizer, fit)


def caption_beside_rois(
  captions: tf.RaggedTensor,
  rois: tf.Tensor,
  tokenizer: WordPieceTokenizer,
  max_length: int,
  max_elements: int,
) -> tuple[TextSequence, tf.Tensor]:
  """As `caption_sequence`, where caption and RoIs share a length.

  Args:
    captions: int32 `[B, (n)]`, word pieces.
    rois: int32 `[B]`, how many there are; the whole image is not counted.
    tokenizer: gives the ids of the special words.
    max_length: longest sequence of text.
    max_elements: most elements of text, RoIs and whole image together; the
      longer side is cut first, and of two equal ones the text (the released
      code).

  Returns:
    The sequences, and how many RoIs are left, int32 `[B]`.
  """
  lengths = tf.cast(captions.row_lengths(), tf.int32)
  texts = tf.minimum(lengths + CAPTION_SPECIALS, max_length)
  left = tf.minimum(
    texts, tf.maximum(max_elements - rois - 1, max_elements // 2)
  )
  fit = left - CAPTION_SPECIALS
  sequence = caption_sequence(_first(captions, fit), tokenizer, max_length)
  rois_left = tf.minimum(rois, max_elements - left - 1)
  return sequence._replace(cut=lengths > fit), rois_left


def question_sequence(
  questions: tf.RaggedTensor, tokenizer: WordPieceTokenizer, max_length: int
) -> tuple[TextSequence, tf.Tensor]:
  """`[CLS] question [SEP] [MASK] [SEP]`; [MASK] holds the answer's place.

  Args:
    questions: int32 `[B, (n)]`, word pieces.
    tokenizer: gives the ids of the special words.
    max_length: longest sequence; longer questions lose their last words.

  Returns:
    The sequences, and the place of [MASK], int32 `[B]` (VL-BERT fig. 2).
  """
  rows = questions.nrows(out_type=tf.int32)
  mask = tf.RaggedTensor.from_tensor(tf.fill([rows, 1], tokenizer.mask_id))
  sequence = _join(
    [questions, mask],
    [elements.SEGMENT_A, elements.SEGMENT_B],
    tokenizer,
    max_length - 4,
  )
  length = tf.cast(sequence.word_ids.row_lengths(), tf.int32)
  return sequence, length - 2


def choice_sequence(
  context: TaggedPieces,
  candidate: TaggedPieces,
  tokenizer: WordPieceTokenizer,
  max_length: int,
) -> tuple[TextSequence, tf.RaggedTensor]:
  """`[CLS] context [SEP] candidate [SEP]`, segments A and B (VL-BERT fig. 2).

  Args:
    context: word pieces `[B, (n)]`: the question, or question and answer;
      tags are the RoIs that they name, from 1, 0 for none.
    candidate: the same of an answer or a rationale.
    tokenizer: gives the ids of the special words.
    max_length: longest sequence; where the sections do not fit, the longer
      one loses its last words until both are equally long, then both do.

  Returns:
    The sequences; and int32 `[B, (n)]`, the RoI whose visual feature each
    element takes, 0 for the whole image, as all special words.
  """
  fit = max_length - 3
  lengths = [
    tf.cast(part.ids.row_lengths(), tf.int32) for part in (context, candidate)
  ]
  first = tf.minimum(lengths[0], tf.maximum(fit - lengths[1], (fit + 1) // 2))
  second = tf.minimum(lengths[1], fit - first)
  ids = [_first(context.ids, first), _first(candidate.ids, second)]
  rois = [_first(context.tags, first), _first(candidate.tags, second)]
  segments = [elements.SEGMENT_A, elements.SEGMENT_B]
  sequence = _join(ids, segments, tokenizer, fit, words_in=(0, 1))
  whole_image = tf.RaggedTensor.from_tensor(tf.zeros_like(first)[:, None])
  return (
    sequence._replace(cut=lengths[0] + lengths[1] > fit),
    tf.concat([whole_image, rois[0], whole_image, rois[1], whole_image], 1),
  )


def _first(ragged: tf.RaggedTensor, counts: tf.Tensor) -> tf.RaggedTensor:
  """The first `counts[b]` values of each row b."""
  places = tf.range(tf.cast(ragged.bounding_shape(1), tf.int32))
  lengths = tf.cast(ragged.row_lengths(), tf.int32)
  inside = places[None] < lengths[:, None]
  kept = tf.ragged.boolean_mask(places[None] < counts[:, None], inside)
  return tf.ragged.boolean_mask(ragged, kept)


def mirror_words(texts: tf.Tensor, flip: tf.Tensor) -> tf.Tensor:
  """What is said of an image, said of its mirror image.

  Args:
    texts: string `[...]`.
    flip: bool scalar, whether the image is mirrored.

  Returns:
    string `[...]`; where the image is mirrored, the words left and right have
    changed places.
  """
  return tf.where(flip, swap_left_right(texts), texts)


def swap_left_right(texts: tf.Tensor) -> tf.Tensor:
  """Puts 'right' for 'left' and the other way round, as whole words.

  Args:
    texts: string `[...]`.

  Returns:
    string `[...]`, lower-case where a word was swapped.
  """
  marked = tf.strings.regex_replace(texts, r'(?i)\bleft\b', '\x01')
  swapped = tf.strings.regex_replace(marked, r'(?i)\bright\b', 'left')
  return tf.strings.regex_replace(swapped, '\x01', 'right')


def _join(
  sections: Sequence[tf.RaggedTensor],
  segments: Sequence[int],
  tokenizer: WordPieceTokenizer,
  words_that_fit: int,
  words_in: tuple[int, ...] = (0,),
) -> TextSequence:
  """Joins sections, of which the first is cut where it is too long.

  Sections that are not in `words_in` hold a special word: the answer's [MASK].
  """
  first = sections[0]
  cut = first.row_lengths() > words_that_fit
  sections = [first[:, :words_that_fit], *sections[1:]]
  rows = first.nrows(out_type=tf.int32)
  word_ids, segment_ids, is_word = [], [], []

  def append(ids, segment, word):
    word_ids.append(ids)
    segment_ids.append(tf.ones_like(ids) * segment)
    is_word.append(tf.cast(tf.ones_like(ids) * int(word), tf.bool))

  def special(word_id):
    return tf.RaggedTensor.from_tensor(tf.fill([rows, 1], word_id))

  append(special(tokenizer.cls_id), segments[0], False)
  for number, (ids, segment) in enumerate(zip(sections, segments, strict=True)):
    append(ids, segment, number in words_in)
    append(special(tokenizer.sep_id), segment, False)
  return TextSequence(
    word_ids=tf.concat(word_ids, axis=1),
    segment_ids=tf.concat(segment_ids, axis=1),
    is_word=tf.concat(is_word, axis=1),
    cut=cut,
  )
