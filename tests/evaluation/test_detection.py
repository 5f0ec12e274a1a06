"""Mean average precision, worked by hand."""

import numpy as np

from vlbert_tf.evaluation.detection import ImageResult, mean_average_precision

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
