"""Steps of a walk-through: programs that run alone or side by side."""

import contextlib
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from absl import logging

_SECONDS_BETWEEN_LINES = 15.0
_SECONDS_BETWEEN_LOOKS = 0.2
_LINES_OF_A_FAILURE = 15
# A line of absl's logger: level and date, time, process, place, message.
_LOGGED = re.compile(r'[IWE]\d{4} \S+ +\d+ \S+\] (.*)')


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
  """One program with its flags.

  Attributes:
    name: what the step is called in the log.
    program: an installed program, e.g. `vlbert-train`.
    arguments: its flags and arguments.
    threads: cores that TensorFlow's operations may use; 0 is all.
  """

  name: str
  program: str
  arguments: Sequence[str]
  threads: int = 0


def command(name: str) -> str:
  """Path of a program that was installed with this package."""
  return str(pathlib.Path(sys.executable).parent / name)


class Walk:
  """Runs steps in a folder, each once, and keeps their output."""

  def __init__(self, folder: str):
    """Opens the folder.

    Args:
      folder: gets `logs/NAME.log` and `done/NAME` of each step; the latter
        holds the seconds that it took.
    """
    self.folder = pathlib.Path(folder)
    for part in ('logs', 'done'):
      (self.folder / part).mkdir(parents=True, exist_ok=True)
    self.seconds: dict[str, float] = {}

  def run(self, *steps: Step) -> None:
    """Runs steps side by side and waits for all of them.

    Args:
      *steps: those that were finished by an earlier walk are skipped.

    Raises:
      RuntimeError: a step ended with an error; the others are stopped.
    """
    with self.beside(*steps):
      pass

  @contextlib.contextmanager
  def beside(self, *steps: Step) -> Iterator[None]:
    """As `run`, beside what happens in the context."""
    running = {}
    for step in steps:
      if self._done(step).exists():
        logging.info('%s: done before, skipped.', step.name)
        self.seconds[step.name] = float(self._done(step).read_text() or 'nan')
      else:
        logging.info('%s …', step.name)
        running[step] = (self._start(step), time.monotonic())
    try:
      yield
      self._wait(dict(running))
    finally:
      for process, _ in running.values():
        if process.poll() is None:
          process.terminate()

  def _start(self, step: Step) -> subprocess.Popen:
    environment = dict(os.environ)
    if step.threads:
      environment['TF_NUM_INTRAOP_THREADS'] = str(step.threads)
      environment['OMP_NUM_THREADS'] = str(step.threads)
    with open(self._log(step), 'wb') as log:
      return subprocess.Popen(
        [command(step.program), *step.arguments],
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
      )

  def _wait(self, running: dict[Step, tuple]) -> None:
    last_line = time.monotonic()
    while running:
      time.sleep(_SECONDS_BETWEEN_LOOKS)
      for step, (process, start) in list(running.items()):
        if process.poll() is None:
          continue
        del running[step]
        if process.returncode:
          raise RuntimeError(self._failure(step, process.returncode))
        self.seconds[step.name] = time.monotonic() - start
        self._done(step).write_text(f'{self.seconds[step.name]:.1f}')
        logging.info('%s: %.0f s.', step.name, self.seconds[step.name])
      if time.monotonic() - last_line > _SECONDS_BETWEEN_LINES:
        last_line = time.monotonic()
        for step in running:
          logging.info('%s: %s', step.name, self._last_line(step))

  def _log(self, step: Step) -> pathlib.Path:
    return self.folder / 'logs' / f'{_file_name(step)}.log'

  def _done(self, step: Step) -> pathlib.Path:
    return self.folder / 'done' / _file_name(step)

  def _lines(self, step: Step) -> list[str]:
    text = self._log(step).read_text(encoding='utf-8', errors='replace')
    return [line for line in text.splitlines() if line.strip()]

  def _last_line(self, step: Step) -> str:
    logged = [_LOGGED.match(line) for line in self._lines(step)]
    messages = [match.group(1) for match in logged if match]
    return messages[-1] if messages else 'starting'

  def _failure(self, step: Step, code: int) -> str:
    lines = '\n'.join(self._lines(step)[-_LINES_OF_A_FAILURE:])
    logging.error('%s ended like this:\n%s', step.name, lines)
    return (
      f'Step "{step.name}" ended with code {code}. '
      f'All of its output is in {self._log(step)}.'
    )


def _file_name(step: Step) -> str:
  return step.name.replace(' ', '_')
