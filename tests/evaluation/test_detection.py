"""Mean average precision, worked by hand."""

import numpy as np

from vlbert_tf.evaluation.detection import (
  ImageResult,
  matches,
  mean_average_precision,
)

BOX, FAR = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]


def _result(boxes, categories, found, found_categories, scores):
  return ImageResult(
    np.reshape(boxes, [-1, 4]),
    np.array(categories, int),
    np.reshape(found, [-1, 4]),
    np.array(found_categories, int),
    np.array(scores, float),
  )


def test_perfect_detections_have_a_precision_of_one():
  result = _result([BOX, FAR], [1, 2], [FAR, BOX], [2, 1], [0.9, 0.8])

  metrics = mean_average_precision([result, result])

  assert metrics == {'mAP': 1.0, 'mAP50': 1.0, 'mAP75': 1.0, 'recall100': 1.0}


def test_a_loose_box_counts_up_to_its_overlap():
  # IoU 0.8: right at 0.5 to 0.8, seven of ten thresholds.
  result = _result([BOX], [1], [[0.0, 0.0, 10.0, 8.0]], [1], [0.9])

  metrics = mean_average_precision([result])

  np.testing.assert_allclose(
    [metrics['mAP'], metrics['mAP50'], metrics['mAP75']], [0.7, 1.0, 1.0]
  )


def test_a_wrong_detection_before_the_right_one_halves_the_precision():
  result = _result([BOX], [1], [FAR, BOX], [1, 1], [0.9, 0.5])

  np.testing.assert_allclose(mean_average_precision([result])['mAP50'], 0.5)


def test_the_wrong_category_is_no_detection_and_nothing_prints(capsys):
  result = _result([BOX], [1], [BOX], [2], [0.9])
  nothing = _result([BOX], [1], [], [], [])

  assert mean_average_precision([result])['mAP50'] == 0.0
  assert mean_average_precision([nothing])['mAP50'] == 0.0
  assert not capsys.readouterr().out


def test_the_surest_detection_takes_the_object_that_it_overlaps_most():
  near = [2.0, 0.0, 12.0, 10.0]  # IoU 2/3 with BOX
  result = _result(
    [BOX, near, FAR], [1, 1, 2], [near, BOX, BOX, FAR], [1, 1, 1, 1],
    [0.5, 0.6, 0.9, 0.9],
  )  # fmt: skip

  # The third takes BOX, the second what is left of its category, and the first
  # comes too late; the last is of another category.
  assert matches(result).tolist() == [-1, 1, 0, -1]
  assert matches(result, min_iou=0.7).tolist() == [1, -1, 0, -1]
  assert matches(_result([], [], [BOX], [1], [0.9])).tolist() == [-1]
  assert matches(_result([BOX], [1], [], [], [])).tolist() == []


def test_matches_are_those_of_cocos_program():
  rng = np.random.default_rng(5)
  corner = rng.uniform(0, 12, [2, 40, 2])
  boxes = np.concatenate([corner, corner + rng.uniform(5, 12, [2, 40, 2])], -1)
  result = _result(
    boxes[0], rng.integers(1, 3, 40), boxes[1], rng.integers(1, 3, 40),
    rng.permutation(40) / 40,
  )  # fmt: skip

  right = (matches(result) >= 0)[np.argsort(-result.scores)]

  # Precision of each category at 101 recalls, from right and wrong in order.
  expected = []
  categories = result.found_categories[np.argsort(-result.scores)]
  for category in (1, 2):
    hits = np.cumsum(right[categories == category])
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / (result.categories == category).sum()
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, np.linspace(0, 1, 101))
    expected.append(np.mean(np.append(best, 0.0)[places]))
  assert 0.1 < np.mean(expected) < 0.9
  np.testing.assert_allclose(
    mean_average_precision([result])['mAP50'], np.mean(expected), atol=1e-6
  )
