"""How calls reach the model, and how many of them may wait.

A server takes a bounded number of calls and refuses the rest with UNAVAILABLE,
so that a flood of requests cannot fill the memory.
"""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping

import tensorflow as tf

from serving.server import metrics, model

Tensors = dict[str, tf.Tensor]


class Admission:
  """Lets so many calls in at a time."""

  def __init__(self, capacity: int) -> None:
    self._capacity = capacity
    self._free = threading.BoundedSemaphore(capacity)

  @contextlib.contextmanager
  def one(self) -> Iterator[None]:
    """Takes a place for as long as the context lasts.

    Raises:
      tf.errors.UnavailableError: all places are taken.
    """
    if not self._free.acquire(blocking=False):
      raise tf.errors.UnavailableError(
        None,
        None,
        f'The server works on as many requests as it may, {self._capacity}. '
        'Try again later.',
      )
    try:
      yield
    finally:
      self._free.release()


class DirectCalls:
  """Runs each call on its own.

  Attributes:
    capacity: calls that the server should take at a time.
  """

  def __init__(
    self,
    measures: metrics.ServerMetrics,
    *,
    concurrent: int = 8,
    waiting: int = 120,
  ) -> None:
    """Takes calls at once.

    Args:
      measures: that the runs are counted in.
      concurrent: calls that run at a time.
      waiting: calls that may wait for one of those to end.
    """
    self.capacity = concurrent + waiting
    self._measures = measures
    self._slots = threading.BoundedSemaphore(concurrent)

  def call(
    self,
    version: model.LoadedVersion,
    signature: str,
    inputs: Mapping[str, tf.Tensor],
    deadline: float | None = None,
  ) -> Tensors:
    """Runs a signature.

    Args:
      version: of a model.
      signature: one of the version's.
      inputs: exactly the inputs of the signature.
      deadline: time of `time.monotonic` after which nobody waits any more.

    Returns:
      All outputs by name.

    Raises:
      tf.errors.DeadlineExceededError: the deadline passed before the start.
      tf.errors.OpError: raised inside the graph.
    """
    with self._slots:
      check_deadline(deadline)
      return timed_call(self._measures, version, signature, inputs)

  def close(self) -> None:
    """Nothing runs in the background."""


def timed_call(
  measures: metrics.ServerMetrics,
  version: model.LoadedVersion,
  signature: str,
  inputs: Mapping[str, tf.Tensor],
) -> Tensors:
  """Runs a signature and measures how long it takes."""
  start = time.monotonic()
  try:
    return version.call(signature, inputs)
  finally:
    measures.runtime_latency.observe(
      1e6 * (time.monotonic() - start), version.name, 'Predict', 'TF2'
    )


def check_deadline(deadline: float | None) -> None:
  """Spares the model an answer that nobody waits for.

  Raises:
    tf.errors.DeadlineExceededError: the deadline has passed.
  """
  if deadline is not None and time.monotonic() > deadline:
    raise tf.errors.DeadlineExceededError(
      None, None, 'The deadline passed while the request waited for the model'
    )
