"""Records whose RoIs a detector has found."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from beam_jobs import detector, job
from tests.beam_jobs import job_runs, official_files, toy_detector
from vlbert_tf.data import example_schema


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  return toy_detector.write(tmp_path_factory.mktemp('model') / 'detector')


@pytest.fixture
def split(tmp_path):
  """Eleven wide images of questions, without annotated boxes."""
  paths = official_files.write_vqa(tmp_path / 'a', 11)
  kept = [p for p in paths.split(',') if not p.startswith('instances=')]
  return ','.join(['val', *kept])


def _picture(tmp_path, number):
  return tmp_path / 'a' / 'val2014' / f'COCO_val2014_{number:012d}.jpg'


def test_rois_are_those_of_the_detector(tmp_path, split, model):
  # Image 4 is higher than wide; it shares a shard with others.
  Image.new('RGB', (20, 30)).save(_picture(tmp_path, 4))
  manifest = job.run(job_runs.request(tmp_path, split, detector=model))

  assert manifest['categories'] == ['left', 'right']
  assert f'--detector={model}' in manifest['command']
  records = {int(r['image/id'].numpy()): r for r in job_runs.records(tmp_path)}
  assert sorted(records) == list(range(1, 12))
  fingerprint = detector.find(model).fingerprint.encode()
  for number, record in records.items():
    assert record['roi/source'] == example_schema.DETECTED
    assert record['detector/fingerprint'] == fingerprint
    boxes, scores = [[0, 0, 17, 21], [17, 0, 34, 21]], [0.75, 0.5]
    if number == 4:
      boxes, scores = [[0, 0, 10, 30]], [0.75]
    np.testing.assert_array_equal(record['roi/box'], boxes)
    np.testing.assert_array_equal(record['roi/score'], np.float32(scores))
    assert record['roi/category'].numpy().tolist() == [1, 2][: len(boxes)]


def test_broken_images_are_set_aside_and_the_others_keep_their_rois(
  tmp_path, split, model
):
  _picture(tmp_path, 2).write_bytes(b'')
  _picture(tmp_path, 3).write_bytes(b'no image')
  _picture(tmp_path, 5).unlink()
  whole = _picture(tmp_path, 6).read_bytes()
  _picture(tmp_path, 6).write_bytes(whole[: len(whole) // 2])
  request = job_runs.request(
    tmp_path, split, detector=model, max_drop_fraction=1.0
  )
  manifest = job.run(request)

  folder = job_runs.folder(tmp_path)
  drops = [
    json.loads(line)
    for line in (folder / 'drops.jsonl').read_text().splitlines()
  ]
  assert sorted(drop['reason'] for drop in drops) == [
    'image_corrupt', 'image_empty', 'image_missing', 'not_an_image',
  ]  # fmt: skip
  assert manifest['splits']['val']['images'] == 11 - len(drops)
  assert all(len(r['roi/box']) == 2 for r in job_runs.records(tmp_path))


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_workers(tmp_path, split, model):
  sums = []
  for name, flags in {
    'one': (),
    'two': (
      '--direct_running_mode=multi_processing', '--direct_num_workers=2',
    ),
  }.items():  # fmt: skip
    request = job_runs.request(
      tmp_path, split, detector=model, output_dir=f'{tmp_path}/{name}/out',
      beam_flags=flags,
    )  # fmt: skip
    job.run(request)
    sums.append(job_runs.checksums(tmp_path / name))

  assert sums[0] == sums[1]
  assert any('tfrecord' in name for name in sums[0])


def test_boxes_of_ones_own_questions_give_way_to_detected_ones(tmp_path, model):
  (tmp_path / 'i').mkdir()
  official_files.write_jpeg(tmp_path / 'i' / '1.jpg', 1)
  row = {'image': '1.jpg', 'question': 'Is it?', 'answers': ['yes']}
  row['boxes'] = [{'box': [1, 2, 3, 4], 'label': 'unknown to the detector'}]
  (tmp_path / 'q.jsonl').write_text(json.dumps(row))
  manifest = job.run(
    job_runs.request(
      tmp_path,
      f'val,questions={tmp_path}/q.jsonl,images={tmp_path}/i',
      dataset='own',
      detector=model,
    )
  )
  assert manifest['splits']['val']['dropped'] == {}
  assert manifest['categories'] == ['left', 'right']
  (record,) = job_runs.records(tmp_path)
  np.testing.assert_array_equal(
    record['roi/box'], [[0, 0, 17, 21], [17, 0, 34, 21]]
  )


def test_the_last_of_several_versions_is_taken(tmp_path):
  for version in ('2', '10'):
    toy_detector.write(tmp_path / version)

  assert detector.find(str(tmp_path)).path == f'{tmp_path}/10'


def test_what_is_no_detector_is_refused(tmp_path, model):
  with pytest.raises(ValueError, match='which has none'):
    detector.find(str(tmp_path))
  other = tf.Module()
  other.f = tf.function(lambda: {'x': tf.constant(1)}, input_signature=[])
  tf.saved_model.save(other, str(tmp_path / 'other'), {'serve': other.f})
  with pytest.raises(ValueError, match='has the signatures detect, categor'):
    detector.find(str(tmp_path / 'other'))


def test_boxes_come_from_one_source(tmp_path, split, model):
  with pytest.raises(ValueError, match='takes .*Received: .instances='):
    job.run(
      job_runs.request(tmp_path, f'{split},instances=x.json', detector=model)
    )
  with pytest.raises(ValueError, match='needs instances='):
    job.run(job_runs.request(tmp_path, split))
