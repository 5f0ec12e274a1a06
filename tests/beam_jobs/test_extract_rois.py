"""Records of RoIs alone, with what a detector says of them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from beam_jobs import inspection, job
from tests.beam_jobs import job_runs, official_files, toy_detector
from vlbert_tf.data import example_schema


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  return toy_detector.write(tmp_path_factory.mktemp('model') / 'detector')


def _request(tmp_path, model, split, **changes):
  fields = {'dataset': 'images', 'detector': model, 'keep': 'features'}
  return job_runs.request(tmp_path, split, **{**fields, **changes})


def _write_images(folder) -> None:
  (folder / 'below').mkdir(parents=True)
  official_files.write_jpeg(folder / 'a.jpg', 1)
  official_files.write_jpeg(folder / 'below' / 'b.PNG', 2)
  Image.new('L', (20, 30)).save(folder / 'high.png')
  (folder / 'notes.txt').write_text('no image by its name')


def test_features_boxes_and_likely_categories_of_a_folder(tmp_path, model):
  _write_images(tmp_path / 'i')
  manifest = job.run(_request(tmp_path, model, f'val,images={tmp_path}/i'))

  assert manifest['kind'] == 'images'
  assert manifest['splits']['val']['images'] == 3
  records = {
    r['image/id'].numpy().decode(): r for r in job_runs.records(tmp_path)
  }
  assert sorted(records) == ['a.jpg', 'below/b.PNG', 'high.png']
  record = records['a.jpg']
  assert 'image/encoded' not in record
  assert record['roi/source'] == example_schema.DETECTED
  # 34 wide, 21 high; the last number is 0.1 as float16 has it.
  tenth = np.float16(0.1)
  assert record['roi/feature'].dtype == np.float16
  np.testing.assert_array_equal(
    record['roi/feature'], np.float16([[1, 34, 21, tenth], [2, 34, 21, tenth]])
  )
  np.testing.assert_array_equal(record['image/feature'], [0, 34, 21, 0.25])
  assert record['roi/top_categories'].numpy().tolist() == [[1, 2], [2, 1]]
  np.testing.assert_allclose(
    record['roi/top_probabilities'], [[0.75, 0.09375], [0.5, 0.0625]]
  )
  assert record['roi/detected_attribute'].numpy().tolist() == [1, 3]
  np.testing.assert_allclose(
    record['roi/detected_attribute_score'], [0.375, 0.25]
  )
  assert manifest['attributes'] == ['red', 'big', 'old']
  folder = str(job_runs.folder(tmp_path))
  page = inspection.inspect(folder, sheet=f'{tmp_path}/sheet.png').page
  # All three images have a left half, two of them a right one.
  assert 'attributes: 2 of them seen: red 3, old 2' in page
  high = records['high.png']
  np.testing.assert_array_equal(high['roi/box'], [[0, 0, 10, 30]])
  np.testing.assert_array_equal(high['roi/feature'], [[1, 20, 30, tenth]])


@pytest.mark.parametrize(
  ('keep', 'there'),
  [
    ('image', {'image/encoded'}),
    ('features', {'roi/feature', 'image/feature'}),
    ('both', {'image/encoded', 'roi/feature', 'image/feature'}),
  ],
)
def test_what_is_kept_is_chosen_and_readable(tmp_path, model, keep, there):
  tfds = pytest.importorskip('tensorflow_datasets')
  _write_images(tmp_path / 'i')
  split = f'val,images={tmp_path}/i'
  job.run(_request(tmp_path, model, split, keep=keep))
  optional = {'image/encoded', 'roi/feature', 'image/feature'}
  assert set(job_runs.records(tmp_path)[0]) & optional == there
  builder = tfds.builder_from_directory(str(job_runs.folder(tmp_path)))
  (first, *_) = builder.as_dataset(split='val')
  assert set(first) & optional == there
  if 'roi/feature' in there:
    boxes = len(first['roi/box'])
    assert len(first['roi/feature'].numpy()) == boxes * 4 * 2


def test_lists_name_images_and_each_bad_row_is_set_aside(tmp_path, model):
  _write_images(tmp_path / 'i')
  table = tmp_path / 'list.tsv'
  table.write_text('7\ta.jpg\n7\thigh.png\nhigh.png\n8\t../secret.jpg\n\n9\t\n')
  coco = tmp_path / 'coco.json'
  rows = [{'id': 42, 'file_name': 'a.jpg'}, {'id': 43, 'file_name': 'no.jpg'}]
  coco.write_text(json.dumps({'images': rows}))
  manifest = job.run(
    job_runs.request(
      tmp_path,
      f'train,images={tmp_path}/i,index={table}',
      f'val,images={tmp_path}/i,index={coco}',
      dataset='images',
      detector=model,
      keep='both',
      max_drop_fraction=0.7,
    )
  )

  train, val = manifest['splits']['train'], manifest['splits']['val']
  assert (train['images'], train['dropped_images']) == (2, 3)
  assert train['dropped'] == {
    'image_duplicate': 1,
    'path_outside': 1,
    'row_malformed': 1,
  }
  assert val['dropped'] == {'image_missing': 1}
  ids = {bytes(r['image/id'].numpy()) for r in job_runs.records(tmp_path)}
  assert ids == {b'42'}


def test_too_many_lost_images_fail(tmp_path, model):
  (tmp_path / 'i').mkdir()
  official_files.write_jpeg(tmp_path / 'i' / 'a.jpg', 1)
  for name in ('b.jpg', 'c.jpg'):
    (tmp_path / 'i' / name).write_bytes(b'')
  with pytest.raises(ValueError, match=r'2 of 3 in val.*image_empty \(2\)'):
    job.run(_request(tmp_path, model, f'val,images={tmp_path}/i'))


def test_features_need_a_detector(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 1)
  with pytest.raises(ValueError, match='without --detector, --rois or --app'):
    job.run(job_runs.request(tmp_path, f'val,{paths}', keep='both'))


def test_questions_come_with_features(tmp_path, model):
  paths = official_files.write_vqa(tmp_path / 'a', 3)
  kept = ','.join(p for p in paths.split(',') if 'instances' not in p)
  job.run(
    job_runs.request(tmp_path, f'val,{kept}', detector=model, keep='features')
  )
  for record in job_runs.records(tmp_path):
    assert record['roi/feature'].shape == (2, toy_detector.APPEARANCE_SIZE)
    assert len(record['question/text']) >= 1


@pytest.mark.parametrize('stored', ['features', 'both'])
def test_rois_found_once_are_joined_to_questions(tmp_path, model, stored):
  """The same bytes as with the detector at hand."""
  paths = official_files.write_vqa(tmp_path / 'a', 5)
  kept = ','.join(p for p in paths.split(',') if 'instances' not in p)
  job.run(
    job_runs.request(tmp_path, f'val,{kept}', detector=model, keep='both')
  )
  at_hand = job_runs.checksums(tmp_path)
  listed = f'images={tmp_path}/a/val2014,index={tmp_path}/a'
  job.run(
    _request(
      tmp_path,
      model,
      f'all,{listed}/instances_val2014.json',
      name='rois',
      keep=stored,
    )
  )
  request = job_runs.request(
    tmp_path,
    f'val,{kept}',
    rois=f'{tmp_path}/out/rois',
    keep='both',
    overwrite=True,
  )
  manifest = job.run(request)
  assert job_runs.checksums(tmp_path) == at_hand
  assert f'--rois={tmp_path}/out/rois --keep=both' in manifest['command']


def test_an_image_without_rois_is_set_aside(tmp_path, model):
  paths = official_files.write_vqa(tmp_path / 'a', 3)
  kept = ','.join(p for p in paths.split(',') if 'instances' not in p)
  (tmp_path / 'list.tsv').write_text(
    ''.join(f'{k}\tCOCO_val2014_{k:012d}.jpg\n' for k in (1, 3))
  )
  split = f'all,images={tmp_path}/a/val2014,index={tmp_path}/list.tsv'
  job.run(_request(tmp_path, model, split, name='rois'))
  manifest = job.run(
    job_runs.request(
      tmp_path,
      f'val,{kept}',
      rois=f'{tmp_path}/out/rois',
      keep='features',
      max_drop_fraction=0.5,
    )
  )
  assert manifest['splits']['val']['dropped'] == {'rois_missing': 1}
  with pytest.raises(ValueError, match='records of questions'):
    job.run(
      job_runs.request(
        tmp_path, f'val,{kept}', rois=f'{tmp_path}/out/toy', name='other'
      )
    )


def test_the_program_prints_a_page(tmp_path, model):
  _write_images(tmp_path / 'i')
  (tmp_path / 'i' / 'bad.jpg').write_bytes(b'')
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'beam_jobs.extract_rois', '--name=toy'),
      *(f'--output_dir={tmp_path}/out', f'--detector={model}'),
      *(f'--split=val,images={tmp_path}/i', '--max_drop_fraction=0.5'),
    ],
    capture_output=True,
    text=True,
    timeout=600,
  )
  assert done.returncode == 0, done.stderr
  assert 'val: 3 of 4 images' in done.stdout
  assert '1 image_empty' in done.stdout
  assert '0-  9 RoIs        3 ####' in done.stdout
  assert 'detect' in done.stdout
  report = json.loads((job_runs.folder(tmp_path) / 'report.json').read_text())
  assert report['val']['images_by_rois'] == {'1': 1, '2': 2}
  assert report['val']['dropped'] == {'image_empty': 1}
  assert set(report['val']['seconds']) == {'detect', 'read', 'write'}
