"""Regions are cut to their image."""

from vlbert_tf.data.annotations import Region, clip_regions


def test_regions_are_cut_and_those_without_area_are_set_aside():
  regions = [
    Region((-5.0, 2.0, 4.0, 99.0), 1, 0.5),
    Region((11.0, 0.0, 20.0, 3.0), 2),  # Right of an image 11 wide.
    Region((1.0, 1.0, 1.0, 6.0), 2),
    Region((float('nan'), 1.0, 5.0, 6.0), 2),
    Region((0.0, 0.0, 11.0, 7.0), 3),
  ]
  kept, drops = clip_regions('42', regions, height=7, width=11)
  assert kept == (
    Region((0.0, 2.0, 4.0, 7.0), 1, 0.5),
    Region((0.0, 0.0, 11.0, 7.0), 3),
  )
  assert [drop.item for drop in drops] == [
    'region 1 of image 42',
    'region 2 of image 42',
    'region 3 of image 42',
  ]
  assert {drop.reason for drop in drops} == {'region_without_area'}
  assert not any(drop.images or drop.annotations for drop in drops)


def test_no_regions_are_no_problem():
  assert clip_regions('42', [], height=7, width=11) == ((), [])
