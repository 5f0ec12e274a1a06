"""Writes the BUILD.bazel files from what the sources import.

  python -m bazel.build_files            # writes them
  python -m bazel.build_files --check    # names those that differ, ends with 1

One py_library a module, one test a test file, one program for each script of
pyproject.toml, with the visibility that tests/test_imports.py draws. It needs
no package but Python's own.
"""

import argparse
import pathlib
import re
import sys

from bazel import source_tree

ROOT = pathlib.Path(__file__).parents[1]
NAME = 'BUILD.bazel'
_HEADER = '# Written by `make build-files`; not to be edited.\n'
_LOAD_LIBRARY = 'load("@rules_python//python:defs.bzl", "py_library")\n'
_LOAD_PROGRAM = 'load("//bazel:rules.bzl", "program")\n'
_LOAD_TEST = 'load("//bazel:rules.bzl", "pytest_test")\n'
_GLOB_ALL = """glob(
        ["**"],
        exclude = ["**/__pycache__/**"],
    )"""
# What bazel/rules.bzl and WORKSPACE name, and what tests of the tree read.
_EXPORTED = {
  '': [
    'CHANGELOG.md', 'LICENSE', 'Makefile', 'README.md', 'pyproject.toml',
    'requirements.lock',
  ],
  'bazel': ['pytest_main.py'],
}  # fmt: skip
# It builds what pip installs, of files that are no links as Bazel's are.
_NOT_UNDER_BAZEL = pathlib.PurePosixPath('tests/test_distribution.py')
_EVERYONE = '//visibility:public'
# They use what they like and are used by nobody else.
_FREE = ('//benchmarks:__subpackages__', '//tests:__subpackages__')


class BuildFiles:
  """The texts of all BUILD files of a tree."""

  def __init__(self, root: pathlib.Path):
    """Reads the sources.

    Args:
      root: as in `source_tree.Tree`.
    """
    self._tree = source_tree.Tree(root)
    self._sources = self._tree.sources.values()
    self._folders = {'', *(source.folder for source in self._sources)}
    self._data = {s: self._tree.needed_data(s) for s in self._sources}
    self._modules = {s: self._tree.needed_modules(s) for s in self._sources}
    imported = set().union(*self._modules.values())
    self._imported_tests = {
      s for s in self._sources if s.is_test and s.module in imported
    }

  def texts(self) -> dict[str, str]:
    """The text of each file by its path from the root."""
    return {
      str(pathlib.PurePosixPath(folder, NAME)): self._text(folder)
      for folder in sorted(self._folders)
    }

  def _text(self, folder: str) -> str:
    sources = [s for s in self._sources if s.folder == folder]
    tests = [s for s in sources if s.is_test]
    libraries = [
      s for s in sources if not s.is_test or s in self._imported_tests
    ]
    shared = {frozenset(self._visibility(s)) for s in libraries}
    rules = [
      *(self._library(source, len(shared) > 1) for source in libraries),
      *(self._test(source) for source in tests),
      *(self._programs() if not folder else []),
      *self._data_rules(folder),
    ]
    head = [_HEADER]
    # Buildifier's order.
    if loads := [
      *([_LOAD_LIBRARY] if libraries else []),
      *([_LOAD_TEST] if tests else []),
      *([_LOAD_PROGRAM] if not folder else []),
    ]:
      head.append(''.join(loads))
    if len(shared) == 1:
      visibility = _list(sorted(shared.pop(), key=_order))
      head.append(f'package(default_visibility = {visibility})\n')
    return '\n'.join([*head, *rules])

  def _library(self, source: source_tree.Source, shown: bool) -> str:
    """The library of a module, with its visibility if that is to be shown."""
    return _rule(
      'py_library',
      name=_library_name(source),
      srcs=[source.path.name],
      data=self._data_labels(source),
      visibility=self._visibility(source) if shown else [],
      deps=self._deps(source),
    )

  def _test(self, source: source_tree.Source) -> str:
    return _rule(
      'pytest_test',
      name=source.path.stem,
      srcs=[source.path.name],
      data=self._data_labels(source),
      tags=['manual'] if source.path == _NOT_UNDER_BAZEL else [],
      deps=self._deps(source),
    )

  def _programs(self) -> list[str]:
    modules = {
      name: target.split(':')[0] for name, target in self._tree.programs.items()
    }
    rules = []
    for name, module in sorted(modules.items()):
      # A program that starts others by their names carries them along.
      started = {
        modules[other]
        for source in self._loaded_by(module)
        for other in self._tree.started_programs(source)
      }
      rules.append(
        _rule(
          'program',
          name=name.partition('-')[2].replace('-', '_'),
          entry_point=self._tree.programs[name],
          installed_name=name,
          deps=[self._label(m, '') for m in {module, *started}],
        )
      )
    return rules

  def _loaded_by(self, module: str) -> set[source_tree.Source]:
    """A module and all that it imports, directly or not."""
    loaded, waiting = set(), [self._tree.sources[module]]
    while waiting:
      source = waiting.pop()
      if source not in loaded:
        loaded.add(source)
        waiting += [self._tree.sources[m] for m in self._modules[source]]
    return loaded

  def _data_rules(self, folder: str) -> list[str]:
    """What this folder has for others: data, and all for checks of the tree."""
    owned = sorted(
      path
      for path in set().union(*self._data.values()) - self._folders - {'.'}
      if self._owner(path) == folder
    )
    rules, exported = [], list(_EXPORTED.get(folder, []))
    for path in owned:
      inside = str(pathlib.PurePosixPath(path).relative_to(folder or '.'))
      if (self._tree.root / path).is_dir():
        rules.append(
          _rule(
            'filegroup',
            name=inside,
            srcs=f'glob(["{inside}/**"])',
            visibility=[_EVERYONE],
          )
        )
      else:
        exported.append(inside)
    if exported:
      rules.append(f'exports_files({_list(sorted(exported))})\n')
    return [*rules, self._all_files(folder)]

  def _all_files(self, folder: str) -> str:
    if folder:
      srcs = _GLOB_ALL
    else:
      paths = set().union(*self._data.values(), self._folders) - {'.', ''}
      root = self._tree.root
      for page in (*root.glob('*.md'), *root.glob('docs/*')):
        paths.add(page.relative_to(root).as_posix())
      srcs = [NAME, *_EXPORTED['']]
      srcs += [self._data_label(p, '') for p in paths - {*srcs}]
    return _rule(
      'filegroup', name='all_files', srcs=srcs, visibility=[_EVERYONE]
    )

  def _deps(self, source: source_tree.Source) -> list[str]:
    return [
      *(self._label(m, source.folder) for m in self._modules[source]),
      *(f'@pip//{name}' for name in self._tree.needed_distributions(source)),
    ]

  def _label(self, module: str, folder: str) -> str:
    """The library of a module, as a BUILD file in a folder names it."""
    source = self._tree.sources[module]
    return _label(source.folder, _library_name(source), folder)

  def _owner(self, path: str) -> str:
    """The folder whose BUILD file speaks of a file or folder of data."""
    above = map(str, pathlib.PurePosixPath(path).parents)
    return next((f for f in above if f in self._folders), '')

  def _data_label(self, path: str, folder: str) -> str:
    if path == '.' or path in self._folders:
      return _label('' if path == '.' else path, 'all_files', folder)
    owner = self._owner(path)
    inside = pathlib.PurePosixPath(path).relative_to(owner or '.')
    return _label(owner, str(inside), folder)

  def _data_labels(self, source: source_tree.Source) -> list[str]:
    # A glob ends where another BUILD file begins.
    below = [
      folder
      for path in self._data[source] & self._folders
      for folder in self._folders
      if folder.startswith(f'{path}/')
    ]
    paths = {*self._data[source], *below}
    return [self._data_label(path, source.folder) for path in paths]

  def _visibility(self, source: source_tree.Source) -> list[str]:
    if source.path.parts[0] not in {
      name.split('.')[0] for name in self._tree.sources if self._tree.part(name)
    }:
      return list(_FREE)
    part = self._tree.part(source.module)
    if part is None:
      return [_EVERYONE]
    users = {
      *_FREE,
      *map(self._package, {part, *self._tree.importers(part)}),
    }
    targets = {t.split(':')[0] for t in self._tree.programs.values()}
    return [*users, '//:__pkg__'] if source.module in targets else [*users]

  def _package(self, part: str) -> str:
    """A part of the drawing, as Bazel names who may see a target."""
    folder = part.replace('.', '/')
    if folder in self._folders:
      return f'//{folder}:__subpackages__'
    return f'//{folder.rpartition("/")[0]}:__pkg__'


def _library_name(source: source_tree.Source) -> str:
  # A test has its plain name itself.
  return source.path.stem + ('_module' if source.is_test else '')


def _label(folder: str, name: str, seen_from: str) -> str:
  return f':{name}' if folder == seen_from else f'//{folder}:{name}'


def _rule(kind: str, **attributes: str | list[str]) -> str:
  """One rule in Buildifier's form; empty attributes are left out."""
  lines = [f'{kind}(\n']
  for name, value in attributes.items():
    if isinstance(value, list):
      value = _list(sorted(set(value), key=_order), indent=4 * ' ')
    elif not value.startswith('glob('):
      value = f'"{value}"'
    if value != '[]':
      lines.append(f'    {name} = {value},\n')
  return ''.join([*lines, ')\n'])


def _list(values: list[str], indent: str = '') -> str:
  if len(values) < 2:
    return '[' + ''.join(f'"{value}"' for value in values) + ']'
  items = ''.join(f'{indent}    "{value}",\n' for value in values)
  return f'[\n{items}{indent}]'


def _order(label: str):
  """Buildifier's order of labels: files, this folder, this tree, others."""
  kinds = (':', '//', '@')
  kind = next((i for i, k in enumerate(kinds, 1) if label.startswith(k)), 0)
  return kind, re.split('[:.]', label)


def differences(root: pathlib.Path) -> list[str]:
  """Paths of BUILD files that are not as the sources want them.

  Args:
    root: of the tree.

  Returns:
    paths from the root: missing, differing, or in a folder without modules.
  """
  wanted = BuildFiles(root).texts()
  found = {
    path.relative_to(root).as_posix(): path.read_text(encoding='utf-8')
    for top in ('.', *{name.split('/')[0] for name in wanted if '/' in name})
    for path in (root / top).glob(NAME if top == '.' else f'**/{NAME}')
  }
  return sorted(
    name
    for name in wanted.keys() | found.keys()
    if wanted.get(name) != found.get(name)
  )


def main() -> None:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--check', action='store_true', help='write nothing')
  checks = parser.parse_args().check
  differing = differences(ROOT)
  if checks and differing:
    sys.exit(
      'Error: BUILD files must say what the sources import. '
      f'Received: others in {", ".join(differing)}. Run make build-files.'
    )
  wanted = BuildFiles(ROOT).texts() if differing else {}
  for name in differing:
    if name in wanted:
      (ROOT / name).write_text(wanted[name], encoding='utf-8')
    else:
      (ROOT / name).unlink()


if __name__ == '__main__':
  main()
