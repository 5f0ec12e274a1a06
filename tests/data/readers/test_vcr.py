"""VCR's lines: words and tags, names of people, and what is set aside."""

import collections
import json

import pytest

from vlbert_tf.data.annotations import Drop, TaggedText
from vlbert_tf.data.readers import vcr
from vlbert_tf.data.spoken_names import PERSON_NAMES

IMAGE = 'movie/a@0.jpg'
CATEGORIES = vcr.CATEGORIES


def _row(number=0, **changes):
  return {
    'annot_id': f'val-{number}',
    'img_fn': IMAGE,
    'metadata_fn': 'movie/a@0.json',
    'objects': ['person', 'diningtable', 'person', 'cup'],
    'question': ['Why', 'are', [0, 2], 'at', [1], '?'],
    'answer_choices': [['Because', '.'], [[2], 'eats'], ['No'], ['Yes']],
    'rationale_choices': [['a'], ['b'], ['c'], [[0], "'s", 'd']],
    'answer_label': 1,
    'rationale_label': 3,
    **changes,
  }


@pytest.fixture
def read(tmp_path):
  """Reads lines about one image of 100 x 50 pixels with four objects."""
  (tmp_path / 'movie').mkdir()
  metadata = {
    'names': ['person', 'diningtable', 'person', 'cup'],
    # The last one lies outside the image.
    'boxes': [[1, 2, 30, 40, 0.9], [5, 20, 120, 50, 0.8], [40, 2, 60, 40, 1.0],
              [200, 2, 210, 9, 0.7]],
    # The second one has a line and no polygon.
    'segms': [[[], [[1, 2], [30, 2], [30, 40]]], [[[5, 6], [7, 8]]], [], []],
    'width': 100,
    'height': 50,
  }  # fmt: skip
  (tmp_path / 'movie' / 'a@0.json').write_text(json.dumps(metadata))

  def run(*lines):
    path = tmp_path / 'val.jsonl'
    path.write_text('\n'.join(
      line if isinstance(line, str) else json.dumps(line) for line in lines
    ))  # fmt: skip
    items = list(
      vcr.read_images(str(path), '/images', str(tmp_path), CATEGORIES)
    )
    drops = [item for item in items if isinstance(item, Drop)]
    return [item for item in items if not isinstance(item, Drop)], drops

  return run


def test_a_line_becomes_a_question_with_tags(read):
  (image,), drops = read(_row())

  assert (image.image_id, image.image_path) == (IMAGE, f'/images/{IMAGE}')
  assert image.size == (50, 100)
  (question,) = image.choices
  assert question.question_id == 'val-0'
  assert question.question == TaggedText(
    ('Why', 'are', 'Casey', 'and', 'Jessie', 'at', 'diningtable', '?'),
    (-1, -1, 0, -1, 2, -1, 1, -1),
  )
  assert question.answers[1] == TaggedText(('Jessie', 'eats'), (2, -1))
  assert question.rationales[3].words == ('Casey', "'s", 'd')
  assert (question.answer_label, question.rationale_label) == (1, 3)
  # The cup lies outside the image: its box goes, the others keep their tags.
  assert [d.reason for d in drops] == ['region_without_area']
  assert [region.tag for region in image.regions] == [0, 1, 2]
  assert image.regions[1].box == (5.0, 20.0, 100.0, 50.0)
  assert image.regions[1].score == 0.8
  assert [CATEGORIES[r.category - 1] for r in image.regions] == [
    'person', 'diningtable', 'person',
  ]  # fmt: skip
  assert json.loads(image.regions[0].polygons) == [[[1, 2], [30, 2], [30, 40]]]
  assert [region.polygons for region in image.regions[1:]] == ['', '']


def test_names_of_other_categories_are_told_with_what_to_do(read, tmp_path):
  file = tmp_path / 'movie' / 'a@0.json'
  file.write_text(file.read_text().replace('diningtable', 'zeppelin'))

  images, drops = read(_row())

  assert not images
  assert [drop.reason for drop in drops] == ['region_category_unknown']
  assert 'zeppelin is none of the 80 categories' in drops[0].detail
  assert 'categories=' in drops[0].detail


def test_lines_of_the_test_split_have_no_labels(read):
  row = _row()
  del row['answer_label'], row['rationale_label']

  (image,), _ = read(row)

  assert image.choices[0].answer_label == -1
  assert image.choices[0].rationale_label == -1


@pytest.mark.parametrize(
  ('line', 'reason'),
  [
    ('{"annot_id": ', 'line_malformed'),
    ('[1]', 'line_malformed'),
    (_row(1, annot_id=None), 'line_malformed'),
    (_row(1, img_fn='../../etc/passwd'), 'line_malformed'),
    (_row(0), 'question_duplicate'),
    (_row(1, question=['Who', [4], '?']), 'tag_without_box'),
    (_row(1, question=['Who', [-1], '?']), 'tag_without_box'),
    (_row(1, question=['The', [3], '?']), 'tag_without_box'),
    (_row(1, question=[' ']), 'text_empty'),
    (_row(1, question='Why?'), 'text_malformed'),
    (_row(1, answer_label=4), 'label_out_of_range'),
    (_row(1, rationale_label='2'), 'label_out_of_range'),
    (_row(1, answer_choices=[['a'], ['b'], ['c']]), 'candidates_malformed'),
    (_row(1, objects=['person']), 'objects_differ'),
    (_row(1, img_fn='b.jpg', metadata_fn='b.json'), 'metadata_missing'),
  ],
)
def test_a_bad_line_is_set_aside_with_its_number_and_reason(read, line, reason):
  images, drops = read(_row(), line)

  drops = [drop for drop in drops if drop.reason != 'region_without_area']
  assert sum(image.count for image in images) == 1
  (drop,) = drops
  assert (drop.item, drop.reason) == ('line 2 of val.jsonl', reason)
  assert drop.annotations == 1
  assert drop.detail


def test_the_names_of_people_are_those_of_the_data_set():
  assert len(PERSON_NAMES) == 15
  assert PERSON_NAMES[0] == 'Casey'
  assert PERSON_NAMES[-1] == 'Quinn'
  assert [k for k, name in enumerate(PERSON_NAMES) if name == 'Peyton'] == [
    6, 10,
  ]  # fmt: skip


def test_there_are_80_categories_without_blanks():
  assert len(set(CATEGORIES)) == 80
  assert not [name for name in CATEGORIES if ' ' in name]


def test_all_lines_of_the_sample_are_read(fixtures):
  folder = fixtures / 'vcr'
  found = collections.Counter()
  for split in ('val', 'test'):
    for item in vcr.read_images(
      str(folder / f'{split}.jsonl'),
      str(folder / 'vcr1images'),
      str(folder / 'vcr1images'),
      CATEGORIES,
    ):
      assert not isinstance(item, Drop), item
      found[split] += item.count
      labels = {choice.answer_label for choice in item.choices}
      assert labels <= (set(range(4)) if split == 'val' else {-1})

  assert found == {'val': 36, 'test': 6}
