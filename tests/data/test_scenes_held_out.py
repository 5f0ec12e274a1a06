"""Combinations of color and shape that only the split test shows."""

import collections
import csv
import json
import re

import pytest

from vlbert_tf.data.scenes import generate, wording
from vlbert_tf.data.scenes.world import (
  CATEGORIES,
  COLORS,
  SHAPES,
  held_out_combinations,
)

_SIZES = generate.Sizes(
  train_images=60,
  val_images=8,
  test_images=100,
  caption_train_images=60,
  caption_val_images=8,
)
_SEEN = ('train', 'val', 'captions_train', 'captions_val')
_VQA = {'train': 'train2014', 'val': 'val2014', 'test': 'test2015'}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  target = tmp_path_factory.mktemp('data') / 'scenes'
  generate.generate(target, _SIZES, with_regions=True, held_out=8)
  return target


@pytest.fixture(scope='module')
def held_out(folder):
  return set((folder / 'held_out.txt').read_text().splitlines())


def _shown(folder, split):
  """How many objects of each category the images of a split show."""
  content = json.loads((folder / f'instances_{split}.json').read_text())
  names = {row['id']: row['name'] for row in content['categories']}
  return collections.Counter(
    names[row['category_id']] for row in content['annotations']
  )


def _texts(folder, split):
  """Captions, or questions, of a split."""
  if split.startswith('captions_'):
    path = folder / 'captions' / f'{split.removeprefix("captions_")}.tsv'
    with path.open(newline='') as file:
      rows = csv.reader(file, delimiter='\t', quoting=csv.QUOTE_NONE)
      return [row[0] for row in rows]
  name = f'v2_OpenEnded_mscoco_{_VQA[split]}_questions.json'
  rows = json.loads((folder / 'vqa' / name).read_text())['questions']
  return [row['question'] for row in rows]


def _named(text, combination):
  """Whether a text speaks of a thing of this color and shape."""
  color, shape = combination.split()
  colors = '|'.join(wording.COLOR_WORDS[color])
  skins = '|'.join(sum(wording.MATERIAL_WORDS.values(), ()))
  nouns = [
    word
    for noun in wording.SHAPE_WORDS[shape]
    for word in (noun, wording.PLURALS.get(noun, f'{noun}s'))
  ]
  pattern = rf'\b({colors}) (({skins}) )?({"|".join(nouns)})\b'
  return re.search(pattern, text) is not None


def test_the_list_has_each_color_once_and_no_shape_twice(held_out):
  assert len(held_out) == 8
  assert held_out <= set(CATEGORIES)
  colors, shapes = zip(*(name.split() for name in held_out), strict=True)
  assert set(colors) == set(COLORS)
  assert len(set(shapes)) == 8


@pytest.mark.parametrize('split', _SEEN)
def test_no_image_but_those_of_test_shows_a_held_out_combination(
  split, folder, held_out
):
  shown = _shown(folder, split)

  assert sum(shown.values()) >= 3 * _SIZES.of_split(split)
  assert not held_out & shown.keys()


def test_images_of_test_show_all_of_them_and_train_all_of_their_parts(
  folder, held_out
):
  in_test, in_train = _shown(folder, 'test'), _shown(folder, 'train')

  assert held_out <= in_test.keys()
  # Eight of 72 categories, drawn alike.
  share = sum(in_test[name] for name in held_out) / sum(in_test.values())
  assert 0.05 < share < 0.2
  seen = [name.split() for name in in_train]
  assert {color for color, _ in seen} == set(COLORS)
  assert {shape for _, shape in seen} == set(SHAPES)


@pytest.mark.parametrize('split', _SEEN)
def test_no_text_but_those_of_test_names_one(split, folder, held_out):
  texts = _texts(folder, split)

  assert texts
  assert not [t for t in texts if any(_named(t, name) for name in held_out)]


def test_the_search_for_names_finds_what_is_named(folder, held_out):
  texts = _texts(folder, 'test')

  assert any(_named(text, name) for text in texts for name in held_out)
  assert _named('is there a scarlet dull box?', 'red cube')
  assert not _named('is there a red ball left of a cube?', 'red cube')


@pytest.mark.parametrize('split', ['train', 'val'])
def test_no_candidate_calls_an_object_what_it_cannot_be(
  split, folder, held_out
):
  said = collections.Counter()
  for line in (folder / 'vcr' / f'{split}.jsonl').read_text().splitlines():
    row = json.loads(line)
    for candidate in row['answer_choices'] + row['rationale_choices']:
      (number,) = next(part for part in candidate if isinstance(part, list))
      words = [part for part in candidate if isinstance(part, str)]
      said.update(f'{word} {row["objects"][number]}' for word in words)

  assert said.keys() & set(CATEGORIES)
  assert not said.keys() & held_out


def test_more_combinations_than_colors_are_refused():
  with pytest.raises(ValueError, match='from 0 to 8 held-out .* Received: 9'):
    held_out_combinations(7, 9)
