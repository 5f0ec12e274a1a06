"""Shards are planned by a hash of image ids alone."""

import pytest

from beam_jobs import output, plans, shuffle
from vlbert_tf.data.annotations import (
  Caption,
  ImageAnnotations,
  Question,
  RecordPlace,
  Region,
)

SETTINGS = plans.Settings(
  name='toy', kind='captions', max_rois=3, max_pixels=99
)
IMAGES = [ImageAnnotations(f'{k}.jpg', f'/i/{k}.jpg') for k in range(23)]


def _cut(images, per_shard, settings=SETTINGS):
  with shuffle.shuffled(images) as shuffled:
    return list(plans.cut(shuffled, 'val', settings, per_shard))


def _ids(shards):
  return [[image.image_id for image in plan.images] for plan in shards]


@pytest.mark.parametrize(
  ('per_shard', 'sizes'),
  [(5, [4, 5, 4, 5, 5]), (23, [23]), (22, [11, 12]), (1000, [23])],
)
def test_parts_are_equal_to_one_and_within_the_limit(per_shard, sizes):
  shards = _cut(IMAGES, per_shard)
  assert [len(plan.images) for plan in shards] == sizes
  assert sorted(sum(_ids(shards), [])) == sorted(i.image_id for i in IMAGES)


def test_order_of_the_input_does_not_matter():
  straight = _cut(IMAGES, 5)
  assert _ids(_cut(IMAGES[::-1], 5)) == _ids(straight)
  assert sum(_ids(straight), []) != [image.image_id for image in IMAGES]


def test_no_images_make_one_empty_shard():
  assert _ids(_cut([], 5)) == [[]]


def test_a_plan_is_read_as_it_was_written(tmp_path):
  image = ImageAnnotations(
    'a/ü.jpg',
    'gs://b/ü.jpg',
    (Region((0.1, 2.0, 3.0, 4.5), 7, 0.3), Region((0.0, 1.0, 2.0, 3.0), 1)),
    captions=(Caption('café'),),
    questions=(Question(2**40, 'Why?', '', 'other', (('no', 9), ('', 1))),),
    size=(5, 7),
    file=RecordPlace('gs://b/7.tar', 512, 9),
  )
  (plan,) = _cut([image], 5)
  place = output.Output(str(tmp_path / 'toy'))
  place.prepare()
  task = plans.write(plan, place)
  assert plans.read(task.plan_path) == plan
  assert (task.images, task.annotations) == (1, 2)


def test_the_fingerprint_follows_all_that_a_record_depends_on(tmp_path):
  place = output.Output(str(tmp_path / 'toy'))
  place.prepare()
  more_rois = plans.Settings(
    name='toy', kind='captions', max_rois=4, max_pixels=99
  )
  cases = [
    (IMAGES[:2], SETTINGS),
    (IMAGES[:2][::-1], SETTINGS),
    (IMAGES[:1], SETTINGS),
    (IMAGES[:2], more_rois),
  ]
  first, same, fewer, changed = (
    plans.write(_cut(images, 5, settings)[0], place).fingerprint
    for images, settings in cases
  )
  assert first == same
  assert len({first, fewer, changed}) == 3
