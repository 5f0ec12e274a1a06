"""Accuracy of multiple choice, and the columns of a submission."""

import json
import pathlib

import numpy as np
import pytest

from vlbert_tf.evaluation import vcr


def _one_hot(k):
  return [0.7 if c == k else 0.1 for c in range(4)]


def _annotations(tmp_path, labels):
  path = tmp_path / 'val.jsonl'
  path.write_text(
    ''.join(
      json.dumps(
        {'annot_id': f'v-{n}', 'answer_label': a, 'rationale_label': r}
      )
      + '\n'
      for n, (a, r) in enumerate(labels)
    )
  )
  return str(path)


def _answers(tmp_path, picked):
  path = str(tmp_path / 'answers.csv')
  vcr.write_results(
    path, [(f'v-{n}', 'answer', _one_hot(k)) for n, k in enumerate(picked)]
  )
  return path


def _rationales(tmp_path, picked, others=None, name='rationales.csv'):
  """`picked[n][a]` is the rationale for answer a of question n."""
  path = str(tmp_path / name)
  vcr.write_results(
    path,
    [
      (f'v-{n}', f'rationale_conditioned_on_a{a}', _one_hot(k))
      for a in range(4)
      for n, row in enumerate(picked)
      for k in row[a : a + 1]
    ],
    others,
  )
  return path


def test_a_question_counts_as_a_whole_when_both_are_right(tmp_path):
  annotations = _annotations(tmp_path, [(0, 1), (2, 3), (1, 1), (3, 0)])
  answers = _answers(tmp_path, [0, 2, 0, 0])
  # Only the row of the right answer counts: a0 of the first, a2 of the second.
  rationales = _rationales(
    tmp_path,
    [[1, 0, 0, 0], [3, 3, 0, 3], [0, 1, 0, 0], [1, 1, 1, 1]],
  )

  both = vcr.evaluate_results([answers, rationales], annotations)

  assert both.as_dict() == {
    'Q->A': 50.0,
    'QA->R': 50.0,
    'Q->AR': 25.0,
    'questions': 4,
  }
  only = vcr.evaluate_results([answers], annotations)
  assert (only.answer, only.rationale, only.both) == (50.0, None, None)


def test_a_submission_has_all_columns_in_the_order_of_the_leaderboard(tmp_path):
  answers = _answers(tmp_path, [2])
  joined = _rationales(
    tmp_path, [[0, 1, 2, 3]], vcr.read_results(answers), 'submission.csv'
  )

  header, row = pathlib.Path(joined).read_text().splitlines()

  names = header.split(',')
  assert names[:5] == ['annot_id'] + [f'answer_{k}' for k in range(4)]
  assert names[5:] == [
    f'rationale_conditioned_on_a{a}_{k}' for a in range(4) for k in range(4)
  ]
  values = row.split(',')
  assert values[0] == 'v-0'
  assert [float(v) for v in values[1:5]] == _one_hot(2)
  assert [float(v) for v in values[13:17]] == _one_hot(2)


def test_one_that_knows_gets_all_and_one_that_guesses_gets_chance(tmp_path):
  rng = np.random.default_rng(5)
  labels = rng.integers(0, 4, [400, 2]).tolist()
  annotations = _annotations(tmp_path, labels)
  knows = [
    _answers(tmp_path, [a for a, _ in labels]),
    _rationales(tmp_path, [[r] * 4 for _, r in labels]),
  ]
  assert vcr.evaluate_results(knows, annotations).both == 100.0

  guesses = [
    _answers(tmp_path, rng.integers(0, 4, 400)),
    _rationales(tmp_path, rng.integers(0, 4, [400, 4]).tolist()),
  ]
  found = vcr.evaluate_results(guesses, annotations)
  assert abs(found.answer - 25) < 9  # 4 σ of 400 draws
  assert abs(found.rationale - 25) < 9
  assert abs(found.both - 6.25) < 5


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('annot_id,answer_0\nv-0,1\n', r'has the columns annot_id and answer_0'),
    ('annot_id,answer_0,answer_1,answer_2,answer_3\nv-0,1,x,0,0\n', 'numbers'),
    ('annot_id,answer_0,answer_1,answer_2,answer_3\nv-0,1,nan,0,0\n', 'finite'),
    (
      'annot_id,answer_0,answer_1,answer_2,answer_3\nv-9,1,0,0,0\n',
      '1 questions have no answer',
    ),
  ],
)
def test_a_result_file_of_another_form_gets_a_sentence(
  tmp_path, content, message
):
  path = tmp_path / 'results.csv'
  path.write_text(content)

  with pytest.raises(ValueError, match=message):
    vcr.evaluate_results([str(path)], _annotations(tmp_path, [(0, 0)]))


def test_files_without_labels_are_the_leaderboards(tmp_path):
  path = tmp_path / 'test.jsonl'
  path.write_text('{"annot_id": "test-0"}\n')

  with pytest.raises(ValueError, match='judged by the leaderboard'):
    vcr.evaluate_results([_answers(tmp_path, [0])], str(path))
