"""COCO instances become regions with contiguous categories."""

import json

import pytest

from vlbert_tf.data.annotations import Region
from vlbert_tf.data.readers import coco


def _write(tmp_path, annotations, **changes):
  content = {
    'images': [
      {'id': 42, 'file_name': 'val/000042.jpg', 'height': 7, 'width': 11},
      {'id': 43, 'file_name': '000043.jpg'},
    ],
    'annotations': annotations,
    'categories': [
      {'id': 90, 'name': 'toothbrush'},
      {'id': 1, 'name': 'person'},
      {'id': 13, 'name': 'stop sign'},
    ],
    **changes,
  }
  path = tmp_path / 'instances.json'
  path.write_text(json.dumps(content))
  return str(path)


def _annotation(**changes):
  row = {'id': 5, 'image_id': 42, 'category_id': 13, 'bbox': [1, 2, 3, 4]}
  return {**row, **changes}


def test_gaps_in_category_ids_close_and_boxes_become_corners(tmp_path):
  path = _write(
    tmp_path,
    [
      _annotation(),
      _annotation(category_id=90, bbox=[8, 5, 9, 9], score=0.25),
      _annotation(image_id=43, category_id=1, bbox=[0, 0, 500, 2.5]),
    ],
  )
  instances = coco.read_instances(path)
  assert instances.categories == ('person', 'stop sign', 'toothbrush')
  # The second box reaches over the corner of 11 by 7 pixels.
  assert instances.of_id(42) == coco.ImageRegions(
    (
      Region((1.0, 2.0, 4.0, 6.0), 2),
      Region((8.0, 5.0, 11.0, 7.0), 3, 0.25),
    ),
    (7, 11),
  )
  # An image of unknown size keeps its boxes as they are.
  assert instances.of_id(43) == coco.ImageRegions(
    (Region((0.0, 0.0, 500.0, 2.5), 1),), None
  )
  assert instances.of_file('/elsewhere/000042.jpg') == instances.of_id(42)
  assert instances.of_file('unknown.jpg').regions == ()
  assert instances.drops == ()


@pytest.mark.parametrize(
  ('changes', 'reason'),
  [
    ({'iscrowd': 1, 'segmentation': {'counts': []}}, 'region_crowd'),
    ({'bbox': [1, 2, 0, 4]}, 'region_without_area'),
    ({'bbox': [1, 2, -3, 4]}, 'region_without_area'),
    ({'bbox': [11, 2, 5, 4]}, 'region_without_area'),
    ({'bbox': [1, float('nan'), 3, 4]}, 'region_not_finite'),
    ({'bbox': [1, 2, float('inf'), 4]}, 'region_not_finite'),
    ({'bbox': [1, 2, 3]}, 'region_not_finite'),
    ({'bbox': None}, 'region_malformed'),
    ({'bbox': ['a', 2, 3, 4]}, 'region_malformed'),
    ({'category_id': 2}, 'region_category_unknown'),
    ({'image_id': 44}, 'region_without_image'),
  ],
)
def test_a_bad_region_is_set_aside_with_its_reason(tmp_path, changes, reason):
  path = _write(tmp_path, [_annotation(**changes), _annotation(id=6)])
  instances = coco.read_instances(path)
  assert [drop.reason for drop in instances.drops] == [reason]
  assert instances.of_id(42).regions == (Region((1.0, 2.0, 4.0, 6.0), 2),)


def test_a_row_that_is_no_object_is_set_aside(tmp_path):
  instances = coco.read_instances(_write(tmp_path, [None, 'x', _annotation()]))
  assert [drop.reason for drop in instances.drops] == ['region_malformed'] * 2
  assert len(instances.of_id(42).regions) == 1


def test_categories_without_names_are_refused(tmp_path):
  path = _write(tmp_path, [], categories=[{'id': 1}])
  with pytest.raises(ValueError, match="an id and a name.*'name'"):
    coco.read_instances(path)
