"""The whole job on small data sets, in one process."""

import collections
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from beam_jobs import job, shards
from tests.beam_jobs import official_files
from vlbert_tf.data import example_schema


def _request(tmp_path, *splits, **changes):
  fields = {
    'dataset': 'vqa',
    'name': 'toy',
    'output_dir': f'{tmp_path}/out',
    'splits': splits,
    'images_per_shard': 4,
  }
  return job.Request(**{**fields, **changes})


def _folder(tmp_path) -> pathlib.Path:
  return tmp_path / 'out' / 'toy' / '1.0.0'


def _records(tmp_path, split='val'):
  opened = example_schema.open_split(f'{tmp_path}/out/toy', split)
  return [
    example_schema.parse_example(record, opened.kind)
    for record in tf.data.TFRecordDataset(list(opened.paths))
  ]


def _bytes(tmp_path) -> dict[str, str]:
  """Checksums of everything but the manifest, which holds the command."""
  folder = _folder(tmp_path)
  return {
    str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(folder.rglob('*'))
    if path.is_file() and path.name != 'manifest.json'
  }


def test_several_splits_of_questions_are_built_at_once(tmp_path):
  train = official_files.write_vqa(tmp_path / 'a', 11)
  test = official_files.write_vqa(tmp_path / 'b', 3, 'test2015', first=50)
  test = ','.join(p for p in test.split(',') if 'annotations' not in p)
  manifest = job.run(_request(tmp_path, f'train,{train}', f'test,{test}'))

  # Images 1 to 11 with k % 3 + 1 questions: 4 × 2, 4 × 3 and 3 × 1.
  assert manifest['splits']['train']['images'] == 11
  assert manifest['splits']['train']['annotations'] == 23
  assert manifest['splits']['train']['shard_lengths'] == [3, 4, 4]
  assert manifest['splits']['test']['images'] == 3
  assert manifest['categories'] == ['dog', 'cat']
  assert sorted(os.listdir(tmp_path / 'out' / 'toy')) == ['1.0.0']
  assert (_folder(tmp_path) / 'categories.txt').read_text() == 'dog\ncat\n'
  assert (_folder(tmp_path) / 'answers.txt').read_text() == 'yes\n'
  assert (_folder(tmp_path) / 'drops.jsonl').read_text() == ''

  records = {int(r['image/id'].numpy()): r for r in _records(tmp_path, 'train')}
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
  assert _records(tmp_path, 'test')[0]['answer/text'].to_list()[0] == []


def test_captions_come_with_their_table(tmp_path):
  paths = official_files.write_captions(tmp_path / 'a')
  job.run(_request(tmp_path, f'val,{paths}', dataset='captions'))
  split = example_schema.open_split(str(_folder(tmp_path)), 'val')
  assert (split.images, split.annotations) == (5, 10)
  ids, captions = example_schema.read_texts(split)
  records = _records(tmp_path)
  assert ids.numpy().tolist() == [
    r['image/id'].numpy() for r in records for _ in range(2)
  ]
  assert captions.numpy().tolist() == [
    text for r in records for text in r['caption/text'].numpy()
  ]
  assert not (_folder(tmp_path) / 'answers.txt').exists()


def test_tensorflow_datasets_reads_the_folder(tmp_path):
  tfds = pytest.importorskip('tensorflow_datasets')
  paths = official_files.write_vqa(tmp_path / 'a', 7)
  job.run(_request(tmp_path, f'val,{paths}'))
  builder = tfds.builder_from_directory(str(_folder(tmp_path)))
  assert builder.info.splits['val'].num_examples == 7
  theirs = {
    row['image/id'].numpy(): row for row in builder.as_dataset(split='val')
  }
  ours = _records(tmp_path)
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
  request = _request(tmp_path, f'val,{paths}', max_drop_fraction=0.6)
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
  lines = (_folder(tmp_path) / 'drops.jsonl').read_text().splitlines()
  drops = [json.loads(line) for line in lines]
  assert collections.Counter(drop['item'] for drop in drops) == {
    f'image {k}': 1 for k in (1, 2, 3, 4, 7, 8)
  }
  assert drops == sorted(drops, key=lambda drop: drop['item'])


def test_too_much_set_aside_fails_and_names_the_reasons(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 11)
  _spoil(tmp_path / 'a' / 'val2014')
  with pytest.raises(ValueError, match='At most 5.0%') as caught:
    job.run(_request(tmp_path, f'val,{paths}'))
  # 2, 3, 1, 2 and 2 questions of images 1, 2, 3, 4 and 7.
  assert 'Received: 10 of 23 in val' in str(caught.value)
  assert 'image_empty (3), image_missing (2), image_corrupt (2).' in str(
    caught.value
  )
  assert not _folder(tmp_path).exists()


def test_the_order_of_the_input_changes_no_byte(tmp_path):
  plain = official_files.write_vqa(tmp_path / 'a', 11)
  job.run(_request(tmp_path, f'val,{plain}'))
  before = _bytes(tmp_path)
  path = tmp_path / 'a' / 'questions_val2014.json'
  content = json.loads(path.read_text())
  # Questions of one image keep their order: it is the record's.
  content['questions'].sort(key=lambda row: -row['image_id'])
  path.write_text(json.dumps(content))
  job.run(_request(tmp_path, f'val,{plain}', overwrite=True))
  assert _bytes(tmp_path) == before


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_as_one(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 11)
  job.run(_request(tmp_path, f'val,{paths}', images_per_shard=2))
  one = _bytes(tmp_path)
  flags = (
    '--direct_running_mode=multi_processing',
    '--direct_num_workers=2',
  )
  job.run(
    _request(
      tmp_path,
      f'val,{paths}',
      images_per_shard=2,
      overwrite=True,
      beam_flags=flags,
    )
  )
  assert _bytes(tmp_path) == one


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
  manifest = job.run(_request(tmp_path, f'val,{paths}', max_rois=3))
  for record in _records(tmp_path):
    assert record['roi/box'][:, 0].numpy().tolist() == [1, 3, 2]
    np.testing.assert_allclose(record['roi/score'], [0.9, 0.9, 0.5])
  assert manifest['splits']['val']['dropped'] == {'rois_cut': 3}


def test_a_job_that_broke_leaves_nothing_visible_and_goes_on(
  tmp_path, monkeypatch
):
  paths = official_files.write_vqa(tmp_path / 'a', 11)
  job.run(_request(tmp_path, f'val,{paths}', name='whole'))
  build, built = shards.build, []

  def breaks_at_the_third(task, output):
    if len(built) == 2:
      (tmp_path / 'out' / 'toy' / '.partial' / 'work' / 'x.tmp').touch()
      raise OSError('The disk is gone.')
    built.append(task)
    return build(task, output)

  monkeypatch.setattr(shards, 'build', breaks_at_the_third)
  with pytest.raises(OSError, match='disk is gone'):
    job.run(_request(tmp_path, f'val,{paths}'))
  assert not _folder(tmp_path).exists()
  with pytest.raises(ValueError, match='incomplete'):
    example_schema.open_split(f'{tmp_path}/out/toy', 'val')

  again = []
  monkeypatch.setattr(
    shards, 'build', lambda *args: again.append(args[0]) or build(*args)
  )
  job.run(_request(tmp_path, f'val,{paths}'))
  assert len(again) == 1
  assert again[0] not in built
  assert sorted(os.listdir(tmp_path / 'out' / 'toy')) == ['1.0.0']
  for number in range(3):
    records = f'-val.tfrecord-{number:05d}-of-00003'
    assert (_folder(tmp_path) / f'toy{records}').read_bytes() == (
      tmp_path / 'out' / 'whole' / '1.0.0' / f'whole{records}'
    ).read_bytes()


def test_shards_of_other_annotations_are_not_used_again(tmp_path, monkeypatch):
  paths = official_files.write_vqa(tmp_path / 'a', 11)
  with monkeypatch.context() as patch:
    patch.setattr(job.publish, 'publish', lambda *args: {})
    job.run(_request(tmp_path, f'val,{paths}', images_per_shard=2))
  path = tmp_path / 'a' / 'questions_val2014.json'
  path.write_text(path.read_text().replace('Is it 5?', 'Is it five?'))
  job.run(_request(tmp_path, f'val,{paths}'))
  texts = {
    text for r in _records(tmp_path) for text in r['question/text'].numpy()
  }
  assert b'Is it five?' in texts
  assert b'Is it 5?' not in texts
  assert len(list(_folder(tmp_path).glob('*.tfrecord-*'))) == 3


def test_complete_records_stay_unless_overwritten(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 3)
  job.run(_request(tmp_path, f'val,{paths}'))
  before = _bytes(tmp_path)
  with pytest.raises(ValueError, match='Pass --overwrite'):
    job.run(_request(tmp_path, f'val,{paths}'))
  assert _bytes(tmp_path) == before
  job.run(_request(tmp_path, f'test,{paths}', overwrite=True))
  assert example_schema.open_split(str(_folder(tmp_path)), 'test').images == 3
  assert not list(_folder(tmp_path).glob('*-val*'))


def test_a_folder_of_somebody_else_is_not_touched(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 3)
  _folder(tmp_path).mkdir(parents=True)
  (_folder(tmp_path) / 'thesis.txt').touch()
  with pytest.raises(ValueError, match='must be absent'):
    job.run(_request(tmp_path, f'val,{paths}', overwrite=True))
  assert os.listdir(_folder(tmp_path)) == ['thesis.txt']


def test_a_shard_may_lose_all_its_images(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 2)
  (tmp_path / 'a' / 'val2014' / 'COCO_val2014_000000000001.jpg').write_bytes(
    b''
  )
  request = _request(
    tmp_path, f'val,{paths}', images_per_shard=1, max_drop_fraction=1.0
  )
  lengths = job.run(request)['splits']['val']['shard_lengths']
  assert sorted(lengths) == [0, 1]
  assert len(_records(tmp_path)) == 1


def test_a_split_without_any_image_left_fails(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 1)
  (tmp_path / 'a' / 'val2014' / 'COCO_val2014_000000000001.jpg').write_bytes(
    b''
  )
  with pytest.raises(ValueError, match='at least one.*image_empty'):
    job.run(_request(tmp_path, f'val,{paths}', max_drop_fraction=1.0))


def test_splits_need_names_and_categories_that_agree(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 1)
  other = official_files.write_vqa(tmp_path / 'b', 1)
  with pytest.raises(ValueError, match='name of its own'):
    job.run(_request(tmp_path, f'val,{paths}', f'val,{other}'))
  path = tmp_path / 'b' / 'instances_val2014.json'
  path.write_text(path.read_text().replace('cat"', 'cow"'))
  with pytest.raises(ValueError, match='same categories.*dog, cat.*dog, cow'):
    job.run(_request(tmp_path, f'val,{paths}', f'test,{other}'))
  assert not (tmp_path / 'out').exists()


def test_a_lost_shard_is_noticed(tmp_path, monkeypatch):
  paths = official_files.write_vqa(tmp_path / 'a', 5)
  monkeypatch.setattr(shards, 'build', lambda task, output: {})
  with pytest.raises(RuntimeError, match='Each shard must be built'):
    job.run(_request(tmp_path, f'val,{paths}'))
  assert not _folder(tmp_path).exists()


@pytest.mark.slow
def test_a_killed_process_is_followed_by_the_same_command(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 40)
  command = [
    *(sys.executable, '-m', 'beam_jobs.build_examples'),
    *('--dataset=vqa', '--name=toy', f'--output_dir={tmp_path}/out'),
    *(f'--split=val,{paths}', '--images_per_shard=1'),
  ]
  work = tmp_path / 'out' / 'toy' / '.partial' / 'work'
  with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
    while process.poll() is None and not list(work.glob('*.result.json')):
      pass
    process.kill()
  assert process.returncode == -9
  assert not _folder(tmp_path).exists()
  done = subprocess.run(command, capture_output=True, text=True, timeout=120)
  assert done.returncode == 0, done.stderr
  assert 'shards are there from an earlier job' in done.stderr
  restarted = _bytes(tmp_path)
  job.run(
    _request(tmp_path, f'val,{paths}', images_per_shard=1, overwrite=True)
  )
  assert _bytes(tmp_path) == restarted
