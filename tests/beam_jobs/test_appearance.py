"""Annotated boxes with the features that a detector computes of them."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from beam_jobs import detector, job
from tests.beam_jobs import job_runs, official_files, toy_detector
from vlbert_tf.data import example_schema


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  """A detector whose appearance of a box is the box."""
  return toy_detector.write(tmp_path_factory.mktemp('model') / 'detector')


def _request(tmp_path, model, **changes):
  split = f'val,{official_files.write_vqa(tmp_path / "a", 5)}'
  fields = {'appearance': model, 'keep': 'features', 'max_drop_fraction': 1.0}
  return job_runs.request(tmp_path, split, **{**fields, **changes})


def _add_regions(tmp_path, *boxes):
  """Adds boxes of image 3, after its own two."""
  path = tmp_path / 'a' / 'instances_val2014.json'
  content = json.loads(path.read_text())
  content['annotations'] += [
    {'id': 900 + k, 'image_id': 3, 'category_id': 9, 'bbox': box}
    for k, box in enumerate(boxes)
  ]
  for image in content['images']:
    del image['height'], image['width']
  path.write_text(json.dumps(content))


def test_annotated_boxes_stay_and_have_features(tmp_path, model):
  request = _request(tmp_path, model)
  _add_regions(tmp_path, [50, 1, 3, 3], [1, 1, 4, 4])
  manifest = job.run(request)

  assert manifest['categories'] == ['dog', 'cat']
  assert manifest['contents']['appearance_size'] == 4
  assert not manifest['contents']['attributes']
  assert f'--appearance={model} --keep=features' in manifest['command']
  assert manifest['splits']['val']['dropped'] == {'region_without_area': 1}
  records = {int(r['image/id'].numpy()): r for r in job_runs.records(tmp_path)}
  assert sorted(records) == [1, 2, 3, 4, 5]
  for number, record in records.items():
    # The second box is cut at 34 by 21 pixels; a box outside is left out.
    boxes = [[2, 3, 7, 10], [20, 11, 34, 21]]
    if number == 3:
      boxes.append([1, 1, 5, 5])
    np.testing.assert_array_equal(record['roi/box'], boxes)
    np.testing.assert_array_equal(record['roi/feature'], boxes)
    np.testing.assert_array_equal(record['image/feature'], boxes[0])
    assert record['roi/category'].numpy().tolist() == [1, 2, 2][: len(boxes)]
    assert record['roi/source'] == example_schema.ANNOTATED
    expected = detector.find(model).fingerprint.encode()
    assert record['detector/fingerprint'] == expected
    assert 'image/encoded' not in record


def test_words_still_point_at_their_regions(tmp_path, model):
  images = tmp_path / 'vcr1images' / 'm'
  images.mkdir(parents=True)
  official_files.write_jpeg(images / '1.jpg', 1)
  row = {
    'annot_id': 'val-0',
    'img_fn': 'm/1.jpg',
    'metadata_fn': 'm/1.json',
    'objects': ['person', 'cup'],
    'question': ['Is', [1], 'his', '?'],
    'answer_choices': [['a'], ['b', [0]], ['c'], ['d']],
    'rationale_choices': [['e'], ['f'], ['g'], ['h']],
    'answer_label': 1,
    'rationale_label': 2,
  }
  metadata = {
    'names': ['person', 'cup'],
    'boxes': [[0, 0, 9, 9, 0.9], [5, 5, 30, 20, 0.8]],
    'segms': [[[[0, 0], [9, 0], [9, 9]]], []],
    'width': official_files.WIDTH,
    'height': official_files.HEIGHT,
  }
  (images / '1.json').write_text(json.dumps(metadata))
  (tmp_path / 'val.jsonl').write_text(json.dumps(row))
  job.run(
    job_runs.request(
      tmp_path,
      f'val,questions={tmp_path}/val.jsonl,images={tmp_path}/vcr1images',
      dataset='vcr',
      appearance=model,
      keep='both',
    )
  )

  (record,) = job_runs.records(tmp_path)
  boxes = [[0, 0, 9, 9], [5, 5, 30, 20]]
  np.testing.assert_array_equal(record['roi/feature'], boxes)
  assert record['roi/tag'].numpy().tolist() == [0, 1]
  assert json.loads(record['roi/polygons'].numpy()[0]) == [
    [[0, 0], [9, 0], [9, 9]]
  ]
  assert record['image/encoded'].numpy()[:2] == b'\xff\xd8'


def test_an_image_without_box_or_file_is_set_aside(tmp_path, model):
  request = _request(tmp_path, model)
  path = tmp_path / 'a' / 'instances_val2014.json'
  content = json.loads(path.read_text())
  content['annotations'] = [
    row for row in content['annotations'] if row['image_id'] != 2
  ]
  path.write_text(json.dumps(content))
  (tmp_path / 'a' / 'val2014' / 'COCO_val2014_000000000004.jpg').write_bytes(
    b'no image'
  )
  val = job.run(request)['splits']['val']

  assert val['images'] == 3
  assert val['dropped'] == {'no_rois': 1, 'not_an_image': 1}


@pytest.mark.parametrize(
  ('changes', 'sentence'),
  [
    ({'keep': 'image'}, 'is kept as features. Received: --keep=image'),
    ({'rois': 'x'}, 'Received: --rois and --appearance'),
  ],
)
def test_requests_that_make_no_sense_are_refused(
  tmp_path, model, changes, sentence
):
  request = _request(tmp_path, model, **changes)
  if 'rois' in changes:
    request = _with_rois(tmp_path, model, request)
  with pytest.raises(ValueError, match=sentence):
    job.run(request)


def _with_rois(tmp_path, model, request):
  """The request with a folder of RoIs that there is, and no boxes."""
  (tmp_path / 'i').mkdir()
  official_files.write_jpeg(tmp_path / 'i' / '1.jpg', 1)
  job.run(
    job_runs.request(
      tmp_path,
      f'val,images={tmp_path}/i',
      name='rois',
      dataset='images',
      detector=model,
      keep='both',
    )
  )
  splits = tuple(
    ','.join(p for p in split.split(',') if not p.startswith('instances='))
    for split in request.splits
  )
  folder = f'{tmp_path}/out/rois'
  return dataclasses.replace(request, rois=folder, splits=splits)


def test_a_detector_that_cannot_describe_boxes_is_refused(tmp_path):
  other = tf.Module()
  other.detect = tf.function(
    lambda image: {'count': tf.zeros(tf.shape(image), tf.int32)},
    input_signature=[tf.TensorSpec([None], tf.string, 'image')],
  )
  other.names = tf.function(
    lambda: {'categories': tf.constant(['a'])}, input_signature=[]
  )
  path = str(tmp_path / 'other')
  signatures = {'detect': other.detect, 'categories': other.names}
  tf.saved_model.save(other, path, signatures)

  with pytest.raises(ValueError, match='the signature appearance. Received'):
    job.run(_request(tmp_path, path))
