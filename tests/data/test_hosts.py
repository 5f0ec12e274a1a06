"""What each of several hosts reads."""

import dataclasses
import os
import shutil

import pytest
import tensorflow as tf

from tests.data import record_folder
from vlbert_tf import elements
from vlbert_tf.data import batching, example_schema, hosts, pipeline

SHAPE = batching.BatchShape(
  text_buckets=(4,), roi_buckets=(3,), short_side=24, long_side=32
)
# Image k has k % 3 + 1 questions: 1 2 3 1 2 3 1, 13 in all, in three files
# of images 0 3 6, 1 4 and 2 5: of 3, 4 and 6 questions.
IMAGES, QUESTIONS, LENGTHS = 7, 13, (3, 4, 6)


@pytest.fixture(scope='module')
def split(tmp_path_factory):
  folder = record_folder.write_questions(
    tmp_path_factory.mktemp('records'), images=IMAGES, shards=3
  )
  return example_schema.open_split(str(folder), 'train')


def _source(of_images=False):
  counted = 'image/id' if of_images else 'question/id'

  def prepare(record, epoch):
    ids = record[counted][None] if of_images else record[counted]
    ids = tf.strings.as_string(ids) if ids.dtype != tf.string else ids
    return {
      'id': tf.gather(ids, record[pipeline.ROWS]),
      'epoch': tf.repeat(epoch, tf.size(record[pipeline.ROWS])),
      elements.ROI_MASK: tf.ones(tf.shape(record['roi/category']), tf.bool),
    }

  return pipeline.ExampleSource(
    prepare=prepare,
    finish=lambda batch: {
      **batch,
      **{n: batching.merge_texts(batch[n]) for n in ('id', 'epoch')},
    },
    of_images=of_images,
  )


def _batches(split, host, count=2, of_images=False, start_step=0, **settings):
  config = pipeline.DataConfig(**{'global_batch_size': 4, **settings})
  context = tf.distribute.InputContext(
    num_input_pipelines=count, input_pipeline_id=host,
    num_replicas_in_sync=count,
  )  # fmt: skip
  return pipeline.build_dataset(
    config, split, _source(of_images), context, start_step
  )


def _seen(dataset, steps):
  """(epoch, id) of each example of so many steps."""
  return [
    (int(epoch), name.decode())
    for batch in dataset.take(steps)
    for epoch, name in zip(
      batch['epoch'].numpy(), batch['id'].numpy(), strict=True
    )
  ]


def _all_ids():
  return sorted(
    str(10 * k + n) for k in range(IMAGES) for n in range(k % 3 + 1)
  )


@pytest.mark.parametrize(('count', 'texts'), [(2, 1), (3, 2)])
def test_hosts_together_see_each_example_once_an_epoch(split, count, texts):
  settings = {'global_batch_size': 2 * count, 'texts_per_image': texts}

  seen = [
    _seen(_batches(split, k, count, **settings), 10) for k in range(count)
  ]

  whole = min(rows[-1][0] for rows in seen)  # epochs that all have gone through
  assert whole > 1
  for epoch in range(whole):
    ids = [name for rows in seen for e, name in rows if e == epoch]
    if texts == 1:
      assert sorted(ids) == _all_ids()
    else:
      # Each image with two of its questions, or its only one twice.
      images = sorted(name[:-1] or '0' for name in ids)
      assert images == sorted(2 * [str(k) for k in range(IMAGES)])


def test_each_epoch_deals_the_files_anew(split):
  rows = _seen(_batches(split, 0), 12)

  of_epoch = [{n for e, n in rows if e == epoch} for epoch in range(3)]
  assert any(each != of_epoch[0] for each in of_epoch[1:])


def test_a_host_does_without_the_files_of_the_others(split, tmp_path):
  folder = tmp_path / 'copy'
  shutil.copytree(split.folder, folder)
  copy = example_schema.open_split(str(folder), 'train')
  for number in (0, 2):
    os.remove(copy.paths[number])

  rows = _seen(_batches(copy, 1, is_training=False), -1)

  # Its own file is of images 1 and 4.
  assert {name for _, name in rows} == {'10', '11', '40', '41'}


@pytest.mark.parametrize(('step', 'grouped'), [(1, 1), (8, 1), (4, 3)])
def test_a_host_goes_on_where_it_was(split, step, grouped):
  settings = {'grouped_batches': grouped}
  for host in range(2):
    whole = _seen(_batches(split, host, **settings), 10)

    resumed = _batches(split, host, start_step=step, **settings)

    assert _seen(resumed, 10 - step) == whole[2 * step :]


def test_batches_of_a_group_are_of_the_same_rank_on_all_hosts(split):
  settings = {'grouped_batches': 3, 'of_images': True}
  sizes = [
    [
      int(batch[elements.ROI_MASK].shape[1])
      for batch in _batches(split, host, **settings).take(12)
    ]
    for host in range(2)
  ]

  pairs = [
    (first + i, first + j)
    for first in range(0, 12, 3)
    for i, j in ((0, 1), (0, 2), (1, 2))
  ]
  agreements = [
    (one[i] - one[j]) * (other[i] - other[j])
    for one, other in [sizes]
    for i, j in pairs
  ]
  assert min(agreements) >= 0  # never larger on one and smaller on the other
  assert max(agreements) > 0


def test_hosts_take_as_many_batches_of_an_evaluation_and_fill_them_up(split):
  batches = [list(_batches(split, k, is_training=False)) for k in range(2)]

  # Host 0 has files of 3 and 6 questions, in batches of two: five, the last
  # with one row of weight 0. Host 1 has 4, and fills up.
  assert [len(each) for each in batches] == [5, 5]
  weights = [
    [float(w) for batch in each for w in batch[elements.EXAMPLE_WEIGHT]]
    for each in batches
  ]
  assert [sum(each) for each in weights] == [9.0, 4.0]
  ids = [
    name.decode()
    for each in batches
    for batch in each
    for name, weight in zip(
      batch['id'].numpy(), batch[elements.EXAMPLE_WEIGHT].numpy(), strict=True
    )
    if weight
  ]
  assert sorted(ids) == _all_ids()


@pytest.mark.parametrize(
  'changes',
  [
    {'shard_annotations': ()},  # Records of an earlier release.
    {'shard_annotations': (0, *LENGTHS[1:])},
  ],
)
def test_without_a_file_for_each_host_all_read_all_and_take_turns(
  split, changes
):
  split = dataclasses.replace(split, **changes)
  one = _seen(_batches(split, 0, count=1), 4)

  two = [_seen(_batches(split, host), 4) for host in range(2)]

  for step in range(4):
    together = [r for rows in two for r in rows[2 * step : 2 * step + 2]]
    assert sorted(together) == sorted(one[4 * step : 4 * step + 4])


def test_files_are_dealt_out_where_there_are_enough(split):
  def lengths(count, **settings):
    context = tf.distribute.InputContext(count, 0, count)
    return hosts.share(
      split, context, **{'of_images': False, **settings}
    ).lengths

  assert split.shard_annotations == LENGTHS
  assert lengths(1) == ()
  assert lengths(2) == lengths(3) == LENGTHS
  assert lengths(2, of_images=True) == (3, 2, 2)
  assert lengths(4) == ()
  assert lengths(2, keep_order=True) == ()
