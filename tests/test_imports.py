"""The drawing of who may import whom, held against the code."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ('vlbert_tf', 'beam_jobs', 'serving')

PROGRAMS = (
  'vlbert_tf.demo',
  'vlbert_tf.evaluate',
  'vlbert_tf.learn_vocabulary',
  'vlbert_tf.make_scenes',
  'vlbert_tf.predict',
  'vlbert_tf.train',
)

PROGRAM_IMPORTS = (
  'data', 'evaluation', 'program', 'tasks', 'text', 'training',
  'visualization', 'walkthrough',
)  # fmt: skip

# A part of the tree, and the parts that it may import besides itself.
ALLOWED = {
  'vlbert_tf.boxes': (),
  'vlbert_tf.elements': (),
  'vlbert_tf.program': (),
  'vlbert_tf.visualization': (),
  'vlbert_tf.text': ('elements',),
  'vlbert_tf.vision': ('boxes', 'elements'),
  'vlbert_tf.evaluation': ('boxes', 'text'),
  'vlbert_tf.data': ('boxes', 'elements', 'text', 'vision'),
  'vlbert_tf.checkpoints': (),
  'vlbert_tf.modeling': ('boxes', 'elements', 'text', 'vision'),
  'vlbert_tf.tasks': (
    'boxes', 'checkpoints', 'data', 'elements', 'evaluation', 'modeling',
    'text', 'vision', 'visualization',
  ),
  'vlbert_tf.training': ('checkpoints', 'elements', 'tasks'),
  'vlbert_tf.walkthrough': ('evaluation',),
  **dict.fromkeys(PROGRAMS, PROGRAM_IMPORTS),
  'beam_jobs': ('boxes', 'data', 'program', 'text', 'vision'),
  'serving': (
    'checkpoints', 'data', 'elements', 'modeling', 'program', 'tasks', 'text',
    'vision',
  ),
}  # fmt: skip

OPTIONAL = ('apache_beam', 'grpc', 'tensorflow_datasets', 'tensorflow_serving')


def _modules():
  for package in PACKAGES:
    for path in sorted((ROOT / package).rglob('*.py')):
      parts = path.relative_to(ROOT).with_suffix('').parts
      if parts[-1] == '__init__':
        parts = parts[:-1]
      yield '.'.join(parts), path


MODULES = dict(_modules())


def _imports(tree: ast.AST):
  """Names of modules that a tree imports, ours resolved to modules."""
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      for alias in node.names:
        name = f'{node.module}.{alias.name}'
        yield name if name in MODULES else node.module


def _part(module: str) -> str | None:
  """The part of the drawing that a module belongs to."""
  parts = module.split('.')
  for length in (2, 1):
    name = '.'.join(parts[:length])
    if name in ALLOWED:
      return name
  return None


def _tree(path: pathlib.Path) -> ast.Module:
  return ast.parse(path.read_text(encoding='utf-8'))


@pytest.mark.parametrize('module', sorted(set(MODULES) - {'vlbert_tf'}))
def test_imports_follow_the_drawing(module):
  part = _part(module)
  assert part, f'{module} is no part of the drawing'
  allowed = {part, *(f'vlbert_tf.{name}' for name in ALLOWED[part])}

  for imported in _imports(_tree(MODULES[module])):
    if imported.split('.')[0] in PACKAGES and imported != 'vlbert_tf':
      assert _part(imported) in allowed, f'{module} imports {imported}'


def test_modules_do_not_import_each_other_in_a_circle():
  graph = {
    module: {name for name in _imports(_tree(path)) if name in MODULES}
    for module, path in MODULES.items()
  }
  done = set()

  def visit(module, trail):
    assert module not in trail, ' → '.join([*trail, module])
    if module not in done:
      for imported in graph[module]:
        visit(imported, [*trail, module])
      done.add(module)

  for module in graph:
    visit(module, [])


@pytest.mark.parametrize('module', sorted(m for m in MODULES if 'vlbert' in m))
def test_the_library_imports_without_its_extras(module):
  tree = _tree(MODULES[module])
  # Inside a function an optional dependency may be imported.
  top = [node for node in tree.body if isinstance(node, ast.stmt)]
  names = [name for node in top for name in _top_level_imports(node)]

  assert not [name for name in names if name.split('.')[0] in OPTIONAL]


def _top_level_imports(node: ast.stmt):
  if isinstance(node, (ast.Import, ast.ImportFrom)):
    yield from _imports(node)


def _python_files():
  for folder in (*PACKAGES, 'tests'):
    yield from sorted((ROOT / folder).rglob('*.py'))


@pytest.mark.parametrize('path', list(_python_files()), ids=str)
def test_files_are_short_and_say_what_they_hold(path):
  assert len(path.read_text(encoding='utf-8').splitlines()) <= 350
  vague = {'utils', 'util', 'helpers', 'helper', 'common', 'misc'}
  assert path.stem not in vague
