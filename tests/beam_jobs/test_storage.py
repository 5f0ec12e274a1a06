"""All files of a job go through Beam's file systems."""

import pathlib

import pytest
import tensorflow as tf

from beam_jobs import job, storage
from tests.beam_jobs import job_runs, memory_files, official_files, toy_detector


@pytest.fixture(autouse=True)
def _empty():
  memory_files.FILES.clear()


def _upload(folder: pathlib.Path, scheme: str = 'memory://bucket') -> None:
  for path in folder.rglob('*'):
    if path.is_file():
      name = f'{scheme}/{path.relative_to(folder)}'
      memory_files.FILES[name] = path.read_bytes()


def test_a_job_on_a_remote_file_system_writes_what_it_writes_locally(
  tmp_path, monkeypatch
):
  paths = official_files.write_vqa(tmp_path / 'in' / 'a', 11)
  paths = ','.join(p for p in paths.split(',') if 'instances' not in p)
  model = toy_detector.write(tmp_path / 'in' / 'model')
  job.run(job_runs.request(tmp_path, f'val,{paths}', detector=model))
  local = job_runs.folder(tmp_path)
  _upload(tmp_path / 'in')
  remote = paths.replace(f'{tmp_path}/in', 'memory://bucket')

  def refuse(*args, **kwargs):
    raise AssertionError('TensorFlow opened a file of the job.')

  # TensorFlow would not know the scheme; this says so for local paths, too.
  monkeypatch.setattr(tf.io.gfile, 'exists', refuse)
  monkeypatch.setattr(tf.io.gfile, 'listdir', refuse)
  job.run(
    job_runs.request(
      tmp_path,
      f'val,{remote}',
      detector='memory://bucket/model',
      output_dir='memory://bucket/out',
    )
  )

  folder = 'memory://bucket/out/toy/'
  written = {
    path.removeprefix(folder)
    for path in memory_files.FILES
    if path.startswith(folder)
  }
  assert written == {
    str(path.relative_to(local.parent)) for path in local.iterdir()
  }
  for path in local.iterdir():
    if path.name not in ('manifest.json', 'report.json'):
      content = memory_files.FILES[f'{folder}1.0.0/{path.name}']
      assert content == path.read_bytes(), path.name


def test_an_unfinished_remote_folder_has_no_description(tmp_path, monkeypatch):
  paths = official_files.write_vqa(tmp_path / 'a', 5)
  request = job_runs.request(
    tmp_path, f'val,{paths}', output_dir='memory://bucket/out'
  )
  job.run(request)
  described = 'memory://bucket/out/toy/1.0.0/dataset_info.json'
  assert described in memory_files.FILES

  monkeypatch.setattr(job.shards, 'build', lambda task, output: 1 / 0)
  (tmp_path / 'a' / 'questions_val2014.json').write_text(
    (tmp_path / 'a' / 'questions_val2014.json')
    .read_text()
    .replace('Is it', 'Was it')
  )
  again = job_runs.request(
    tmp_path,
    f'val,{paths}',
    output_dir='memory://bucket/out',
    overwrite=True,
  )
  with pytest.raises(RuntimeError, match='division by zero'):
    job.run(again)
  assert described not in memory_files.FILES
  assert not any('tfrecord' in path for path in memory_files.FILES)


def test_names_with_pattern_characters_are_names(tmp_path):
  (tmp_path / 'a[1]').mkdir()
  (tmp_path / 'a1').mkdir()
  (tmp_path / 'a[1]' / 'x?.txt').write_bytes(b'12')
  (tmp_path / 'a1' / 'other.txt').touch()

  assert storage.names(f'{tmp_path}/a[1]') == ['x?.txt']
  assert storage.size(f'{tmp_path}/a[1]/x?.txt') == 2
  assert storage.is_folder(f'{tmp_path}/a[1]')


@pytest.mark.parametrize('root', ['memory://bucket', None])
def test_what_is_not_there_is_not_found(tmp_path, root):
  root = root or str(tmp_path)
  storage.write(f'{root}/a/b.txt', b'x')

  assert storage.read(f'{root}/a/b.txt') == b'x'
  assert storage.is_folder(f'{root}/a')
  assert not storage.is_folder(f'{root}/b')
  assert storage.files_below(root) == [f'{root}/a/b.txt']
  with pytest.raises(FileNotFoundError):
    storage.read(f'{root}/a/c.txt')


def test_a_file_that_fails_half_way_does_not_appear(tmp_path):
  def write():
    with storage.replaced(f'{tmp_path}/whole') as file:
      file.write(b'half')
      raise OSError('full')

  with pytest.raises(OSError, match='full'):
    write()
  assert not (tmp_path / 'whole').exists()
