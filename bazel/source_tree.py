"""What each Python file of this tree needs: modules, packages, data.

Everything is read from the syntax tree; nothing is imported. Imports count
wherever they stand, also inside functions.
"""

import ast
import dataclasses
import functools
import pathlib
import re
import sys
import tomllib

# Folders with modules that are not installed.
_NOT_INSTALLED = ('bazel', 'benchmarks', 'release', 'tests')
# Modules whose distribution is not called like them.
_DISTRIBUTIONS = {
  'PIL': 'pillow',
  'absl': 'absl-py',
  'google.protobuf': 'protobuf',
  'grpc': 'grpcio',
  'grpc_health': 'grpcio-health-checking',
  'official': 'tf-models-official',
  'orbit': 'tf-models-official',
  'tensorflow_serving': 'tensorflow-serving-api',
  'tree': 'dm-tree',
  'yaml': 'pyyaml',
}


@dataclasses.dataclass(frozen=True)
class Source:
  """One Python file.

  Attributes:
    module: its dotted name; a package's `__init__.py` has the package's.
    path: from the root of the tree, e.g. `vlbert_tf/boxes.py`.
    syntax: what it holds.
  """

  module: str
  path: pathlib.PurePosixPath
  syntax: ast.Module

  @property
  def folder(self) -> str:
    """Its folder from the root; empty for the root itself."""
    return '' if len(self.path.parts) == 1 else str(self.path.parent)

  @property
  def is_test(self) -> bool:
    return self.path.name.startswith('test_')

  @property
  def belongs_to_tests(self) -> bool:
    return self.path.parts[0] == 'tests'


class Tree:
  """The Python files below a folder, by the names of their modules."""

  def __init__(self, root: pathlib.Path):
    """Reads all files.

    Args:
      root: holds `pyproject.toml`, `requirements.lock` and the packages.
    """
    self.root = root
    with open(root / 'pyproject.toml', 'rb') as file:
      self._project = tomllib.load(file)['project']
    self.packages = (*self._drawing['PACKAGES'], *_NOT_INSTALLED)
    self.sources = {
      source.module: source
      for package in self.packages
      for source in _sources(root, package)
    }
    self.locked = {
      _normalized(line)
      for line in (root / 'requirements.lock').read_text().splitlines()
      if line[:1].isalnum()
    }
    extras = self._project.get('optional-dependencies', {}).values()
    self._optional = {_normalized(name) for extra in extras for name in extra}

  @functools.cached_property
  def _drawing(self) -> dict[str, object]:
    """The constants of the drawing of who may import whom, without pytest."""
    path = self.root / 'tests' / 'test_imports.py'
    constants = [
      node
      for node in ast.parse(path.read_text(encoding='utf-8')).body
      if isinstance(node, ast.Assign)
      and ast.unparse(node.targets[0])
      in ('PACKAGES', '_FOR_PROGRAMS', 'ALLOWED', 'ADDED')
    ]
    values: dict[str, object] = {}
    exec(compile(ast.Module(constants, []), path, 'exec'), values)  # noqa: S102
    return values

  def part(self, module: str) -> str | None:
    """The part of the drawing that a module belongs to, if any."""
    parts = module.split('.')
    names = ('.'.join(parts[:length]) for length in (2, 1))
    return next((n for n in names if n in self._drawing['ALLOWED']), None)

  def importers(self, part: str) -> set[str]:
    """Parts of the drawing that may import a part."""
    _, _, name = part.rpartition('.')
    allowed, added = self._drawing['ALLOWED'], self._drawing['ADDED']
    return {
      *(of for of, names in allowed.items() if name in names),
      *(of for of, to in added if to == name),
    }

  @property
  def programs(self) -> dict[str, str]:
    """`module:function` of each installed program."""
    return self._project['scripts']

  def started_programs(self, source: Source) -> set[str]:
    """Installed programs that a file starts: `Step(…, 'vlbert-train')`."""
    arguments = (
      argument
      for node in ast.walk(source.syntax)
      if isinstance(node, ast.Call)
      and ast.unparse(node.func) in ('Step', 'command')
      for argument in node.args
    )
    return _constants(arguments) & self.programs.keys()

  def needed_modules(self, source: Source) -> set[str]:
    """Modules of this tree that a file imports, or starts as programs.

    A test also needs each conftest.py of its folder and of those above.
    """
    names = {*self._imported(source), *self._started(source)}
    if source.belongs_to_tests:
      names |= self._named_in_texts(source)
    modules = {name for name in names if name in self.sources}
    own = _packages(source)
    for name in tuple(modules):
      foreign = (p for p in _packages(self.sources[name]) if p not in own)
      modules.update(p for p in foreign if self._imports_own_modules(p))
    if source.is_test:
      modules.update(f'{p}.conftest' for p in own)
    # Python runs the __init__.py of a package before its modules. Where that
    # file imports them, it stands with those that import from outside instead,
    # as Bazel allows no circles.
    plain = (p for p in own if not self._imports_own_modules(p))
    modules.update(next(([p] for p in plain if p in self.sources), []))
    return (modules & self.sources.keys()) - {source.module}

  def _imports_own_modules(self, package: str) -> bool:
    if package not in self.sources:
      return False
    imported = self._imported(self.sources[package])
    return any(name.startswith(f'{package}.') for name in imported)

  def needed_distributions(self, source: Source) -> set[str]:
    """Names in the lock file of the packages that a file imports.

    Raises:
      ValueError: neither the lock nor pyproject.toml knows an import.
    """
    found = set()
    for name in self._imported(source):
      top = name.split('.')[0]
      if top in self.packages or top in sys.stdlib_module_names:
        continue
      two = '.'.join(name.split('.')[:2])
      distribution = _normalized(
        _DISTRIBUTIONS.get(two) or _DISTRIBUTIONS.get(top) or top
      )
      if distribution in self.locked:
        found.add(distribution)
      elif distribution not in self._optional:
        raise ValueError(
          'An import must belong to a package of requirements.lock. '
          f'Received: {name} in {source.path}. Declare it in pyproject.toml, '
          'or name its distribution in bazel/source_tree.py.'
        )
    return found | (self._skipped_without(source) & self.locked)

  def needed_data(self, source: Source) -> set[str]:
    """Files and folders that a file finds from `__file__`, from the root.

    `.` stands for the whole tree.
    """
    known: dict[str, pathlib.PurePosixPath] = {}
    paths, inner = set(), set()
    # Outer expressions come before those that they are made of.
    for node in ast.walk(source.syntax):
      value = node.value if isinstance(node, ast.Assign) else node
      if not isinstance(node, (ast.Assign, ast.BinOp)) or value in inner:
        continue
      path = self._path(value, source, known)
      if not path:
        continue
      if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        known[node.targets[0].id] = path
      inner.update(ast.walk(value))
      if (self.root / path).exists():
        paths.add(path)
    return {str(p) for p in paths if not paths & set(p.parents)}

  def _path(self, node, source, known) -> pathlib.PurePosixPath | None:
    """The path that an expression stands for, where it can be told."""
    match node:
      case ast.Name(id=name):
        return known.get(name)
      case ast.Call(args=[ast.Name(id='__file__')]):
        return source.path
      case ast.Call(
        args=[ast.Attribute(value=ast.Name(id=n), attr='__file__')]
      ):
        ends = f'.{n}'
        named = (m for m in self._imported(source) if m.endswith(ends))
        module = next((m for m in named if m in self.sources), None)
        return self.sources[module].path if module else None
      case ast.BinOp(
        left=left, op=ast.Div(), right=ast.Constant(value=str(name))
      ):
        path = self._path(left, source, known)
        return path / name if path else None
      case ast.Attribute(value=value, attr='parent'):
        path = self._path(value, source, known)
        return path.parent if path else None
      case ast.Subscript(
        value=ast.Attribute(value=value, attr='parents'),
        slice=ast.Constant(value=int(level)),
      ):
        path = self._path(value, source, known)
        return path.parents[level] if path else None
    return None

  def _imported(self, source: Source) -> set[str]:
    """Names that the import statements of a file name."""
    names = set()
    for node in ast.walk(source.syntax):
      if isinstance(node, ast.Import):
        names.update(alias.name for alias in node.names)
      elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
          name = f'{node.module}.{alias.name}'
          names.add(name if name in self.sources else node.module)
    return names

  def _started(self, source: Source) -> set[str]:
    """Modules that stand behind `-m` in a command."""
    names = set()
    for node in ast.walk(source.syntax):
      if isinstance(node, (ast.List, ast.Tuple)):
        words = [getattr(word, 'value', None) for word in node.elts]
        names.update(
          module
          for flag, module in zip(words, words[1:], strict=False)
          if flag == '-m' and isinstance(module, str)
        )
    return names

  def _named_in_texts(self, source: Source) -> set[str]:
    """Modules that a test hands to another process, in code or by name."""
    names = set()
    for text in _constants(ast.walk(source.syntax)):
      names.add(text)
      for module, name in re.findall(
        r'\b(?:from|import) ([\w.]+)(?: import (\w+))?', text
      ):
        names |= {module, f'{module}.{name}'}
      for modules in re.findall(r'\bimport ([\w.]+(?:, *[\w.]+)+)', text):
        names.update(re.split(', *', modules))
    return names

  def _skipped_without(self, source: Source) -> set[str]:
    """Distributions without which a test skips itself."""
    return {
      _normalized(_DISTRIBUTIONS.get(top, top))
      for node in ast.walk(source.syntax)
      if isinstance(node, ast.Call)
      and ast.unparse(node.func) == 'pytest.importorskip'
      for top in [node.args[0].value.split('.')[0]]
    }


def _packages(source: Source) -> list[str]:
  """Packages around a file, the nearest first; not a package itself."""
  parts = source.path.parent.parts
  names = ['.'.join(parts[:length]) for length in range(len(parts), 0, -1)]
  return [name for name in names if name != source.module]


def _constants(nodes) -> set[str]:
  return {
    node.value
    for node in nodes
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
  }


def _sources(root: pathlib.Path, package: str):
  for path in sorted((root / package).rglob('*.py')):
    relative = pathlib.PurePosixPath(path.relative_to(root).as_posix())
    parts = relative.with_suffix('').parts
    if parts[-1] == '__init__':
      parts = parts[:-1]
    text = path.read_text(encoding='utf-8')
    yield Source('.'.join(parts), relative, ast.parse(text))


def _normalized(requirement: str) -> str:
  """`tensorflow-text==2.20.1` → `tensorflow_text`, as in Bazel's labels."""
  name = re.match(r'[\w.-]+', requirement).group()
  return re.sub(r'[-_.]+', '_', name).lower()
