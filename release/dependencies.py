"""Lists the packages that a program of ours runs with, and their licenses.

  python -m release.dependencies            # writes docs/dependencies.md
  python -m release.dependencies --print    # prints it instead

Versions are those of requirements.lock on Linux, x86-64, Python 3.11; licenses
are what the installed packages say of themselves.
"""

import importlib.metadata
import pathlib
import sys
import tomllib
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).parents[1]
PAGE = pathlib.Path('docs', 'dependencies.md')

# The machine that the list is about, wherever it is written.
_MACHINE = {
  'implementation_name': 'cpython',
  'os_name': 'posix',
  'platform_machine': 'x86_64',
  'platform_python_implementation': 'CPython',
  'platform_system': 'Linux',
  'python_full_version': '3.11.9',
  'python_version': '3.11',
  'sys_platform': 'linux',
}
# Their metadata name no license; it stands in a file of theirs.
_READ_BY_HAND = {'namex': 'Apache-2.0', 'simple-parsing': 'MIT'}
_LONGEST = 60

_HEAD = """\
# Packages, versions, licenses

Written by `make dependencies` from `requirements.lock` and from what the
installed packages say of themselves; the versions are those for Linux on
x86-64 with Python 3.11. vlbert_tf itself is under Apache-2.0, and ships none
of these packages: an installation fetches them.
"""
_OPTIONAL = """
The extra `bench` (peers of the benchmarks) is not in the lock: {names}.
"""


def locked(text: str) -> dict[str, str]:
  """Versions of the packages that a lock file wants on the machine above.

  Args:
    text: lines such as `numpy==2.1.3 ; python_version >= '3.11'`.

  Returns:
    Versions by normalized name.
  """
  requirements = map(Requirement, filter(None, text.splitlines()))
  return {
    canonicalize_name(r.name): str(r.specifier).removeprefix('==')
    for r in requirements
    if r.marker is None or r.marker.evaluate(_MACHINE)
  }


def license_of(name: str) -> str:
  """The license that an installed package states.

  Args:
    name: of the package.

  Returns:
    Its SPDX expression where there is one, else the names of its classifiers,
    else its one-line license field.

  Raises:
    ValueError: it states none.
  """
  metadata = importlib.metadata.metadata(name)
  field = (metadata['License'] or '').strip()
  classifiers = sorted(
    {
      text.rpartition(' :: ')[2]
      for text in metadata.get_all('Classifier') or ()
      if text.startswith('License :: ') and text.count(' :: ') > 1
    }
  )
  if '\n' in field or len(field) > _LONGEST or field.upper() == 'UNKNOWN':
    field = ''
  stated = (
    metadata['License-Expression']
    or ', '.join(classifiers)
    or field
    or _READ_BY_HAND.get(canonicalize_name(name), '')
  )
  if not stated:
    raise ValueError(
      'The list needs the license of every package. '
      f'Received: {name}, whose metadata state none. Read its license file, '
      'and write what it says into release/dependencies.py.'
    )
  return stated


def page(root: pathlib.Path) -> str:
  """The list as Markdown.

  Args:
    root: holds pyproject.toml and requirements.lock.

  Raises:
    ValueError: the environment has other versions than the lock, or a package
      states no license.
  """
  with open(root / 'pyproject.toml', 'rb') as file:
    project = tomllib.load(file)['project']
  versions = locked((root / 'requirements.lock').read_text(encoding='utf-8'))
  extras = project['optional-dependencies']
  run, develop = _names(project['dependencies']), _names(extras['dev'])
  rest = versions.keys() - run - develop
  parts = [
    _HEAD,
    f'\n## What vlbert_tf asks for: {len(run)}\n\n{_table(run, versions)}',
    f'\n## What its development asks for: {len(develop)}\n\n'
    f'{_table(develop, versions)}',
    _OPTIONAL.format(names=', '.join(f'`{name}`' for name in extras['bench'])),
    f'\n## What those ask for: {len(rest)}\n\n{_table(rest, versions)}',
  ]
  return ''.join(parts)


def _names(requirements: Iterable[str]) -> set[str]:
  return {canonicalize_name(Requirement(text).name) for text in requirements}


def _table(names: Iterable[str], versions: dict[str, str]) -> str:
  lines = ['| package | version | license |', '|---|---|---|']
  for name in sorted(names):
    installed = importlib.metadata.version(name)
    if installed != versions[name]:
      raise ValueError(
        'The environment must have the versions of requirements.lock. '
        f'Received: {name} {installed}, not {versions[name]}. '
        'Run make install.'
      )
    lines.append(f'| {name} | {versions[name]} | {license_of(name)} |')
  return '\n'.join(lines) + '\n'


def main() -> None:
  if sys.argv[1:] not in ([], ['--print']):
    sys.exit(__doc__)
  try:
    text = page(ROOT)
  except (ValueError, importlib.metadata.PackageNotFoundError) as error:
    sys.exit(f'Error: {error}')
  if sys.argv[1:]:
    print(text)
  else:
    (ROOT / PAGE).write_text(text, encoding='utf-8')


if __name__ == '__main__':
  main()
