"""Tables of results made by hand, against means worked by hand."""

import pytest

from vlbert_tf.study import tables


def _record(run, seed, **parts):
  return {'run': run, 'seed': seed, 'metrics': parts}


def _accuracies(run, values, **more):
  return [
    _record(run, seed, all={'accuracy': value, **more})
    for seed, value in enumerate(values)
  ]


def _row(page, label, table=0):
  """Cells of the n-th row with a label."""
  rows = [
    [cell.strip() for cell in line.strip('|').split('|')]
    for line in page.splitlines()
    if line.startswith('|')
  ]
  return [row[1:] for row in rows if row[0] == label][table]


# 60, 62, 64: mean 62, squares of deviations 4 + 0 + 4 over 2 are 4, root 2.
# 50, 51, 55: mean 52, 4 + 1 + 9 over 2 are 7, root 2.646.
# Differences 10, 11, 9: mean 10, 0 + 1 + 1 over 2 are 1.
_VQA = [
  *_accuracies('vqa', [60.0, 62.0, 64.0]),
  *_accuracies('vqa_alone', [50.0, 51.0, 55.0]),
]


def test_a_row_has_mean_and_sample_deviation_over_seeds():
  page = tables.page(_VQA)

  assert _row(page, 'VQA') == ['+10.0 ± 1.0', '+0.9', 'as in the paper']
  assert _row(page, 'with pre-training', 1) == ['62.0 ± 2.0']
  assert _row(page, 'without pre-training', 1) == ['52.0 ± 2.6']


def test_one_seed_has_no_deviation_and_says_so():
  page = tables.page([_VQA[0], _VQA[3]])

  assert _row(page, 'VQA') == ['+10.0', '+0.9', 'as in the paper (one seed)']
  assert _row(page, 'with pre-training', 1) == ['60.0']


@pytest.mark.parametrize(
  ('differences', 'words'),
  [
    ([], '–'),
    ([0.1], 'as in the paper (one seed)'),
    ([-0.1], '**contradicts the paper** (one seed)'),
    # Mean 1, deviation 1.
    ([0.0, 1.0, 2.0], 'undecided: within the deviation'),
    ([-0.1, -1.0, -2.0], '**contradicts the paper**'),
    ([1.0, 2.0, 3.0], 'as in the paper'),
  ],
)
def test_a_result_against_the_paper_is_called_that(differences, words):
  assert tables.verdict(differences) == words


def test_seeds_are_compared_with_themselves_and_missing_ones_with_none():
  page = tables.page([_VQA[1], _VQA[3], _VQA[4]])

  # Seed 0 has one run alone; of seed 1 both: 62 - 51.
  assert _row(page, 'VQA')[0] == '+11.0'


def test_grounding_gains_are_held_against_those_of_questions():
  records = [
    *_VQA,
    *_accuracies('refcoco_detected', [70.0, 80.0, 90.0], chance=20.0),
    *_accuracies('refcoco_detected_alone', [40.0, 50.0, 60.0]),
  ]

  page = tables.page(records)

  # 30 each, less 10, 11 and 9.
  assert _row(page, 'RefCOCO+, detected, more than VQA') == [
    '+20.0 ± 1.0', '+5.0', 'as in the paper',
  ]  # fmt: skip
  assert _row(page, 'RefCOCO+, annotated, more than VQA')[0] == '–'
  assert _row(page, 'a random annotated box', 1) == ['20.0 ± 0.0']


def test_what_is_left_out_is_compared_with_its_own_base():
  records = [
    *_accuracies('refcoco_detected', [70.0]),
    *_accuracies('refcoco_detected_no_geometry', [64.5]),
    *_accuracies('refcoco_detected_joint', [71.0]),
  ]

  page = tables.page(records)

  assert _row(page, 'geometry') == ['64.5', '–', '-5.5']
  assert _row(page, 'features; nothing left out') == ['70.0', '–', '–']
  assert _row(page, 'joint training: precomputed features') == [
    '70.0', '–', '-1.0',
  ]  # fmt: skip


def test_more_pre_training_is_held_against_none_with_the_same_seeds():
  page = tables.page([*_VQA, _record('vqa_longer', 1, all={'accuracy': 71.5})])

  # Seed 1 alone: 51 without, 62 with.
  assert _row(page, 'VQA', 1) == [
    '51.0', '62.0', '71.5', '+20.5', 'as in the paper (one seed)',
  ]  # fmt: skip
  assert _row(page, 'VCR QA→R', 1) == ['–', '–', '–', '–', '–']


def test_held_out_hidden_and_blind_rows_are_shown():
  records = [
    _record(
      'vqa',
      0,
      all={'accuracy': 50.0},
      held_out={'accuracy': 41.0},
      image_hidden={'accuracy': 22.0},
      blind={'accuracy': 17.0},
    )
  ]

  page = tables.page(records)

  # VCR's table stands before.
  assert _row(page, 'with pre-training, held out', 1) == ['41.0']
  assert _row(page, 'with pre-training, image hidden', 1) == ['22.0']
  blind = 'most frequent answer of each type of question'
  assert _row(page, blind) == ['17.0']


def test_a_leak_is_what_masked_rois_gain_from_pixels_that_stay():
  records = [
    _record(f'pretraining_{name}', 0, all={'masked_roi_accuracy': value})
    for name, value in (('pixels', 30.0), ('not_zeroed', 42.5))
  ]

  assert 'masked RoIs by +12.5:' in tables.page(records)


def test_without_results_every_cell_is_a_dash():
  page = tables.page([])

  assert _row(page, 'VCR Q→AR') == ['–', '+0.2', '–']
  assert _row(page, 'our model') == ['–']
