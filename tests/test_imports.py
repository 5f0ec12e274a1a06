"""The drawing of who may import whom, held against the code."""

import ast
import pathlib
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ('vlbert_tf', 'beam_jobs', 'serving')

# The parts of vlbert_tf that a program may use.
_FOR_PROGRAMS = (
  'boxes', 'checkpoints', 'data', 'elements', 'evaluation', 'model_flags',
  'program', 'recipes', 'study', 'tasks', 'text', 'training', 'visualization',
  'walkthrough',
)  # fmt: skip

# A part of the tree, and the parts of vlbert_tf that it may import besides
# itself: only what stands left of it in the flow.
ALLOWED = {
  'vlbert_tf.boxes': (),
  'vlbert_tf.elements': (),
  'vlbert_tf.model_flags': ('tasks',),
  'vlbert_tf.program': (),
  'vlbert_tf.recipes': (),
  'vlbert_tf.recomputation': (),
  'vlbert_tf.visualization': ('boxes',),
  'vlbert_tf.checkpoints': ('elements', 'modeling', 'vision'),
  'vlbert_tf.text': ('boxes', 'elements'),
  'vlbert_tf.vision': ('boxes', 'elements', 'recomputation'),
  'vlbert_tf.evaluation': ('boxes',),
  'vlbert_tf.data': ('boxes', 'elements', 'text'),
  'vlbert_tf.modeling': (
    'boxes', 'elements', 'recomputation', 'text', 'vision',
  ),
  'vlbert_tf.tasks': (
    'boxes', 'checkpoints', 'data', 'elements', 'evaluation', 'modeling',
    'text', 'vision', 'visualization',
  ),
  'vlbert_tf.training': (
    'boxes', 'checkpoints', 'data', 'elements', 'modeling', 'recipes', 'tasks',
    'text', 'vision',
  ),
  'vlbert_tf.walkthrough': ('data', 'evaluation', 'recipes', 'visualization'),
  'vlbert_tf.study': ('data', 'evaluation', 'recipes', 'walkthrough'),
  **{
    f'vlbert_tf.{program}': _FOR_PROGRAMS
    for program in (
      'convert', 'demo', 'evaluate', 'learn_vocabulary', 'make_scenes',
      'predict', 'publish', 'reproduce', 'train',
    )
  },
  'beam_jobs': ('boxes', 'data', 'elements', 'program', 'text', 'vision'),
  'serving': (
    'boxes', 'elements', 'modeling', 'program', 'tasks', 'text', 'vision',
  ),
}  # fmt: skip

# Arrows that the flow alone would not draw, and what each is for.
ADDED = {
  ('vlbert_tf.data', 'vision'): 'training decodes images as serving does',
  ('vlbert_tf.evaluation', 'text'): 'readers normalise answers by its rules',
  ('serving', 'data'): 'an export reads questions and boxes as training does',
}

OPTIONAL = ('apache_beam', 'grpc', 'tensorflow_datasets', 'tensorflow_serving')
# Not a word of what such a file holds.
VAGUE = {'util', 'utils', 'helper', 'helpers', 'common', 'misc'}


def _modules():
  for package in PACKAGES:
    for path in sorted((ROOT / package).rglob('*.py')):
      parts = path.relative_to(ROOT).with_suffix('').parts
      if parts[-1] == '__init__':
        parts = parts[:-1]
      yield '.'.join(parts), ast.parse(path.read_text(encoding='utf-8'))


MODULES = dict(_modules())


def _imported(node: ast.stmt):
  """Names of modules that one statement imports."""
  if isinstance(node, ast.Import):
    yield from (alias.name for alias in node.names)
  elif isinstance(node, ast.ImportFrom):
    for alias in node.names:
      name = f'{node.module}.{alias.name}'
      yield name if name in MODULES else node.module


def _imports(module: str) -> set[str]:
  """Names of modules that a module imports, wherever in it."""
  return {
    name for node in ast.walk(MODULES[module]) for name in _imported(node)
  }


def _imports_when_loaded(node: ast.AST):
  """Names of modules imported outside functions."""
  for child in ast.iter_child_nodes(node):
    if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
      yield from _imported(child)
      yield from _imports_when_loaded(child)


def _part(module: str) -> str | None:
  """The part of the drawing that a module belongs to."""
  parts = module.split('.')
  for length in (2, 1):
    name = '.'.join(parts[:length])
    if name in ALLOWED:
      return name
  return None


def _arrows():
  """Pairs of parts, the first of which imports the second."""
  for module in MODULES:
    for imported in _imports(module):
      if imported.split('.')[0] in PACKAGES and imported != 'vlbert_tf':
        yield _part(module), _part(imported)


@pytest.mark.parametrize('module', sorted(set(MODULES) - {'vlbert_tf'}))
def test_imports_follow_the_drawing(module):
  part = _part(module)
  assert part, f'{module} is no part of the drawing'
  names = [*ALLOWED[part], *(to for of, to in ADDED if of == part)]
  allowed = {part, *(f'vlbert_tf.{name}' for name in names)}

  for imported in _imports(module):
    if imported.split('.')[0] in PACKAGES and imported != 'vlbert_tf':
      assert _part(imported) in allowed, f'{module} imports {imported}'


def test_added_arrows_are_needed():
  needed = set(_arrows())

  assert not [
    (of, to) for of, to in ADDED if (of, f'vlbert_tf.{to}') not in needed
  ]


def test_modules_do_not_import_each_other_in_a_circle():
  graph = {
    module: _imports(module) & MODULES.keys() - {module} for module in MODULES
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


@pytest.mark.parametrize('module', [m for m in MODULES if 'vlbert_tf' in m])
def test_the_library_imports_no_optional_package_when_loaded(module):
  names = {name.split('.')[0] for name in _imports_when_loaded(MODULES[module])}

  assert not names & set(OPTIONAL)


def _programs():
  """Modules behind the installed programs."""
  with open(ROOT / 'pyproject.toml', 'rb') as file:
    scripts = tomllib.load(file)['project']['scripts']
  return dict(target.split(':') for target in scripts.values())


@pytest.mark.parametrize('module', sorted(_programs()))
def test_an_installed_program_is_there_and_starts_fast(module):
  functions = {
    node.name
    for node in MODULES[module].body
    if isinstance(node, ast.FunctionDef)
  }
  heavy = {'official', 'tensorflow', 'tensorflow_text', 'tf_keras'}
  # gRPC loads in a fifth of a second.
  heavy |= set(OPTIONAL) - {'grpc'}

  assert _programs()[module] in functions
  # Nor do our modules that it loads at once: --help is to answer in a second.
  loaded, waiting = set(), [module]
  while waiting:
    name = waiting.pop()
    if name in MODULES and name not in loaded:
      waiting += _imports_when_loaded(MODULES[name])
    loaded.add(name)
  assert not {name.split('.')[0] for name in loaded} & heavy


def test_only_programs_use_what_wraps_programs():
  users = {m for m in MODULES if 'vlbert_tf.program' in _imports(m)}

  assert users <= set(_programs())


def _python_files():
  for folder in (*PACKAGES, 'tests'):
    for path in sorted((ROOT / folder).rglob('*.py')):
      yield str(path.relative_to(ROOT))


@pytest.mark.parametrize('name', list(_python_files()))
def test_files_are_short_and_named_for_what_they_hold(name):
  path = ROOT / name

  assert len(path.read_text(encoding='utf-8').splitlines()) < 350
  assert not VAGUE & set(path.stem.split('_'))
