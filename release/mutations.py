"""Breaks the code one line at a time, and tells which faults no test notices.

  python -m release.mutations                    # all of release/mutants.yaml
  python -m release.mutations boxes masking      # files whose path has a word

Works in a copy of the tree. TensorFlow is imported once, and each fault is
tried in a fork of that process, with the tests that its file names. Ends with 1
when a fault survives.
"""

import dataclasses
import os
import pathlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[1]
LIST = pathlib.Path(__file__).with_name('mutants.yaml')
_COPIED = ('beam_jobs', 'configs', 'serving', 'tests', 'vlbert_tf')
# A fault may make a loop endless; whoever waits for ever has noticed it.
_SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Mutant:
  """One fault.

  Attributes:
    path: of the file, from the root.
    before: text that occurs in it once.
    after: what stands there instead.
    tests: paths of the test files that have to fail.
  """

  path: str
  before: str
  after: str
  tests: tuple[str, ...]

  def applied(self, text: str) -> str:
    """The text of the file with the fault.

    Raises:
      ValueError: the place is not there, or not the only one.
    """
    if text.count(self.before) != 1:
      raise ValueError(
        'A fault must have one place in its file. '
        f'Received: {self.before!r}, {text.count(self.before)} times in '
        f'{self.path}. Correct {LIST.name}.'
      )
    return text.replace(self.before, self.after)


def mutants(words: Sequence[str] = ()) -> list[Mutant]:
  """The list, or the part of it whose paths have one of these words."""
  listed = yaml.safe_load(LIST.read_text(encoding='utf-8'))
  return [
    Mutant(path, before, after, tuple(entry['tests']))
    for path, entry in listed.items()
    for before, after in entry['faults']
    if not words or any(word in path for word in words)
  ]


def noticed(tree: pathlib.Path, tests: Sequence[str], seconds: int = 0) -> bool:
  """Whether tests fail in a tree, in a fork of this process.

  Args:
    tree: that is tested.
    tests: paths in it.
    seconds: after which they have failed; 0: never.

  Returns:
    Whether one fails.
  """
  child = os.fork()
  if not child:
    code = 1
    try:
      signal.alarm(seconds)
      code = _run_tests(tree, tests)
    finally:
      # Whatever happens, the work of the parent must not go on here too.
      os._exit(code)
  _, status = os.waitpid(child, 0)
  return status != 0


def _run_tests(tree: pathlib.Path, tests: Sequence[str]) -> int:
  """Exit code of pytest, with the modules of the tree and no others."""
  with open(tree / 'output.txt', 'w', encoding='utf-8') as output:
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
  os.chdir(tree)
  here = {'', str(ROOT)}
  sys.path[:] = [str(tree), *(path for path in sys.path if path not in here)]
  # Compiled code is told from its source by seconds, which are too coarse.
  sys.dont_write_bytecode = True
  return int(
    pytest.main(
      ['-x', '-q', '-m', 'not slow', '-p', 'no:cacheprovider', *tests]
    )
  )


def survivors(found: Sequence[Mutant]) -> list[Mutant]:
  """Tries faults one after the other, and prints what came of each.

  Args:
    found: the faults.

  Returns:
    Those that no test noticed.

  Raises:
    ValueError: tests fail without any fault.
  """
  survived = []
  with tempfile.TemporaryDirectory() as folder:
    tree = pathlib.Path(folder)
    for name in _COPIED:
      shutil.copytree(
        ROOT / name, tree / name, ignore=shutil.ignore_patterns('__pycache__')
      )
    shutil.copy(ROOT / 'pyproject.toml', tree)
    tests = dict.fromkeys(test for mutant in found for test in mutant.tests)
    if noticed(tree, list(tests)):
      raise ValueError(
        'Tests must pass before faults are tried. Received: '
        + (tree / 'output.txt').read_text(encoding='utf-8')[-2000:]
      )
    for mutant in found:
      place = tree / mutant.path
      text = place.read_text(encoding='utf-8')
      place.write_text(mutant.applied(text), encoding='utf-8')
      is_noticed = noticed(tree, mutant.tests, _SECONDS)
      place.write_text(text, encoding='utf-8')
      if not is_noticed:
        survived.append(mutant)
      verdict = 'noticed ' if is_noticed else 'SURVIVED'
      print(
        f'{verdict} {mutant.path}: {mutant.before} → {mutant.after}', flush=True
      )
  return survived


def main() -> None:
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  # What takes seconds to import, and is no part of the tree.
  import tensorflow_text  # noqa: F401

  found = mutants(sys.argv[1:])
  survived = survivors(found)
  print(f'{len(found) - len(survived)} of {len(found)} faults were noticed.')
  if survived:
    sys.exit('Error: each fault needs a test that fails with it.')


if __name__ == '__main__':
  main()
