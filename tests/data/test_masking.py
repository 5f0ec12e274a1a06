"""Masked words, masked RoIs and swapped captions (VL-BERT §3.3)."""

import numpy as np
import tensorflow as tf

from vlbert_tf.data import masking
from vlbert_tf.text import sequence
from vlbert_tf.text.tokenizer import WordPieceTokenizer

TOKENIZER = WordPieceTokenizer(
  ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b', 'c', 'd', '##b']
)
MASK, A, B, C, D = range(4, 9)


def _captions(*texts):
  return sequence.caption_sequence(
    TOKENIZER.tokenize(tf.constant(list(texts))), TOKENIZER, 12
  )


def _mask_words(captions, uniform, **changes):
  fates = changes.pop('fates', None)
  settings = {'rate': 0.15, 'max_masked': 3}
  return masking.mask_words(
    captions,
    tf.constant(uniform),
    masking.WordMasking(**{**settings, **changes}),
    TOKENIZER,
    None if fates is None else tf.constant(fates, tf.float32),
  )


def test_words_below_the_rate_are_hidden_and_special_words_never():
  # [CLS] a b c [SEP]; [CLS] d [SEP]
  uniform = np.full([2, 12], 0.9, np.float32)
  uniform[0, [0, 2, 4]] = 0.1  # [CLS], b, [SEP]
  uniform[1, 1] = 0.149

  masked = _mask_words(_captions('a b c', 'd'), uniform)

  assert masked.word_ids.to_list() == [[2, A, MASK, C, 3], [2, MASK, 3]]
  assert masked.positions.numpy().tolist() == [[2, 0, 0], [1, 0, 0]]
  assert masked.labels.numpy().tolist() == [[B, 0, 0], [D, 0, 0]]
  assert masked.weights.numpy().tolist() == [[1, 0, 0], [1, 0, 0]]


def test_at_most_max_masked_words_are_hidden():
  masked = _mask_words(
    _captions('a b c d'), np.zeros([1, 12], np.float32), max_masked=2
  )

  assert masked.word_ids.to_list() == [[2, MASK, MASK, C, D, 3]]
  assert masked.positions.numpy().tolist() == [[1, 2]]


def test_the_pieces_of_a_word_are_hidden_together():
  # [CLS] a ##b c d ##b ##b [SEP]: words 0 to 4 with [CLS] and [SEP].
  uniform = np.full([1, 12], 0.9, np.float32)
  uniform[0, 3] = 0.1  # the word 'dbb'
  captions = _captions('ab c dbb')

  masked = _mask_words(captions, uniform, whole_words=True)

  assert masked.word_ids.to_list() == [[2, A, 9, C, MASK, MASK, MASK, 3]]
  assert masked.positions.numpy().tolist() == [[4, 5, 6]]
  assert masked.labels.numpy().tolist() == [[D, 9, 9]]


def test_chosen_words_become_mask_another_or_stay_by_their_shares():
  captions = _captions('a b c')
  fates = np.zeros([1, 12, 2])
  # b becomes piece 0.85 of 10, c stays; a becomes [MASK].
  fates[0, 1:4] = [[0.5, 0.0], [0.05, 0.85], [0.95, 0.0]]

  masked = _mask_words(
    captions,
    np.zeros([1, 12], np.float32),
    fates=fates,
    random_share=0.1,
    kept_share=0.1,
  )

  assert masked.word_ids.to_list() == [[2, MASK, D, C, 3]]
  # All three are to be named.
  assert masked.labels.numpy().tolist() == [[A, B, C]]


def test_the_pieces_of_a_word_share_their_fate():
  # [CLS] a ##b d ##b c [SEP]; fates are those of the words, one after another:
  # [CLS], 'ab', 'db', 'c'.
  fates = np.full([1, 12, 2], 0.5)
  fates[0, 1:4, 0] = [0.95, 0.05, 0.5]  # stays, another, [MASK]
  fates[0, 3:5, 1] = [0.65, 0.75]  # pieces 6 and 7 of 10, each its own

  masked = _mask_words(
    _captions('ab db c'),
    np.zeros([1, 12], np.float32),
    max_masked=5,
    whole_words=True,
    fates=fates,
    random_share=0.1,
    kept_share=0.1,
  )

  assert masked.word_ids.to_list() == [[2, A, 9, B, C, MASK, 3]]
  assert masked.labels.numpy().tolist() == [[A, 9, D, 9, C]]


def test_only_real_rois_are_hidden():
  rois = masking.mask_rois(
    tf.constant([[0.1, 0.2, 0.1], [0.15, 0.14, 0.9]]),
    tf.constant([[True, True, False], [True, True, True]]),
    0.15,
  )

  expected = [[True, False, False], [False, True, False]]
  assert rois.hidden.numpy().tolist() == expected
  assert rois.chosen.numpy().tolist() == expected


def test_a_share_of_the_chosen_rois_is_named_and_not_hidden():
  # Of 0.2, the last quarter: from 0.15 on.
  rois = masking.mask_rois(
    tf.constant([[0.0, 0.149, 0.151, 0.199, 0.2]]),
    tf.constant([[True] * 5]),
    0.2,
    kept_share=0.25,
  )

  assert rois.chosen.numpy().tolist() == [[True] * 4 + [False]]
  assert rois.hidden.numpy().tolist() == [[True] * 2 + [False] * 3]


def _swapped(count=2000):
  """`count` draws for image 3 of 20 images with two captions each.

  Another image, 20, has one of the captions of image 3 as well.
  """
  images = [*np.repeat(np.arange(20), 2), 20]
  captions = [*(f'caption {i}' for i in range(40)), 'caption 7']
  own = tf.constant(['caption 6', 'caption 7'])
  table = masking.CaptionTable(
    tf.constant([str(i) for i in images]), tf.constant(captions)
  )

  @tf.function
  def draw(number):
    seed = masking.example_seed(
      7, tf.constant(0, tf.int64), tf.strings.as_string(number), 3
    )
    return masking.maybe_swap_caption(
      own[0], own, tf.constant('3'), table, seed, 0.5
    )

  drawn = [draw(tf.constant(i)) for i in range(count)]
  return [(c.numpy().decode(), bool(r)) for c, r in drawn]


def test_half_of_the_captions_are_swapped_and_never_for_the_images_own():
  drawn = _swapped()

  related = np.mean([r for _, r in drawn])
  assert abs(related - 0.5) < 0.05  # 4.5 σ of 2,000 fair coins
  assert {c for c, r in drawn if r} == {'caption 6'}
  swapped = [c for c, r in drawn if not r]
  assert 'caption 6' not in swapped
  assert 'caption 7' not in swapped  # of the same image, and of another
  assert len(set(swapped)) == 38  # every caption of the other images


def test_captions_are_swapped_as_often_as_asked_for():
  table = masking.CaptionTable(
    tf.constant(['1', *'23456789']), tf.constant(list('abcdefghi'))
  )

  def related(probability):
    return [
      bool(
        masking.maybe_swap_caption(
          tf.constant('a'),
          tf.constant(['a']),
          tf.constant('1'),
          table,
          tf.constant([i, i]),
          probability,
        )[1]
      )
      for i in range(20)
    ]

  assert all(related(0.0))
  # Four draws of nine captions are all 'a' once in 6,561 times.
  assert not any(related(1.0))


def test_a_data_set_of_one_caption_has_nothing_to_swap():
  table = masking.CaptionTable(tf.constant(['1']), tf.constant(['alone']))

  related = [
    masking.maybe_swap_caption(
      tf.constant('alone'),
      tf.constant(['alone']),
      tf.constant('1'),
      table,
      [i, i],
      1.0,
    )[1]
    for i in range(5)
  ]

  assert all(related)


def test_epochs_examples_uses_and_seeds_draw_different_numbers():
  def numbers(seed=1, epoch=0, example='a', stream=1):
    key = masking.example_seed(
      seed, tf.constant(epoch, tf.int64), tf.constant(example), stream
    )
    return tuple(tf.random.stateless_uniform([3], key).numpy())

  assert numbers() == numbers()
  others = [
    numbers(seed=2),
    numbers(epoch=1),
    numbers(example='b'),
    numbers(stream=2),
  ]
  assert len({numbers(), *others}) == 5
