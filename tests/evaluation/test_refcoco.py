"""The accuracy of boxes, and result files."""

import json

import numpy as np
import pytest

from vlbert_tf.evaluation import refcoco

BOXES = [[0.0, 0.0, 4.0, 4.0], [6.0, 0.0, 10.0, 4.0]]
TARGETS = {
  k: refcoco.Target(box=BOXES[k % 2], candidates=BOXES) for k in range(200)
}


def _written(tmp_path, regions):
  path = str(tmp_path / 'results.json')
  refcoco.write_results(path, regions)
  return path


def test_a_box_counts_where_more_than_half_overlaps(tmp_path):
  targets = dict.fromkeys(range(4), TARGETS[0])
  predicted = [
    [0.0, 0.0, 4.0, 4.0],  # 16 of 16
    [0.0, 0.0, 4.0, 2.1],
    [0.0, 0.0, 4.0, 2.0],  # 8 of 16: just too little
    [6.0, 0.0, 10.0, 4.0],
  ]

  found = refcoco.evaluate_results(
    _written(tmp_path, enumerate(predicted)), targets
  )

  assert found.as_dict() == {
    'accuracy': 50.0,
    'chance': 50.0,
    'expressions': 4,
  }


def test_one_that_knows_gets_all_and_one_that_guesses_gets_chance(tmp_path):
  knows = _written(tmp_path, [(k, t.box) for k, t in TARGETS.items()])
  assert refcoco.evaluate_results(knows, TARGETS).accuracy == 100.0

  rng = np.random.default_rng(3)
  guesses = [(k, BOXES[rng.integers(2)]) for k in TARGETS]
  guessed = refcoco.evaluate_results(_written(tmp_path, guesses), TARGETS)
  assert abs(guessed.accuracy - guessed.chance) < 15  # 4 σ of 200 coins


@pytest.mark.parametrize(
  ('rows', 'message'),
  [
    ([{'sent_id': 0, 'box': [0, 0, 1]}], 'must|list of'),
    ([{'sent_id': 0, 'box': [0, 0, 1, 'a']}], 'list of'),
    ([{'sent_id': 0, 'box': [0, 0, 1, 1]}] * 2, 'once'),
    ([{'sent_id': 0, 'box': [0, 0, 1, 1]}], '199 questions have no answer'),
  ],
)
def test_a_result_file_of_another_form_gets_a_sentence(tmp_path, rows, message):
  path = tmp_path / 'results.json'
  path.write_text(json.dumps(rows))

  with pytest.raises(ValueError, match=message):
    refcoco.evaluate_results(str(path), TARGETS)
