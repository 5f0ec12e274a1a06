"""Seconds by stage, of one piece of work in one thread."""

import collections
import time


class Stopwatch:
  """Counts the time since the last `start` for the stage named there."""

  def __init__(self):
    self._begin = self._last = self._line = time.monotonic()
    self._stage: str | None = None
    self._seconds: collections.Counter[str] = collections.Counter()

  def start(self, stage: str | None) -> None:
    """Ends the stage that runs and begins another; None begins none."""
    now = time.monotonic()
    if self._stage is not None:
      self._seconds[self._stage] += now - self._last
    self._stage, self._last = stage, now

  def seconds(self) -> dict[str, float]:
    """Seconds of each stage that has ended."""
    return {stage: round(s, 3) for stage, s in sorted(self._seconds.items())}

  def total(self) -> float:
    """Seconds since the watch was made."""
    return time.monotonic() - self._begin

  def every(self, seconds: float) -> bool:
    """Whether so much time has passed since this was last True."""
    now = time.monotonic()
    if now - self._line < seconds:
      return False
    self._line = now
    return True
