"""Arithmetic of the training benchmarks, on times that are made up."""

import json

import pytest

from benchmarks import encoder, growth, records, step, timing
from vlbert_tf.data import example_schema


def test_contenders_take_turns_and_stop_when_the_time_is_up():
  order = []
  work = {name: lambda name=name: order.append(name) for name in 'abc'}

  seconds = timing.interleaved(work, rounds=9, budget=0.0)

  # Once before anything is timed, and three times although no time is left.
  assert order == list('abc' + 'abc' + 'bca' + 'cab')
  assert [len(each) for each in seconds.values()] == [3, 3, 3]


def test_speed_is_the_ratio_of_medians():
  rows = timing.table({'ours': [2.0, 9.0, 1.0], 'peer': [6.0]}, 'peer')

  assert rows.splitlines()[-2:] == [
    '| ours | 2.000 | 1.000-9.000 | 3.00 |',
    '| peer | 6.000 | 6.000-6.000 | 1.00 |',
  ]


def test_goals_hold_our_faster_form_against_the_fastest_peer():
  lines = encoder.goals(
    {
      'PyTorch eager, float32': [8.0],
      'PyTorch eager, bfloat16': [3.0],
      'PyTorch compiled, bfloat16': [2.0],
      'ours, xla: none, float32': [4.0],
      'ours, xla: attention, float32': [5.0],
      'ours, xla: none, bfloat16': [2.5],
      'dense products alone, bfloat16': [1.6],
    }
  )

  assert lines == [
    '- float32, against PyTorch eager: 2.00 times as fast (goal 2.0)',
    '- bfloat16, against PyTorch eager or PyTorch compiled: 0.80 times as fast '
    '(goal 1.0); dense products alone: 1.25 times',
  ]


def test_growth_is_told_along_an_axis_alone(tmp_path):
  results = {
    point: {'median': median, 'least': 1.0, 'most': 2.0, 'peak': 3.0}
    for point, median in (('S64', 1.5), ('S128', 3.0), ('D128', 9.0))
  }

  growths = [row.split('|')[3].strip() for row in growth.rows(results.items())]
  growth.draw(results, str(tmp_path / 'growth.png'))

  assert growths[2:5] == ['', '2.00', '']
  assert (tmp_path / 'growth.png').read_bytes().startswith(b'\x89PNG')
  assert growth.points()[0] == 'S64'
  assert len(growth.points()) == 4 + 4 + 5


def test_lengths_are_those_of_the_captions(tmp_path):
  captions = tmp_path / 'captions.tsv'
  captions.write_text('a dog\thttp://a\n' + 'word ' * 90 + '\thttp://b\n')

  words, rois = step.lengths(str(captions), 100)

  # Two and ninety words, with [CLS] and [SEP], cut to the longest text.
  assert set(words) == {4, 64}
  assert 10 <= rois.min() <= rois.max() <= 100


@pytest.mark.parametrize('pixels', [True, False])
def test_random_records_are_records(tmp_path, pixels):
  folder = records.write_captions(
    str(tmp_path), images=2, rois=3, words=5, pixels=pixels, size=(30, 40)
  )

  split = example_schema.open_split(folder, 'train')
  assert (split.images, split.annotations, len(split.categories)) == (
    2,
    2,
    1600,
  )
  assert split.contents.image is pixels
  assert split.contents.appearance_size == (0 if pixels else 2048)
  manifest = json.loads((tmp_path / 'random/1.0.0/manifest.json').read_text())
  assert manifest['splits']['train']['shard_lengths'] == [2]
