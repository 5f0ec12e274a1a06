"""Whether a model is right as often as it says."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bin:
  """Answers of similar confidence.

  Attributes:
    low: confidence from here.
    high: to here, itself left out but in the last bin.
    count: answers.
    confidence: mean of theirs; 0 without answers.
    accuracy: mean of theirs; 0 without answers.
  """

  low: float
  high: float
  count: int
  confidence: float
  accuracy: float


def bins(
  confidences: Sequence[float], accuracies: Sequence[float], count: int = 10
) -> list[Bin]:
  """Sorts answers into bins of equal width.

  Args:
    confidences: in [0, 1].
    accuracies: of the same answers, in [0, 1].
    count: of bins.

  Returns:
    The bins, from low to high confidence.
  """
  members: list[list[tuple[float, float]]] = [[] for _ in range(count)]
  for pair in zip(confidences, accuracies, strict=True):
    members[min(int(pair[0] * count), count - 1)].append(pair)
  return [
    Bin(
      low=number / count,
      high=(number + 1) / count,
      count=len(pairs),
      confidence=_mean([confidence for confidence, _ in pairs]),
      accuracy=_mean([accuracy for _, accuracy in pairs]),
    )
    for number, pairs in enumerate(members)
  ]


def expected_error(filled: Sequence[Bin]) -> float:
  """Mean distance of confidence and accuracy, over answers.

  The expected calibration error of Naeini et al., 2015.
  """
  total = sum(one.count for one in filled)
  apart = sum(one.count * abs(one.accuracy - one.confidence) for one in filled)
  return apart / max(total, 1)


def _mean(values: Sequence[float]) -> float:
  return sum(values) / len(values) if values else 0.0
