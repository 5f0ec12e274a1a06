"""Calibration, worked by hand."""

import pytest

from vlbert_tf.evaluation import calibration

# Two sure answers, half of them right, and an unsure one that is right.
CONFIDENCES = [0.9, 1.0, 0.2]
ACCURACIES = [1.0, 0.0, 1.0]


def test_answers_fall_into_bins_of_their_confidence():
  found = calibration.bins(CONFIDENCES, ACCURACIES, count=5)

  assert [one.count for one in found] == [0, 1, 0, 0, 2]
  assert (found[1].low, found[1].high) == (0.2, 0.4)
  # The highest confidence belongs to the last bin.
  assert found[4].confidence == pytest.approx(0.95)
  assert found[4].accuracy == pytest.approx(0.5)


def test_expected_error_weighs_bins_by_their_answers():
  found = calibration.bins(CONFIDENCES, ACCURACIES, count=5)

  # (2 · |0.5 - 0.95| + 1 · |1 - 0.2|) / 3
  assert calibration.expected_error(found) == pytest.approx(1.7 / 3)
  assert calibration.expected_error(calibration.bins([], [])) == 0.0
