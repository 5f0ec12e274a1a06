"""The data set of scenes as it lies on disk."""

import csv
import dataclasses
import hashlib
import io
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from vlbert_tf.data.scenes import generate, official_files

_SIZES = generate.Sizes(
  train_images=5,
  val_images=2,
  test_images=3,
  caption_train_images=4,
  caption_val_images=2,
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> pathlib.Path:
  target = tmp_path_factory.mktemp('data') / 'scenes'
  generate.generate(target, _SIZES, seed=7)
  return target


def _digests(folder):
  return {
    str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(folder.rglob('*'))
    if path.is_file()
  }


def _json(path):
  return json.loads(path.read_text())


def _rows(path):
  with path.open(newline='') as file:
    return list(csv.reader(file, delimiter='\t', quoting=csv.QUOTE_NONE))


def test_two_processes_write_the_same_bytes_as_one(folder, tmp_path):
  again = tmp_path / 'again'
  generate.generate(again, _SIZES, seed=7, num_workers=2)
  assert _digests(again) == _digests(folder)


def test_another_seed_gives_other_images(folder, tmp_path):
  other = tmp_path / 'other'
  sizes = dataclasses.replace(_SIZES, train_images=2)
  generate.generate(other, sizes, seed=8)
  mine, theirs = _digests(folder), _digests(other)
  images = [name for name in theirs if name.endswith('.jpg')]
  assert images
  assert all(mine[name] != theirs[name] for name in images)


def test_an_image_does_not_depend_on_the_size_of_its_split():
  larger = dataclasses.replace(_SIZES, train_images=50, test_images=9)
  one = generate.make_image(7, 'test', _SIZES, 2)
  assert one == generate.make_image(7, 'test', larger, 2)


def test_question_files_have_the_official_keys(folder):
  asked = _json(folder / 'vqa/v2_OpenEnded_mscoco_val2014_questions.json')
  told = _json(folder / 'vqa/v2_mscoco_val2014_annotations.json')
  head = {'info', 'license', 'data_type', 'data_subtype'}
  assert set(asked) == head | {'task_type', 'questions'}
  assert set(told) == head | {'annotations'}
  assert asked['data_subtype'] == told['data_subtype'] == 'val2014'
  assert set(asked['questions'][0]) == {'image_id', 'question', 'question_id'}
  assert set(told['annotations'][0]) == {
    'question_type',
    'multiple_choice_answer',
    'answers',
    'image_id',
    'answer_type',
    'question_id',
  }
  assert [q['question_id'] for q in asked['questions']] == [
    a['question_id'] for a in told['annotations']
  ]


def test_questions_number_seven_to_nine_an_image(folder):
  asked = _json(folder / 'vqa/v2_OpenEnded_mscoco_test2015_questions.json')
  images = [question['image_id'] for question in asked['questions']]
  assert len(set(images)) == 3
  assert all(7 <= images.count(image) <= 9 for image in images)


@pytest.mark.parametrize(
  ('split', 'count'),
  [('train', 5), ('val', 2), ('test', 3), ('captions_train', 4)],
)
def test_instances_describe_the_images_on_disk(folder, split, count):
  found = _json(folder / f'instances_{split}.json')
  assert len(found['images']) == count
  sizes = {}
  for entry in found['images']:
    with Image.open(folder / 'images' / split / entry['file_name']) as image:
      assert image.size == (entry['width'], entry['height'])
      assert image.format == 'JPEG'
    assert int(entry['file_name'][-16:-4]) == entry['id']
    sizes[entry['id']] = image.size
  numbers = {category['id'] for category in found['categories']}
  assert numbers == set(range(1, 8 * 9 + 1))  # color and shape
  for each in found['annotations']:
    x, y, width, height = each['bbox']
    limit_x, limit_y = sizes[each['image_id']]
    assert 0 <= x < x + width <= limit_x
    assert 0 <= y < y + height <= limit_y
    assert 0 < each['area'] <= width * height
    assert each['iscrowd'] == 0
    assert each['category_id'] in numbers


def test_captions_name_images_that_the_index_finds(folder):
  rows = _rows(folder / 'captions/train.tsv')
  index = dict(_rows(folder / 'captions/train_index.tsv'))
  assert len(rows) == 4 * 2
  assert len(index) == 4
  for caption, url in rows:
    assert caption.endswith(' .')
    assert (folder / 'images' / index[url]).is_file()


def test_splits_share_neither_ids_nor_pixels(folder):
  files = list((folder / 'images').rglob('*.jpg'))
  assert len(files) == 5 + 2 + 3 + 4 + 2
  assert len({file.name[-16:] for file in files}) == len(files)
  assert len({file.read_bytes() for file in files}) == len(files)


def test_a_second_run_finds_the_data_and_leaves_it(folder):
  before = {p: p.stat().st_mtime_ns for p in folder.rglob('*')}
  generate.generate(folder, _SIZES, seed=7)
  assert before == {p: p.stat().st_mtime_ns for p in folder.rglob('*')}


def test_other_settings_are_refused_with_what_differs(folder):
  with pytest.raises(ValueError, match=r'other settings \(seed\)'):
    generate.generate(folder, _SIZES, seed=9)


def test_a_folder_of_someone_else_is_refused_and_untouched(tmp_path):
  (tmp_path / 'thesis.txt').write_text('all of it')
  with pytest.raises(ValueError, match='must be new, empty or written by'):
    generate.generate(tmp_path, _SIZES)
  assert (tmp_path / 'thesis.txt').read_text() == 'all of it'


def test_an_interrupted_run_leaves_no_folder_and_the_next_one_succeeds(
  tmp_path, monkeypatch
):
  target = tmp_path / 'scenes'
  with monkeypatch.context() as patch:
    patch.setattr(official_files, 'write_captions', _interrupt)
    with pytest.raises(KeyboardInterrupt):
      generate.generate(target, _SIZES)
  assert not target.exists()
  generate.generate(target, _SIZES)
  assert (target / 'instances_captions_val.json').is_file()
  assert [path.name for path in tmp_path.iterdir()] == ['scenes']


def _interrupt(*args):
  raise KeyboardInterrupt


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'train_images': -1}, 'Received: -1 for train'),
    ({'captions_per_image': 0}, 'at least one caption'),
    ({'short_side': 60}, 'at least 100 pixels'),
  ],
)
def test_impossible_sizes_are_refused(tmp_path, change, message):
  with pytest.raises(ValueError, match=message):
    generate.generate(tmp_path / 'x', dataclasses.replace(_SIZES, **change))


def test_a_quarter_of_the_images_are_portraits():
  scenes = [generate.make_scene(7, 'train', n, _SIZES) for n in range(120)]
  share = np.mean([scene.height > scene.width for scene in scenes])
  assert abs(share - 0.25) < 0.16  # 4 σ of 120 draws


def test_jpegs_open_as_rgb():
  made = generate.make_image(7, 'val', _SIZES, 0)
  with Image.open(io.BytesIO(made.jpeg)) as image:
    assert image.mode == 'RGB'
