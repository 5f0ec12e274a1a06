"""The whole job on small data sets, in one process."""

import collections
import json
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from beam_jobs import job
from tests.beam_jobs import job_runs, official_files
from vlbert_tf.data import example_schema


def test_several_splits_of_questions_are_built_at_once(tmp_path):
  train = official_files.write_vqa(tmp_path / 'a', 11)
  test = official_files.write_vqa(tmp_path / 'b', 3, 'test2015', first=50)
  test = ','.join(p for p in test.split(',') if 'annotations' not in p)
  manifest = job.run(
    job_runs.request(tmp_path, f'train,{train}', f'test,{test}')
  )

  # Images 1 to 11 with k % 3 + 1 questions: 4 × 2, 4 × 3 and 3 × 1.
  assert manifest['splits']['train']['images'] == 11
  assert manifest['splits']['train']['annotations'] == 23
  assert manifest['splits']['train']['shard_lengths'] == [3, 4, 4]
  assert sum(manifest['splits']['train']['shard_annotations']) == 23
  assert manifest['splits']['test']['images'] == 3
  assert manifest['categories'] == ['dog', 'cat']
  assert sorted(os.listdir(tmp_path / 'out' / 'toy')) == ['1.0.0']
  assert (
    job_runs.folder(tmp_path) / 'categories.txt'
  ).read_text() == 'dog\ncat\n'
  assert (job_runs.folder(tmp_path) / 'answers.txt').read_text() == 'yes\n'
  assert (job_runs.folder(tmp_path) / 'drops.jsonl').read_text() == ''

  records = {
    int(r['image/id'].numpy()): r for r in job_runs.records(tmp_path, 'train')
  }
  assert sorted(records) == list(range(1, 12))
  record = records[5]
  picture = tmp_path / 'a' / 'val2014' / 'COCO_val2014_000000000005.jpg'
  assert record['image/encoded'].numpy() == picture.read_bytes()
  assert (record['image/height'], record['image/width']) == (21, 34)
  np.testing.assert_array_equal(
    record['roi/box'], [[2, 3, 7, 10], [20, 11, 34, 21]]
  )
  assert record['roi/category'].numpy().tolist() == [1, 2]
  assert record['question/id'].numpy().tolist() == [50, 51, 52]
  assert record['answer/text'].to_list() == [[b'yes', b'no']] * 3
  assert record['answer/count'].to_list() == [[7, 3]] * 3
  assert job_runs.records(tmp_path, 'test')[0]['answer/text'].to_list()[0] == []


def test_captions_come_with_their_table(tmp_path):
  paths = official_files.write_captions(tmp_path / 'a')
  job.run(job_runs.request(tmp_path, f'val,{paths}', dataset='captions'))
  split = example_schema.open_split(str(job_runs.folder(tmp_path)), 'val')
  assert (split.images, split.annotations) == (5, 10)
  ids, captions = example_schema.read_texts(split)
  records = job_runs.records(tmp_path)
  assert ids.numpy().tolist() == [
    r['image/id'].numpy() for r in records for _ in range(2)
  ]
  assert captions.numpy().tolist() == [
    text for r in records for text in r['caption/text'].numpy()
  ]
  assert not (job_runs.folder(tmp_path) / 'answers.txt').exists()


def test_tensorflow_datasets_reads_the_folder(tmp_path):
  tfds = pytest.importorskip('tensorflow_datasets')
  paths = official_files.write_vqa(tmp_path / 'a', 7)
  job.run(job_runs.request(tmp_path, f'val,{paths}'))
  builder = tfds.builder_from_directory(str(job_runs.folder(tmp_path)))
  assert builder.info.splits['val'].num_examples == 7
  theirs = {
    row['image/id'].numpy(): row for row in builder.as_dataset(split='val')
  }
  ours = job_runs.records(tmp_path)
  assert len(theirs) == len(ours) == 7
  for record in ours:
    other = theirs[record['image/id'].numpy()]
    assert set(other) == set(record)
    for key, value in record.items():
      if isinstance(value, tf.RaggedTensor):
        assert other[key].to_list() == value.to_list()
      else:
        np.testing.assert_array_equal(other[key], value)


def _spoil(folder: pathlib.Path) -> None:
  """Breaks five of eleven images, each in a way of its own."""
  names = {k: folder / f'COCO_val2014_{k:012d}.jpg' for k in range(1, 12)}
  names[1].unlink()
  names[2].write_bytes(b'')
  names[3].write_text('Not found')
  names[4].write_bytes(names[4].read_bytes()[:-200])
  names[5].write_bytes(names[6].read_bytes())
  with open(names[5], 'ab') as file:
    file.write(b'trailing bytes harm nobody')
  Image.fromarray(np.zeros([21, 35, 3], np.uint8)).save(names[7])


def test_each_bad_image_is_set_aside_with_its_questions(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 11)
  _spoil(tmp_path / 'a' / 'val2014')
  instances = tmp_path / 'a' / 'instances_val2014.json'
  content = json.loads(instances.read_text())
  content['annotations'] = [
    row for row in content['annotations'] if row['image_id'] != 8
  ]
  instances.write_text(json.dumps(content))
  request = job_runs.request(tmp_path, f'val,{paths}', max_drop_fraction=0.6)
  val = job.run(request)['splits']['val']

  assert val['dropped'] == {
    'image_missing': 1,
    'image_empty': 1,
    'not_an_image': 1,
    'image_corrupt': 1,
    'image_size_differs': 1,
    'no_rois': 1,
  }
  # Images 1, 2, 3, 4, 7, 8 with 2, 3, 1, 2, 2, 3 questions of the 23.
  assert (val['images'], val['dropped_images']) == (5, 6)
  assert (val['annotations'], val['dropped_annotations']) == (10, 13)
  lines = (job_runs.folder(tmp_path) / 'drops.jsonl').read_text().splitlines()
  drops = [json.loads(line) for line in lines]
  assert collections.Counter(drop['item'] for drop in drops) == {
    f'image {k}': 1 for k in (1, 2, 3, 4, 7, 8)
  }
  assert drops == sorted(drops, key=lambda drop: drop['item'])


def test_too_much_set_aside_fails_and_names_the_reasons(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 11)
  _spoil(tmp_path / 'a' / 'val2014')
  with pytest.raises(ValueError, match='At most 5.0%') as caught:
    job.run(job_runs.request(tmp_path, f'val,{paths}'))
  # 2, 3, 1, 2 and 2 questions of images 1, 2, 3, 4 and 7.
  assert 'Received: 10 of 23 in val' in str(caught.value)
  assert (
    'image_empty (3), image_missing (2), image_corrupt (2); for example '
    'image 2 (' in str(caught.value)
  )
  assert not job_runs.folder(tmp_path).exists()


def test_the_most_pixels_of_an_image_are_a_setting(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 2)
  size = official_files.HEIGHT * official_files.WIDTH
  manifest = job.run(
    job_runs.request(tmp_path, f'val,{paths}', max_pixels=size)
  )
  assert manifest['splits']['val']['images'] == 2
  # They have 2 and 3 questions.
  with pytest.raises(ValueError, match=r'image_too_large \(5\)'):
    job.run(
      job_runs.request(
        tmp_path, f'val,{paths}', max_pixels=size - 1, overwrite=True
      )
    )


def test_the_order_of_the_input_changes_no_byte(tmp_path):
  plain = official_files.write_vqa(tmp_path / 'a', 11)
  job.run(job_runs.request(tmp_path, f'val,{plain}'))
  before = job_runs.checksums(tmp_path)
  path = tmp_path / 'a' / 'questions_val2014.json'
  content = json.loads(path.read_text())
  # Questions of one image keep their order: it is the record's.
  content['questions'].sort(key=lambda row: -row['image_id'])
  path.write_text(json.dumps(content))
  job.run(job_runs.request(tmp_path, f'val,{plain}', overwrite=True))
  assert job_runs.checksums(tmp_path) == before


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_as_one(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 11)
  job.run(job_runs.request(tmp_path, f'val,{paths}', images_per_shard=2))
  one = job_runs.checksums(tmp_path)
  flags = (
    '--direct_running_mode=multi_processing',
    '--direct_num_workers=2',
  )
  job.run(
    job_runs.request(
      tmp_path,
      f'val,{paths}',
      images_per_shard=2,
      overwrite=True,
      beam_flags=flags,
    )
  )
  assert job_runs.checksums(tmp_path) == one


def test_the_best_regions_stay_when_there_are_too_many(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 3)
  path = tmp_path / 'a' / 'instances_val2014.json'
  content = json.loads(path.read_text())
  scores = [0.2, 0.9, 0.5, 0.9]
  content['annotations'] = [
    {
      'image_id': k,
      'category_id': 1,
      'bbox': [n, 0, 5, 5],
      'score': score,
    }
    for k in (1, 2, 3)
    for n, score in enumerate(scores)
  ]
  path.write_text(json.dumps(content))
  manifest = job.run(job_runs.request(tmp_path, f'val,{paths}', max_rois=3))
  for record in job_runs.records(tmp_path):
    assert record['roi/box'][:, 0].numpy().tolist() == [1, 3, 2]
    np.testing.assert_allclose(record['roi/score'], [0.9, 0.9, 0.5])
  assert manifest['splits']['val']['dropped'] == {'rois_cut': 3}


def test_a_shard_may_lose_all_its_images(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 2)
  (tmp_path / 'a' / 'val2014' / 'COCO_val2014_000000000001.jpg').write_bytes(
    b''
  )
  request = job_runs.request(
    tmp_path, f'val,{paths}', images_per_shard=1, max_drop_fraction=1.0
  )
  lengths = job.run(request)['splits']['val']['shard_lengths']
  assert sorted(lengths) == [0, 1]
  assert len(job_runs.records(tmp_path)) == 1


def test_a_split_without_any_image_left_fails(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 1)
  (tmp_path / 'a' / 'val2014' / 'COCO_val2014_000000000001.jpg').write_bytes(
    b''
  )
  with pytest.raises(ValueError, match='at least one.*image_empty'):
    job.run(job_runs.request(tmp_path, f'val,{paths}', max_drop_fraction=1.0))


def test_splits_need_names_and_categories_that_agree(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 1)
  other = official_files.write_vqa(tmp_path / 'b', 1)
  with pytest.raises(ValueError, match='name of its own'):
    job.run(job_runs.request(tmp_path, f'val,{paths}', f'val,{other}'))
  path = tmp_path / 'b' / 'instances_val2014.json'
  path.write_text(path.read_text().replace('cat"', 'cow"'))
  with pytest.raises(ValueError, match='same categories.*dog, cat.*dog, cow'):
    job.run(job_runs.request(tmp_path, f'val,{paths}', f'test,{other}'))
  assert not job_runs.folder(tmp_path).exists()
