"""Timing that is fair on a machine that does other things as well."""

import argparse
import datetime
import json
import math
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

# What a second is: of the clock on the wall, or of the processor. The latter
# is the fairer one where other programs take turns on it, with one thread.
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}
_FEWEST = 3  # rounds, for a median that one slow run cannot move


def interleaved(
  contenders: Mapping[str, Callable[[], object]],
  rounds: int,
  clock: str = 'wall',
  budget: float = math.inf,
) -> dict[str, list[float]]:
  """Times each contender once a round, in turn.

  Whatever slows the machine for a while then slows all of them.

  Args:
    contenders: work by name; it returns when it is done.
    rounds: how often each is timed at most, after one run that is not.
    clock: of `CLOCKS`.
    budget: seconds on the wall after which no further round begins, except
      for the first three.

  Returns:
    Seconds of each run, by name.
  """
  now = CLOCKS[clock]
  for work in contenders.values():
    work()
  seconds: dict[str, list[float]] = {name: [] for name in contenders}
  names = list(contenders)
  begin = time.perf_counter()
  for number in range(rounds):
    if number >= _FEWEST and time.perf_counter() - begin > budget:
      break
    # Who comes after whom changes as well.
    first = number % len(names)
    for name in names[first:] + names[:first]:
      start = now()
      contenders[name]()
      seconds[name].append(now() - start)
  return seconds


def in_a_process(
  module: str, point: str, args: argparse.Namespace
) -> dict[str, float]:
  """Measures a point in a process of its own, whose memory is its own as well.

  Args:
    module: of the benchmark. It takes `--child`, the point, and prints what it
      measured as JSON on its last line.
    point: what to measure.
    args: flags of the benchmark; the child gets `layers`, `seconds`, `clock`.

  Returns:
    What it measured. The benchmark ends where the child failed.
  """
  command = [
    sys.executable, '-m', module, f'--child={point}',
    f'--layers={args.layers}', f'--seconds={args.seconds}',
    f'--clock={args.clock}',
  ]  # fmt: skip
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  if done.returncode:
    sys.exit(f'{done.stderr[-2000:]}\nThe point {point} failed, see above.')
  return json.loads(done.stdout.splitlines()[-1])


def table(
  seconds: Mapping[str, list[float]], reference: str, digits: int = 3
) -> str:
  """Markdown: medians, spread, and how many times as fast as a reference."""
  base = statistics.median(seconds[reference])
  rows = ['| | median s | lowest-highest s | speed |', '|---|---|---|---|']
  for name, values in seconds.items():
    median = statistics.median(values)
    rows.append(
      f'| {name} | {median:.{digits}f} '
      f'| {min(values):.{digits}f}-{max(values):.{digits}f} '
      f'| {base / median:.2f} |'
    )
  return '\n'.join(rows)


def circumstances() -> str:
  """When and on what machine this runs, and how busy it is."""
  model = platform.processor() or platform.machine()
  if os.path.exists('/proc/cpuinfo'):
    with open('/proc/cpuinfo', encoding='utf-8') as file:
      names = [line for line in file if line.startswith('model name')]
    model = names[0].partition(':')[2].strip() if names else model
  load = ', '.join(f'{value:.1f}' for value in os.getloadavg())
  system = f'{platform.system()} {platform.release()}'
  today = datetime.datetime.now(datetime.UTC).strftime('%Y-%m-%d %H:%M UTC')
  return (
    f'{today}; {system}, {model}, {os.cpu_count()} cores; load of the last 1, '
    f'5 and 15 minutes {load}'
  )


def heading(module: str) -> str:
  """The command that runs, and `circumstances`, as Markdown."""
  command = shlex.join(['python', '-m', module, *sys.argv[1:]])
  return f'`{command}`; {circumstances()}\n'
