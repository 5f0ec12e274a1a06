"""Writes the API reference from the docstrings, as pages that need no network.

  python -m release.api_reference build/docs

Ends with 1 when a module cannot be imported, or a docstring names something
that is not there.
"""

import importlib
import inspect
import pathlib
import pkgutil
import re
import sys
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping

import pdoc
from absl import flags

PACKAGES = ('vlbert_tf', 'beam_jobs', 'serving')

_DOTTED = re.compile(r'`([a-z_]\w*(?:\.\w+)+)`')
# Files, and settings as YAML nests them, are dotted as well.
_FILE = re.compile(r'\.(html|json|jsonl|md|pb|png|py|txt|yaml)$')
_SETTINGS = ('model', 'task', 'trainer')


def load(packages: Iterable[str]) -> dict[str, types.ModuleType]:
  """Imports packages with all that is in them.

  Programs declare the same flags, which one process would refuse: the flags of
  a module are taken back as soon as it is imported.

  Args:
    packages: names of packages that can be imported.

  Returns:
    Modules by their dotted names.

  Raises:
    ImportError: a module cannot be imported.
  """
  modules = {}
  for package in packages:
    modules[package] = importlib.import_module(package)
    for found in pkgutil.walk_packages(
      modules[package].__path__, f'{package}.'
    ):
      known = set(flags.FLAGS)
      try:
        modules[found.name] = importlib.import_module(found.name)
      # A module may fail in any way, and should be named.
      except Exception as error:
        raise ImportError(
          'The API reference needs every module to be importable. '
          f'Received: {type(error).__name__} in {found.name}: {error}'
        ) from error
      for name in set(flags.FLAGS) - known:
        delattr(flags.FLAGS, name)
  return modules


def broken_references(modules: Mapping[str, types.ModuleType]) -> list[str]:
  """Names in docstrings that lead nowhere.

  Args:
    modules: by their dotted names.

  Returns:
    Sentences, for names like `boxes.area` that begin with a module of these
    and go on with what it does not have.
  """
  broken = []
  for place, text in _docstrings(modules):
    for reference in _DOTTED.findall(text):
      if _FILE.search(reference) or reference.split('.')[0] in _SETTINGS:
        continue
      if not _leads_somewhere(reference, modules):
        broken.append(f'{place} speaks of {reference}, which is not there.')
  return broken


def _docstrings(modules) -> Iterator[tuple[str, str]]:
  """Places with their docstrings: modules, classes, functions, methods."""
  for name, module in modules.items():
    yield name, module.__doc__ or ''
    for inside, value in _defined(module, name):
      yield f'{name}.{inside}', value.__doc__ or ''
      if inspect.isclass(value):
        for method, function in _defined(value, name):
          yield f'{name}.{inside}.{method}', function.__doc__ or ''


def _defined(holder, module: str):
  """Classes and functions that stand in a module, or in a class of it."""
  for name, value in vars(holder).items():
    function = getattr(value, 'fget', None) or getattr(value, '__func__', value)
    if (
      inspect.isclass(function) or inspect.isfunction(function)
    ) and function.__module__ == module:
      yield name, function


def _leads_somewhere(reference: str, modules) -> bool:
  """Whether a module has what is named, or no module is meant at all."""
  parts = reference.split('.')
  meant = False
  for length in range(len(parts), 0, -1):
    start, rest = '.'.join(parts[:length]), parts[length:]
    for name, module in modules.items():
      if f'.{name}'.endswith(f'.{start}'):
        meant = True
        if _has(module, rest):
          return True
  return not meant


def _has(holder, names: list[str]) -> bool:
  for name in names:
    fields = getattr(holder, '__dataclass_fields__', {})
    if hasattr(holder, name):
      holder = getattr(holder, name)
    elif name in fields:
      holder = fields[name]
    else:
      return False
  return True


def write(folder: pathlib.Path, packages: Iterable[str]) -> None:
  """Writes a page for each module, an index, and a search.

  Args:
    folder: is made where it is missing.
    packages: names of packages that can be imported.

  Raises:
    ImportError: a module cannot be imported.
    ValueError: a docstring names what is not there, or cannot be shown.
  """
  packages = tuple(packages)
  problems = broken_references(load(packages))
  pdoc.render.configure(docformat='google', show_source=True)
  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    pdoc.pdoc(*packages, output_directory=folder)
  problems += [
    str(warning.message)
    for warning in caught
    if issubclass(warning.category, (UserWarning, RuntimeWarning))
  ]
  if problems:
    raise ValueError(
      'Docstrings must name what is there. Received:\n' + '\n'.join(problems)
    )


def main() -> None:
  if len(sys.argv) != 2:
    sys.exit(__doc__)
  folder = pathlib.Path(sys.argv[1])
  try:
    write(folder, PACKAGES)
  except (ImportError, ValueError) as error:
    sys.exit(f'Error: {error}')
  print(folder / 'index.html')


if __name__ == '__main__':
  main()
