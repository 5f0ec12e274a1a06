"""Runs one test file under Bazel."""

import os
import pathlib
import sys

import pytest

_ROOT = pathlib.Path(os.path.abspath(__file__)).parents[1]


def main(arguments: list[str]) -> int:
  """Runs pytest.

  Args:
    arguments: the file from the root of the tree; more arguments of pytest,
      e.g. `-m slow`, which outdoes the one here.

  Returns:
    an exit code: 0 also where all tests of the file are slow.
  """
  # Programs that a test starts find what the test finds, and nothing else.
  os.environ['PYTHONPATH'] = os.pathsep.join([str(_ROOT), *sys.path])
  folder = os.environ.get('TEST_TMPDIR')
  options = ['-c', f'{_ROOT}/pyproject.toml', f'--rootdir={_ROOT}']
  options += ['-p', 'no:cacheprovider', '-m', 'not slow']
  if folder:
    os.environ.setdefault('HOME', folder)
    options.append(f'--basetemp={folder}/pytest')
  if report := os.environ.get('XML_OUTPUT_FILE'):
    options.append(f'--junitxml={report}')
  if pattern := os.environ.get('TESTBRIDGE_TEST_ONLY'):
    options += ['-k', pattern]
  code = pytest.main([*options, *arguments])
  if code == pytest.ExitCode.NO_TESTS_COLLECTED:
    code = pytest.ExitCode.OK
  if strangers := _strangers():
    print(
      'Error: a test must see only what its target declares. '
      f'Received: {", ".join(strangers)} from elsewhere. Run make build-files.',
      file=sys.stderr,
    )
    code = pytest.ExitCode.TESTS_FAILED
  return int(code)


def _strangers() -> list[str]:
  """Modules of ours that were loaded from outside the tree of this test.

  The environment may hold an installed copy, which would hide a dependency
  that is not declared.
  """
  ours = {path.name for path in _ROOT.iterdir() if path.is_dir()}
  return sorted(
    name
    for name, module in list(sys.modules.items())
    if name.split('.')[0] in ours
    and getattr(module, '__file__', None)
    and not pathlib.Path(os.path.abspath(module.__file__)).is_relative_to(_ROOT)
  )


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
