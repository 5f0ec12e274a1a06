"""How far a job is, whatever runs it: finished shards are files."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence

import tensorflow as tf
from absl import logging

_SECONDS_BETWEEN_LINES = 30.0


@contextlib.contextmanager
def shown(
  result_paths: Sequence[str], interval: float = _SECONDS_BETWEEN_LINES
) -> Iterator[None]:
  """Logs the share of finished shards and the time that is left.

  Args:
    result_paths: files that appear when shards are finished; in one folder.
    interval: between two lines, seconds.

  Yields:
    Once, while the job runs.
  """
  ended = threading.Event()
  thread = threading.Thread(
    target=_watch, args=(result_paths, interval, ended), daemon=True
  )
  thread.start()
  try:
    yield
  finally:
    ended.set()
    thread.join()


def _watch(
  result_paths: Sequence[str], interval: float, ended: threading.Event
) -> None:
  folder = os.path.dirname(result_paths[0])
  wanted = {os.path.basename(path) for path in result_paths}
  start = time.monotonic()
  while not ended.wait(interval):
    try:
      there = len(wanted.intersection(tf.io.gfile.listdir(folder)))
    except tf.errors.OpError as error:
      # A remote folder that does not answer must not end the job.
      logging.warning('Progress is not known: %s', error)
      continue
    passed = time.monotonic() - start
    left = passed * (len(wanted) - there) / there if there else None
    logging.info(
      '%d of %d shards after %.0f s; %s.',
      there,
      len(wanted),
      passed,
      f'about {left:.0f} s left' if left is not None else 'the first ones run',
    )
