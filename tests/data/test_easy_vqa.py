"""easy-VQA in the official layouts."""

import collections
import json
import pathlib
import sys
import types

import numpy as np
import pytest

from vlbert_tf.data import easy_vqa

_TRAIN_IMAGES, _TEST_IMAGES = 60, 30


def _beginning(rows, images):
  kept = [row for row in zip(*rows, strict=True) if row[2] < images]
  return tuple(zip(*kept, strict=True))


@pytest.fixture(scope='module')
def package():
  """The first images of the installed package, and their questions."""
  whole = pytest.importorskip('easy_vqa')
  train = _beginning(whole.get_train_questions(), _TRAIN_IMAGES)
  test = _beginning(whole.get_test_questions(), _TEST_IMAGES)
  train_paths = whole.get_train_image_paths()
  test_paths = whole.get_test_image_paths()
  return types.SimpleNamespace(
    get_train_questions=lambda: train,
    get_test_questions=lambda: test,
    get_train_image_paths=lambda: {
      number: train_paths[number] for number in range(_TRAIN_IMAGES)
    },
    get_test_image_paths=lambda: {
      number: test_paths[number] for number in range(_TEST_IMAGES)
    },
  )


@pytest.fixture(scope='module')
def folder(package, tmp_path_factory):
  target = tmp_path_factory.mktemp('data') / 'easy_vqa'
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(sys.modules, 'easy_vqa', package)
    easy_vqa.convert(target)
  return target


def _json(folder, name):
  return json.loads((folder / name).read_text())


def _questions(folder, subtype):
  name = f'vqa/v2_OpenEnded_mscoco_{subtype}_questions.json'
  return _json(folder, name)['questions']


def _annotations(folder, subtype):
  name = f'vqa/v2_mscoco_{subtype}_annotations.json'
  return _json(folder, name)['annotations']


@pytest.mark.slow
def test_all_published_questions_are_there(tmp_path):
  pytest.importorskip('easy_vqa')
  folder = tmp_path / 'whole'
  easy_vqa.convert(folder)
  train = _questions(folder, 'train2014')
  val = _questions(folder, 'val2014')
  # The numbers that the data set's page states.
  assert len(train) + len(val) == 38_575
  assert len({q['image_id'] for q in val}) == 400
  test = _annotations(folder, 'test2015')
  assert len(test) == 9_673
  assert sum(each['answer_type'] == 'yes/no' for each in test) == 7_136
  assert len({each['multiple_choice_answer'] for each in test}) == 13


def test_a_tenth_of_the_train_images_is_val_and_no_question_is_lost(
  folder, package
):
  train = _questions(folder, 'train2014')
  val = _questions(folder, 'val2014')
  assert len({q['image_id'] for q in val}) == _TRAIN_IMAGES // 10
  assert not {q['image_id'] for q in val} & {q['image_id'] for q in train}
  texts = sorted(package.get_train_questions()[0])
  assert sorted(q['question'] for q in [*train, *val]) == texts


def test_questions_stay_with_their_image(folder, package):
  asked = collections.defaultdict(list)
  for question in _questions(folder, 'test2015'):
    asked[question['image_id']].append(question['question'])
  texts, _, numbers = package.get_test_questions()
  names = {
    image['id']: image['file_name']
    for image in _json(folder, 'instances_test.json')['images']
  }
  paths = package.get_test_image_paths()
  for image_id, found in asked.items():
    (number,) = {
      n
      for n, path in paths.items()
      if pathlib.Path(path).read_bytes()
      == (folder / 'images/test' / names[image_id]).read_bytes()
    }
    of_image = zip(texts, numbers, strict=True)
    assert found == [text for text, n in of_image if n == number]


def test_ten_people_agree_on_the_published_answer(folder, package):
  annotations = _annotations(folder, 'test2015')
  for each in annotations:
    given = {answer['answer'] for answer in each['answers']}
    assert given == {each['multiple_choice_answer']}
    assert len(each['answers']) == 10
  given = [each['multiple_choice_answer'] for each in annotations]
  assert sorted(given) == sorted(package.get_test_questions()[1])


def test_question_types_are_the_first_words(folder):
  texts = {q['question_id']: q for q in _questions(folder, 'val2014')}
  types = set()
  for each in _annotations(folder, 'val2014'):
    text = texts[each['question_id']]['question']
    assert text.startswith(each['question_type'])
    types.add(each['question_type'])
  assert {'what color', 'what shape', 'is there'} <= types


def test_every_image_has_one_box_of_one_category_and_its_file(folder):
  found = _json(folder, 'instances_test.json')
  assert [c['name'] for c in found['categories']] == ['shape']
  images = [image['id'] for image in found['images']]
  assert [each['image_id'] for each in found['annotations']] == images
  assert len(images) == _TEST_IMAGES
  for image in found['images']:
    assert (folder / 'images/test' / image['file_name']).is_file()
  for each in found['annotations']:
    # A triangle fills half of its box, a circle π/4, a rectangle all.
    filled = each['area'] / (each['bbox'][2] * each['bbox'][3])
    assert 0.45 < filled <= 1


def test_the_box_of_a_shape_is_found_from_its_pixels():
  pixels = np.full((64, 64, 3), (250, 240, 235), np.uint8)
  pixels += np.random.default_rng(1).integers(0, 5, pixels.shape, np.uint8)
  pixels[11:23, 5:18] = (128, 128, 128)
  assert easy_vqa.shape_box(pixels) == (5, 11, 18, 23)


def test_yellow_is_told_from_white_by_one_channel():
  pixels = np.full((64, 64, 3), (255, 255, 230), np.uint8)
  pixels[0:3, 60:64] = (255, 255, 0)
  assert easy_vqa.shape_box(pixels) == (60, 0, 64, 3)


def test_an_image_without_a_shape_is_refused():
  with pytest.raises(ValueError, match='Received: a uniform image'):
    easy_vqa.shape_box(np.full((64, 64, 3), 240, np.uint8))


def test_a_missing_package_is_named_with_the_command_to_install_it(
  tmp_path, monkeypatch
):
  monkeypatch.setitem(sys.modules, 'easy_vqa', None)
  with pytest.raises(ModuleNotFoundError, match='pip install easy-vqa'):
    easy_vqa.convert(tmp_path / 'out')
  assert not (tmp_path / 'out').exists()
