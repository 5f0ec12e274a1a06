"""Record files to batches: order, resume, padding, sharding."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data import record_folder
from vlbert_tf import elements
from vlbert_tf.data import example_schema, pipeline

SHAPE = pipeline.BatchShape(
  text_buckets=(4, 7, 11), roi_buckets=(2, 3), short_side=24, long_side=32
)

SOURCE = pipeline.ExampleSource(
  flatten=lambda record: tf.data.Dataset.from_tensor_slices(
    record['caption/text']
  ).map(lambda caption: {**record, 'caption': caption}),
  prepare=lambda example, epoch: {
    'caption': example['caption'],
    'epoch': epoch,
    **pipeline.decode_visual(example, SHAPE),
  },
  finish=lambda batch: pipeline.pad_visual(batch, SHAPE),
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


def test_an_evaluation_sees_each_caption_once_and_fills_with_weight_zero(split):
  batches = list(_batches(split, is_training=False))

  weights = np.concatenate([b[elements.EXAMPLE_WEIGHT] for b in batches])
  captions = np.concatenate([b['caption'] for b in batches])
  assert weights.tolist() == [1] * 10 + [0] * 2
  assert len(set(captions[:10])) == 10


def test_a_batch_larger_than_the_split_is_filled_as_well(split):
  (batch,) = _batches(split, is_training=False, global_batch_size=25)

  assert batch[elements.EXAMPLE_WEIGHT].numpy().sum() == 10


def test_hosts_and_replicas_share_a_global_batch(split):
  def rows_of(host):
    context = tf.distribute.InputContext(
      num_input_pipelines=2, input_pipeline_id=host, num_replicas_in_sync=2
    )
    return _captions(_batches(split, context), 4)

  whole = _captions(_batches(split), 4)

  hosts = [rows_of(0), rows_of(1)]
  assert all(len(rows) == 8 for rows in hosts)  # two a host and step
  for step in range(4):
    of_step = [r for rows in hosts for r in rows[2 * step : 2 * step + 2]]
    assert sorted(of_step) == sorted(whole[4 * step : 4 * step + 4])


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

  padded = pipeline.pad_text(texts, SHAPE.text_buckets).numpy()

  assert padded.shape == (len(lengths), expected)
  for row, length in zip(padded, lengths, strict=True):
    assert row.tolist() == [9] * length + [0] * (expected - length)


def test_a_text_beyond_the_last_bucket_is_refused():
  texts = tf.ragged.constant([[9] * 12], dtype=tf.int32)

  with pytest.raises(
    tf.errors.InvalidArgumentError, match='at most 11 text elements'
  ):
    pipeline.pad_text(texts, SHAPE.text_buckets)
