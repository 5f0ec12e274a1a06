"""Scenes as RefCOCO+ and VCR: true, unambiguous, and read by the readers."""

import hashlib
import json

import numpy as np
import pytest

from vlbert_tf.data.annotations import Drop
from vlbert_tf.data.readers import coco, files, refcoco, vcr
from vlbert_tf.data.scenes import generate, references, world
from vlbert_tf.data.scenes.wording import (
  COLOR_WORDS,
  MATERIAL_WORDS,
  RELATION_PHRASES,
  SHAPE_WORDS,
  SIZE_WORDS,
)

_SIZES = generate.Sizes(
  train_images=12,
  val_images=3,
  test_images=8,
  caption_train_images=1,
  caption_val_images=1,
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  target = tmp_path_factory.mktemp('data') / 'scenes'
  generate.generate(target, _SIZES, seed=7, with_regions=True)
  return target


def _scenes(count=150):
  rng = np.random.default_rng(1)
  return [
    world.sample_scene(np.random.default_rng(k)) for k in range(count)
  ], rng


def _fits(text, each):
  """Whether each word of a phrase is true of an object, by the word lists."""
  rows = {}
  for attribute, table in (
    ('shape', SHAPE_WORDS),
    ('color', COLOR_WORDS),
    ('material', MATERIAL_WORDS),
    ('size', SIZE_WORDS),
  ):
    for value, words in table.items():
      rows.update((word, (attribute, value)) for word in words)
  return all(
    getattr(each, rows[word][0]) == rows[word][1]
    for word in text.split()
    if word in rows
  )


def test_an_expression_fits_its_object_alone_among_others_of_the_kind():
  scenes, rng = _scenes()
  said = [
    (scene, *pair) for scene in scenes for pair in references.refer(scene, rng)
  ]

  assert len(said) > 100
  for scene, number, text in said:
    fitting = [k for k, each in enumerate(scene.objects) if _fits(text, each)]
    assert fitting == [number]
    shapes = [each.shape for each in scene.objects]
    assert shapes.count(shapes[number]) >= 2
    assert not any(
      f' {phrase} ' in f' {text} '
      for phrases in RELATION_PHRASES.values()
      for phrase in phrases
    )


def test_one_candidate_is_true_and_its_place_tells_nothing():
  scenes, rng = _scenes()
  asked = [(s, choice) for s in scenes for choice in references.choose(s, rng)]

  labels = [choice.answer_label for _, choice in asked]
  counts = np.bincount(labels, minlength=4)
  assert abs(counts - len(labels) / 4).max() < 4 * np.sqrt(len(labels) * 3 / 16)
  for scene, choice in asked:
    number = choice.question[-2][0]
    each = scene.objects[number]
    for texts, label, place in (
      (choice.answers, choice.answer_label, 2),
      (choice.rationales, choice.rationale_label, 3),
    ):
      values = [text[place] for text in texts]
      assert len(set(values)) == 4
      true = [v for v in values if v in (each.color, each.material)]
      assert true == [values[label]]


def test_the_other_files_are_the_same_with_and_without(folder, tmp_path):
  plain = tmp_path / 'plain'
  generate.generate(plain, _SIZES, seed=7)

  names = [
    str(path.relative_to(plain))
    for path in plain.rglob('*')
    if path.is_file() and path.name != 'README.txt'
  ]
  assert len(names) > 30
  for name in names:
    assert (plain / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_files_of_a_seed_are_those_of_earlier_versions(tmp_path):
  sizes = generate.Sizes(2, 1, 1, 1, 1)
  generate.generate(tmp_path / 'a', sizes, seed=7)

  path = tmp_path / 'a' / 'instances_train.json'
  digest = hashlib.sha256(path.read_bytes()).hexdigest()
  assert digest == (
    'f015700d2c8c96c8f3a5f140a1cbe4f41a644973f35162079580e2173b8a0932'
  )


def test_the_readers_take_all_of_it(folder):
  instances = coco.read_instances(str(folder / 'refcoco+' / 'instances.json'))
  pictures = files.images_by_number(
    [str(folder / 'images' / split) for split in ('train', 'val', 'test')]
  )
  counts = {}
  for split in ('train', 'val', 'testA', 'testB'):
    path = str(folder / 'refcoco+' / 'refs(unc).p')
    items = list(refcoco.read_images(path, split, pictures, instances))
    assert not [item for item in items if isinstance(item, Drop)]
    counts[split] = sum(item.count for item in items)
  assert all(counts.values())

  categories = files.read_names(str(folder / 'vcr' / 'categories.txt'))
  for split, images in (('train', 12), ('val', 3), ('test', 8)):
    items = list(
      vcr.read_images(
        str(folder / 'vcr' / f'{split}.jsonl'),
        str(folder / 'images'),
        str(folder / 'vcr' / 'metadata'),
        categories,
      )
    )
    assert not [item for item in items if isinstance(item, Drop)]
    assert len(items) == images
    assert all((folder / 'images' / item.image_id).exists() for item in items)


def test_a_polygon_lies_in_the_box_and_reaches_its_sides(folder):
  for path in (folder / 'vcr' / 'metadata' / 'train').iterdir():
    content = json.loads(path.read_text())
    for box, (polygon,) in zip(content['boxes'], content['segms'], strict=True):
      low, high = np.min(polygon, axis=0), np.max(polygon, axis=0)
      # Rows are met at their middle.
      np.testing.assert_allclose([low[0], low[1] - 0.5], box[:2])
      np.testing.assert_allclose([high[0], high[1] + 0.5], box[2:4])
