"""Masked words, masked RoIs and swapped captions (VL-BERT §3.3)."""

import numpy as np
import tensorflow as tf

from vlbert_tf.data import masking
from vlbert_tf.text import sequence
from vlbert_tf.text.tokenizer import WordPieceTokenizer

TOKENIZER = WordPieceTokenizer(
  ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b', 'c', 'd']
)
MASK, A, B, C, D = range(4, 9)


def _captions(*texts):
  return sequence.caption_sequence(
    TOKENIZER.tokenize(tf.constant(list(texts))), TOKENIZER, 12
  )


def _mask_words(captions, uniform, **changes):
  settings = {'rate': 0.15, 'max_masked': 3, 'tokenizer': TOKENIZER}
  return masking.mask_words(
    captions,
    tf.constant(uniform),
    **{**settings, **changes},
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


def test_only_real_rois_are_hidden():
  hidden = masking.mask_rois(
    tf.constant([[0.1, 0.2, 0.1], [0.15, 0.14, 0.9]]),
    tf.constant([[True, True, False], [True, True, True]]),
    0.15,
  )

  assert hidden.numpy().tolist() == [[True, False, False], [False, True, False]]


def _swapped(count=2000):
  """`count` draws for image 3 of 20 images with two captions each."""
  images = np.repeat(np.arange(20), 2)
  captions = [f'caption {i}' for i in range(40)]
  table = masking.CaptionTable(
    tf.constant([str(i) for i in images]), tf.constant(captions)
  )

  @tf.function
  def draw(number):
    seed = masking.example_seed(
      7, tf.constant(0, tf.int64), tf.strings.as_string(number), 3
    )
    return masking.maybe_swap_caption(
      tf.constant('caption 6'), tf.constant('3'), table, seed, 0.5
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
  assert 'caption 7' not in swapped  # of the same image
  assert len(set(swapped)) == 38  # every caption of the other images


def test_a_data_set_of_one_caption_has_nothing_to_swap():
  table = masking.CaptionTable(tf.constant(['1']), tf.constant(['alone']))

  related = [
    masking.maybe_swap_caption(
      tf.constant('alone'), tf.constant('1'), table, [i, i], 1.0
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
