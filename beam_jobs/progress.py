"""How far a job is, whatever runs it: finished shards are files."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping

from absl import logging

from beam_jobs import storage

_SECONDS_BETWEEN_LINES = 30.0


@contextlib.contextmanager
def shown(
  images: Mapping[str, int], interval: float = _SECONDS_BETWEEN_LINES
) -> Iterator[None]:
  """Logs finished shards, images a second, and the time that is left.

  Args:
    images: of each shard, by the path of the file that appears when it is
      finished; all in one folder.
    interval: between two lines, seconds.

  Yields:
    Once, while the job runs.
  """
  ended = threading.Event()
  thread = threading.Thread(
    target=_watch, args=(images, interval, ended), daemon=True
  )
  thread.start()
  try:
    yield
  finally:
    ended.set()
    thread.join()


def _watch(
  images: Mapping[str, int], interval: float, ended: threading.Event
) -> None:
  folder = os.path.dirname(next(iter(images)))
  wanted = {os.path.basename(path): count for path, count in images.items()}
  total = sum(wanted.values())
  start = time.monotonic()
  while not ended.wait(interval):
    try:
      there = wanted.keys() & set(storage.names(folder))
    # A remote folder that does not answer must not end the job.
    except Exception as error:  # noqa: BLE001
      logging.warning('Progress is not known: %s', error)
      continue
    passed = time.monotonic() - start
    done = sum(wanted[name] for name in there)
    if done:
      left = f'about {passed * (total - done) / done:.0f} s left'
    else:
      left = 'the first ones run'
    logging.info(
      '%d of %d shards, %d of %d images after %.0f s; %.2f images/s; %s.',
      len(there),
      len(wanted),
      done,
      total,
      passed,
      done / passed,
      left,
    )
