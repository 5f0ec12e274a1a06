"""Images in tar files become the records that they become as files."""

import io
import json
import pathlib
import tarfile

import pytest

from beam_jobs import job
from tests.beam_jobs import job_runs, memory_files, official_files, toy_detector

# img2dataset's names: number of the file, number in it; texts lie beside.
_NAMES = ('00000/000000000.jpg', '00000/000000001.jpg', '00001/000010000.jpg')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  return toy_detector.write(tmp_path_factory.mktemp('model') / 'detector')


def _write(folder: pathlib.Path) -> None:
  """Three images in folders, and the same in the tar files of another one."""
  (folder / 'tars').mkdir(parents=True)
  for number, name in enumerate(_NAMES):
    path = folder / 'files' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    official_files.write_jpeg(path, number)
    path.with_suffix('.txt').write_text('a caption')
  for below in (folder / 'files').iterdir():
    with tarfile.open(folder / 'tars' / f'{below.name}.tar', 'w') as tar:
      for path in sorted(below.iterdir()):
        tar.add(path, path.name)


def _run(tmp_path, model, split, **changes):
  fields = {'dataset': 'images', 'detector': model, 'keep': 'both'}
  return job.run(job_runs.request(tmp_path, split, **{**fields, **changes}))


def _bytes_by_id(tmp_path) -> dict[str, bytes]:
  return {
    record['image/id'].numpy().decode(): record['image/encoded'].numpy()
    for record in job_runs.records(tmp_path)
  }


def _drops(tmp_path) -> list[dict]:
  text = (job_runs.folder(tmp_path) / 'drops.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
  ('images', 'numbers'),
  [('', (0, 1, 2)), ('/0000?.tar', (0, 1, 2)), ('/00001.tar', (2,))],
)
def test_a_folder_a_pattern_and_a_file_name_their_members(
  tmp_path, model, images, numbers
):
  _write(tmp_path)
  _run(tmp_path, model, f'val,images={tmp_path}/tars{images}')
  assert _bytes_by_id(tmp_path) == {
    _NAMES[k].replace('/', '.tar/'): (
      tmp_path / 'files' / _NAMES[k]
    ).read_bytes()
    for k in numbers
  }


def test_a_list_names_members_of_files_on_a_remote_file_system(tmp_path, model):
  _write(tmp_path)
  memory_files.FILES.clear()
  for path in (tmp_path / 'tars').iterdir():
    memory_files.FILES[f'memory://b/t/{path.name}'] = path.read_bytes()
  (tmp_path / 'list.tsv').write_text(
    'one\t00001.tar/000010000.jpg\ntwo\t00001.tar/gone.jpg\n'
  )
  manifest = _run(
    tmp_path,
    model,
    f'val,images=memory://b/t,index={tmp_path}/list.tsv',
    max_drop_fraction=0.5,
  )
  right = (tmp_path / 'files' / _NAMES[2]).read_bytes()
  assert _bytes_by_id(tmp_path) == {'one': right}
  assert manifest['splits']['val']['dropped'] == {'image_missing': 1}


@pytest.mark.parametrize('indexed', [True, False])
def test_captions_find_their_images_in_tar_files(tmp_path, model, indexed):
  _write(tmp_path)
  # Row 10000 is the first of the second file.
  rows = [f'caption {k}\thttp://h/{k}\n' for k in range(10_001)]
  (tmp_path / 'captions.tsv').write_text(''.join(rows))
  split = f'val,captions={tmp_path}/captions.tsv,images={tmp_path}/tars'
  if indexed:
    (tmp_path / 'index.tsv').write_text(
      'http://h/10000\t00001.tar/000010000.jpg\n'
    )
    split += f',image_index={tmp_path}/index.tsv'
  changes = {'dataset': 'captions', 'max_drop_fraction': 1.0}
  _run(tmp_path, model, split, **changes)
  texts = {
    record['image/id'].numpy().decode(): record['caption/text'].numpy().tolist()
    for record in job_runs.records(tmp_path)
  }
  last = {'00001.tar/000010000.jpg': [b'caption 10000']}
  first = {f'00000.tar/00000000{k}.jpg': [b'caption %d' % k] for k in (0, 1)}
  assert texts == (last if indexed else first | last)


def _cut_in_second_image(content: bytes) -> bytes:
  with tarfile.open(fileobj=io.BytesIO(content)) as tar:
    return content[: tar.getmember('000000001.jpg').offset_data + 9]


def _cut_before_second_image(content: bytes) -> bytes:
  with tarfile.open(fileobj=io.BytesIO(content)) as tar:
    return content[: tar.getmember('000000001.jpg').offset]


def _spoil_second_header(content: bytes) -> bytes:
  with tarfile.open(fileobj=io.BytesIO(content)) as tar:
    place = tar.getmember('000000001.jpg').offset
  return content[:place] + b'\xff' * 512 + content[place + 512 :]


@pytest.mark.parametrize(
  'damage',
  [_cut_in_second_image, _cut_before_second_image, _spoil_second_header],
)
def test_a_damaged_file_is_named_and_what_is_before_it_is_kept(
  tmp_path, model, damage
):
  _write(tmp_path)
  path = tmp_path / 'tars' / '00000.tar'
  path.write_bytes(damage(path.read_bytes()))
  manifest = _run(tmp_path, model, f'val,images={tmp_path}/tars')
  assert sorted(_bytes_by_id(tmp_path)) == [
    '00000.tar/000000000.jpg',
    '00001.tar/000010000.jpg',
  ]
  assert manifest['splits']['val']['dropped'] == {'archive_damaged': 1}
  (drop,) = _drops(tmp_path)
  assert drop['item'] == f'archive {path}'
  # The image and the text beside it.
  assert drop['detail'].endswith(' 2 files in it can be read.')


def test_a_file_that_is_no_archive_is_set_aside_whole(tmp_path, model):
  _write(tmp_path)
  (tmp_path / 'tars' / '00002.tar').write_text('Not found')
  _run(tmp_path, model, f'val,images={tmp_path}/tars')
  assert len(_bytes_by_id(tmp_path)) == 3
  (drop,) = _drops(tmp_path)
  assert drop['detail'].endswith(' 0 files in it can be read.')


def test_a_pattern_must_match(tmp_path, model):
  _write(tmp_path)
  with pytest.raises(ValueError, match='from tar files.*no file matches'):
    _run(tmp_path, model, f'val,images={tmp_path}/tars/x*.tar')
  with pytest.raises(ValueError, match='from a folder. Received: .*gone'):
    _run(tmp_path, model, f'val,images={tmp_path}/gone')
