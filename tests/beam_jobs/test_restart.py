"""What is visible, kept and done again when a job breaks or is repeated."""

import json
import os
import subprocess
import sys

import pytest

from beam_jobs import job, shards, storage
from tests.beam_jobs import job_runs, official_files
from vlbert_tf.data import example_schema


def test_a_job_that_broke_leaves_nothing_visible_and_goes_on(
  tmp_path, monkeypatch
):
  paths = official_files.write_vqa(tmp_path / 'a', 11)
  job.run(job_runs.request(tmp_path, f'val,{paths}', name='whole'))
  build, built = shards.build, []

  def breaks_at_the_third(task, output):
    if len(built) == 2:
      (tmp_path / 'out' / 'toy' / '.partial' / 'work' / 'x.tmp').touch()
      raise OSError('The disk is gone.')
    built.append(task)
    return build(task, output)

  monkeypatch.setattr(shards, 'build', breaks_at_the_third)
  with pytest.raises(RuntimeError, match='disk is gone'):
    job.run(job_runs.request(tmp_path, f'val,{paths}'))
  assert not job_runs.folder(tmp_path).exists()
  with pytest.raises(ValueError, match='incomplete'):
    example_schema.open_split(f'{tmp_path}/out/toy', 'val')

  again = []
  monkeypatch.setattr(
    shards, 'build', lambda *args: again.append(args[0]) or build(*args)
  )
  job.run(job_runs.request(tmp_path, f'val,{paths}'))
  assert len(again) == 1
  assert again[0] not in built
  assert sorted(os.listdir(tmp_path / 'out' / 'toy')) == ['1.0.0']
  for number in range(3):
    records = f'-val.tfrecord-{number:05d}-of-00003'
    assert (job_runs.folder(tmp_path) / f'toy{records}').read_bytes() == (
      tmp_path / 'out' / 'whole' / '1.0.0' / f'whole{records}'
    ).read_bytes()


def test_shards_of_other_annotations_are_not_used_again(tmp_path, monkeypatch):
  paths = official_files.write_vqa(tmp_path / 'a', 11)
  with monkeypatch.context() as patch:
    patch.setattr(job.publish, 'publish', lambda *args: {})
    job.run(job_runs.request(tmp_path, f'val,{paths}', images_per_shard=2))
  path = tmp_path / 'a' / 'questions_val2014.json'
  path.write_text(path.read_text().replace('Is it 5?', 'Is it five?'))
  job.run(job_runs.request(tmp_path, f'val,{paths}'))
  texts = {
    text
    for r in job_runs.records(tmp_path)
    for text in r['question/text'].numpy()
  }
  assert b'Is it five?' in texts
  assert b'Is it 5?' not in texts
  assert len(list(job_runs.folder(tmp_path).glob('*.tfrecord-*'))) == 3


def test_complete_records_stay_unless_overwritten(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 3)
  job.run(job_runs.request(tmp_path, f'val,{paths}'))
  before = job_runs.checksums(tmp_path)
  with pytest.raises(ValueError, match='Pass --overwrite'):
    job.run(job_runs.request(tmp_path, f'val,{paths}'))
  assert job_runs.checksums(tmp_path) == before
  job.run(job_runs.request(tmp_path, f'test,{paths}', overwrite=True))
  assert (
    example_schema.open_split(str(job_runs.folder(tmp_path)), 'test').images
    == 3
  )
  assert not list(job_runs.folder(tmp_path).glob('*-val*'))


def test_a_folder_of_somebody_else_is_not_touched(tmp_path):
  paths = official_files.write_vqa(tmp_path / 'a', 3)
  job_runs.folder(tmp_path).mkdir(parents=True)
  (job_runs.folder(tmp_path) / 'thesis.txt').touch()
  with pytest.raises(ValueError, match='must be absent'):
    job.run(job_runs.request(tmp_path, f'val,{paths}', overwrite=True))
  assert os.listdir(job_runs.folder(tmp_path)) == ['thesis.txt']


def test_a_lost_shard_is_noticed(tmp_path, monkeypatch):
  paths = official_files.write_vqa(tmp_path / 'a', 5)
  monkeypatch.setattr(shards, 'build', lambda task, output: {})
  with pytest.raises(RuntimeError, match='Each shard must be built'):
    job.run(job_runs.request(tmp_path, f'val,{paths}'))
  assert not job_runs.folder(tmp_path).exists()


def test_a_lost_image_is_noticed(tmp_path, monkeypatch):
  paths = official_files.write_vqa(tmp_path / 'a', 2)
  build = shards.build

  def loses_one(task, output):
    row = build(task, output)
    row['images'] -= 1
    storage.write(task.result_path, json.dumps(row).encode())
    return row

  monkeypatch.setattr(shards, 'build', loses_one)
  with pytest.raises(RuntimeError, match='must add up.* has 1 images of 2'):
    job.run(job_runs.request(tmp_path, f'val,{paths}'))
  assert not job_runs.folder(tmp_path).exists()


def test_a_shard_that_is_built_twice_comes_once(tmp_path, monkeypatch):
  """Runners repeat work whose end they have not heard of."""
  paths = official_files.write_vqa(tmp_path / 'a', 5)
  job.run(job_runs.request(tmp_path, f'val,{paths}'))
  once = job_runs.checksums(tmp_path)
  build = shards.build
  monkeypatch.setattr(
    shards, 'build', lambda *args: [build(*args), build(*args)][-1]
  )
  job.run(job_runs.request(tmp_path, f'val,{paths}', overwrite=True))
  assert job_runs.checksums(tmp_path) == once


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
  assert not job_runs.folder(tmp_path).exists()
  done = subprocess.run(command, capture_output=True, text=True, timeout=600)
  assert done.returncode == 0, done.stderr
  assert 'shards are there from an earlier job' in done.stderr
  restarted = job_runs.checksums(tmp_path)
  job.run(
    job_runs.request(
      tmp_path, f'val,{paths}', images_per_shard=1, overwrite=True
    )
  )
  assert job_runs.checksums(tmp_path) == restarted
