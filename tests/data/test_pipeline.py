"""Record files to batches: order, resume, padding, sharding."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data import record_folder
from vlbert_tf import elements
from vlbert_tf.data import batching, example_schema, pipeline

SHAPE = batching.BatchShape(
  text_buckets=(4, 7, 11), roi_buckets=(2, 3), short_side=24, long_side=32
)

SOURCE = pipeline.ExampleSource(
  prepare=lambda record, epoch: {
    'caption': tf.gather(record['caption/text'], record[pipeline.ROWS]),
    'epoch': tf.repeat(epoch, tf.size(record[pipeline.ROWS])),
    **batching.decode_visual(record, SHAPE),
  },
  finish=lambda batch: {
    **batching.pad_visual(batch, SHAPE),
    'caption': batching.merge_texts(batch['caption']),
    'epoch': batching.merge_texts(batch['epoch']),
  },
)


@pytest.fixture(scope='module')
def split(tmp_path_factory):
  """Five images with two captions each."""
  folder = record_folder.write_captions(tmp_path_factory.mktemp('records'))
  return example_schema.open_split(str(folder), 'train')


def _batches(split, context=None, start_step=0, **settings):
  config = pipeline.DataConfig(
    **{'global_batch_size': 4, 'is_training': True, **settings}
  )
  return pipeline.build_dataset(config, split, SOURCE, context, start_step)


def _captions(dataset, count):
  rows = []
  for batch in dataset.take(count):
    epochs, captions = batch['epoch'].numpy(), batch['caption'].numpy()
    rows += [
      (int(e), c.decode()) for e, c in zip(epochs, captions, strict=True)
    ]
  return rows


def test_every_epoch_holds_each_caption_once_in_an_order_of_its_own(split):
  rows = _captions(_batches(split), 5)  # two epochs of ten

  epochs = [[c for e, c in rows if e == epoch] for epoch in (0, 1)]
  expected = sorted(f'{x} {k}' for x in 'ab' for k in range(5))
  assert [sorted(epoch) for epoch in epochs] == [expected, expected]
  assert epochs[0] != epochs[1]


def test_the_order_follows_from_the_seed(split):
  rows = _captions(_batches(split), 5)

  assert rows == _captions(_batches(split), 5)
  assert rows != _captions(_batches(split, seed=1), 5)


@pytest.mark.parametrize('step', [1, 2, 3, 7])
def test_a_resumed_run_sees_what_the_uninterrupted_one_would(split, step):
  uninterrupted = _captions(_batches(split), 10)

  resumed = _captions(_batches(split, start_step=step), 10 - step)

  assert resumed == uninterrupted[4 * step :]


def test_texts_that_share_an_image_come_with_it_once_an_epoch(split):
  dataset = _batches(split, texts_per_image=2)

  batches = list(dataset.take(5))  # ten pairs: two epochs of five images

  seen = []
  for batch in batches:
    assert batch[elements.IMAGE].shape[0] == 2
    assert batch[elements.EXAMPLE_WEIGHT].shape == (4,)
    captions = [c.decode().split() for c in batch['caption'].numpy()]
    for pair in (captions[:2], captions[2:]):
      assert {letter for letter, _ in pair} == {'a', 'b'}
      assert pair[0][1] == pair[1][1]
      seen.append(pair[0][1])
  assert sorted(seen[:5]) == sorted(seen[5:]) == list('01234')


def test_more_texts_than_an_image_has_repeat_only_when_all_were_used(split):
  (batch,) = _batches(split, texts_per_image=4).take(1)

  captions = batch['caption'].numpy().tolist()
  assert len(set(captions[:2])) == 2
  assert captions[:2] == captions[2:]


@pytest.mark.parametrize('step', [1, 3, 4])
def test_shared_images_are_resumed_as_well(split, step):
  uninterrupted = _captions(_batches(split, texts_per_image=2), 7)

  dataset = _batches(split, texts_per_image=2, start_step=step)

  assert _captions(dataset, 7 - step) == uninterrupted[4 * step :]


def test_texts_that_do_not_divide_a_batch_are_refused(split):
  with pytest.raises(ValueError, match='Received: 3 for a batch of 4'):
    _batches(split, texts_per_image=3)


def test_an_evaluation_sees_each_caption_once_and_fills_with_weight_zero(split):
  batches = list(_batches(split, is_training=False))

  weights = np.concatenate([b[elements.EXAMPLE_WEIGHT] for b in batches])
  captions = np.concatenate([b['caption'] for b in batches])
  assert weights.tolist() == [1] * 10 + [0] * 2
  assert len(set(captions[:10])) == 10


def test_a_batch_larger_than_the_split_is_filled_as_well(split):
  (batch,) = _batches(split, is_training=False, global_batch_size=25)

  assert batch[elements.EXAMPLE_WEIGHT].numpy().sum() == 10


def test_swapped_images_come_with_their_own_rois(split):
  own = {
    caption: batch[elements.IMAGE][i].numpy()
    for batch in _batches(split, is_training=False, global_batch_size=1)
    for i, caption in enumerate(batch['caption'].numpy())
  }
  swapped = {
    caption: batch
    for batch in _batches(
      split, is_training=False, global_batch_size=1, swap_images=True
    )
    for caption in batch['caption'].numpy()
  }

  for caption, batch in swapped.items():
    image = batch[elements.IMAGE][0].numpy()
    assert not np.array_equal(image, own[caption])
    (shown,) = [
      k for k in range(5) if np.array_equal(image, own[f'a {k}'.encode()])
    ]
    rois = batch[elements.ROI_MASK].numpy().sum()
    assert rois == len(record_folder.regions(shown))


def test_a_hidden_image_is_gray_and_keeps_its_size_and_rois(split):
  settings = {'is_training': False, 'global_batch_size': 1}
  shown = list(_batches(split, **settings))
  hidden = list(_batches(split, **settings, hide_images=True))

  assert len(hidden) == len(shown) == 10
  for own, gray in zip(shown, hidden, strict=True):
    for name in (elements.IMAGE_SIZE, elements.BOXES, elements.ROI_MASK):
      np.testing.assert_array_equal(gray[name], own[name])
    height, width = gray[elements.IMAGE_SIZE][0].numpy().astype(int)
    pixels = gray[elements.IMAGE][0, :height, :width].numpy()
    assert np.ptp(pixels, axis=(0, 1)).max() == 0.0
    # The means that are subtracted are 103, 116 and 123.
    assert 103.0 < pixels.max() < 124.0


def test_images_are_scaled_and_padded_to_a_canvas_and_rois_to_a_bucket(split):
  (batch,) = _batches(split, is_training=False, global_batch_size=10)

  # 40 x 30 pixels: the short side gets 24.
  assert batch[elements.IMAGE].shape == (10, 24, 32, 3)
  assert batch[elements.IMAGE_SIZE].numpy().tolist() == [[24, 32]] * 10
  assert batch[elements.BOXES].shape == (10, 3, 4)
  assert set(batch[elements.ROI_MASK].numpy().sum(1)) == {1, 2, 3}
  first = batch[elements.BOXES].numpy()[:, 0]
  np.testing.assert_allclose(first, [[1.6, 2.4, 16, 20]] * 10, rtol=1e-6)


@pytest.mark.parametrize(
  ('lengths', 'expected'),
  [([1, 2], 4), ([4, 1], 4), ([5], 7), ([3, 8], 11), ([11], 11)],
)
def test_a_batch_takes_the_smallest_bucket_that_holds_it(lengths, expected):
  texts = tf.ragged.constant([[9] * n for n in lengths], dtype=tf.int32)

  padded = batching.pad_text(texts, SHAPE.text_buckets).numpy()

  assert padded.shape == (len(lengths), expected)
  for row, length in zip(padded, lengths, strict=True):
    assert row.tolist() == [9] * length + [0] * (expected - length)


def test_a_text_beyond_the_last_bucket_is_refused():
  texts = tf.ragged.constant([[9] * 12], dtype=tf.int32)

  with pytest.raises(
    tf.errors.InvalidArgumentError, match='at most 11 text elements'
  ):
    batching.pad_text(texts, SHAPE.text_buckets)


def _roi_counts(dataset, count):
  return [
    batch[elements.ROI_MASK].numpy().sum(axis=1).tolist()
    for batch in dataset.take(count)
  ]


def test_groups_hold_the_same_examples_sorted_by_their_rois(split):
  # Groups of five batches of two: an epoch. Images have one to three RoIs.
  settings = {'global_batch_size': 2, 'grouped_batches': 5}
  plain = _captions(_batches(split, global_batch_size=2), 10)

  grouped = _captions(_batches(split, **settings), 10)

  for first in (0, 10):
    assert sorted(grouped[first : first + 10]) == sorted(
      plain[first : first + 10]
    )
  for counts in _roi_counts(_batches(split, **settings), 10):
    assert max(counts) == min(counts)
  sizes = [max(c) for c in _roi_counts(_batches(split, **settings), 5)]
  assert sorted(sizes) == [1, 1, 2, 2, 3]
  assert sizes != sorted(sizes)


@pytest.mark.parametrize('step', [2, 5, 8])
def test_grouped_batches_are_resumed_as_well(split, step):
  settings = {'global_batch_size': 2, 'grouped_batches': 5}
  uninterrupted = _captions(_batches(split, **settings), 12)

  resumed = _captions(_batches(split, start_step=step, **settings), 12 - step)

  assert resumed == uninterrupted[2 * step :]


def test_a_data_service_makes_the_same_batches(split):
  service = tf.data.experimental.service
  dispatcher = service.DispatchServer()
  address = dispatcher.target.split('://')[1]
  worker = service.WorkerServer(
    service.WorkerConfig(dispatcher_address=address)
  )

  rows = _captions(_batches(split, data_service=dispatcher.target), 5)

  assert rows == _captions(_batches(split), 5)
  del worker


@pytest.mark.parametrize('deterministic', [True, False])
def test_the_order_may_be_given_up_for_speed(split, deterministic):
  dataset = _batches(split, deterministic=deterministic)

  assert dataset.options().deterministic is deterministic
