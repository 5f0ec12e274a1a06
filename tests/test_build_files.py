"""BUILD files against what the sources import."""

import pathlib
import subprocess
import sys

import pytest

from bazel import build_files, source_tree

_DRAWING = """
PACKAGES = ('library', 'server')
_FOR_PROGRAMS = ('shapes',)
ALLOWED = {
  'library.shapes': (),
  'library.words': (),
  'library.draw': _FOR_PROGRAMS,
  'server': ('shapes',),
}
ADDED = {('server', 'words'): 'a reason'}
"""
_FILES = {
  'pyproject.toml': """
[project]
optional-dependencies.bench = ["torch==2.13.0"]
scripts.lib-draw = "library.draw:cli"
scripts.lib-serve = "server.main:cli"
""",
  'requirements.lock': """\
numpy==2.1.3
pillow==12.0 ; sys_platform == 'linux'
pytest==9.0
""",
  'recipes/one.yaml': '',
  'recipes/more/two.yaml': '',
  'library/__init__.py': '',
  'library/draw.py': """
from library.shapes import square
STEPS = [Step('draw', 'lib-serve', ['--port=1'])]
TEXT = text.get('command', 'lib-draw')
""",
  'library/words/__init__.py': '',
  'library/words/pieces.py': '',
  'library/shapes/__init__.py': '',
  'library/shapes/square.py': """
import json
import pathlib
import numpy as np
RECIPES = pathlib.Path(__file__).parents[2] / 'recipes' / 'more'
def picture():
  from PIL import Image
""",
  'server/__init__.py': '',
  'server/main.py': """
from library import words
from library.words import pieces
COMMAND = ['python3', '-m', 'server.other', '--port=1']
""",
  'server/other.py': 'import torch\n',
  'tests/__init__.py': '',
  'tests/conftest.py': 'import numpy\n',
  'tests/test_imports.py': _DRAWING,
  'tests/shapes/test_square.py': """
import pytest
def test_square():
  pytest.importorskip('torch')
  run('-c', 'import sys, library.draw; from server import main')
""",
}


@pytest.fixture
def tree(tmp_path):
  for name, text in _FILES.items():
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
  return tmp_path


def _texts(root):
  return build_files.BuildFiles(root).texts()


def test_build_files_say_what_the_sources_import():
  differing = build_files.differences(build_files.ROOT)

  assert not differing, 'run make build-files'


def test_a_library_names_modules_packages_and_data_once_each(tree):
  assert _texts(tree)['library/shapes/BUILD.bazel'].endswith(
    """\
py_library(
    name = "square",
    srcs = ["square.py"],
    data = ["//:recipes/more"],
    deps = [
        ":__init__",
        "@pip//numpy",
        "@pip//pillow",
    ],
)

filegroup(
    name = "all_files",
    srcs = glob(
        ["**"],
        exclude = ["**/__pycache__/**"],
    ),
    visibility = ["//visibility:public"],
)
"""
  )


def test_started_modules_are_dependencies_and_optional_packages_are_not(tree):
  text = _texts(tree)['server/BUILD.bazel']

  main, other = text.split('name = "main"')[1].split('name = "other"')
  assert '":other"' in main
  assert '"//library/words:pieces"' in main
  assert '"//library/words:__init__"' in main
  assert 'torch' not in other


def test_a_test_depends_on_conftest_and_on_code_for_other_processes(tree):
  text = _texts(tree)['tests/shapes/BUILD.bazel']

  assert 'pytest_test(\n    name = "test_square"' in text
  assert '"//tests:conftest"' in text
  assert '"//library:draw"' in text
  assert '"//server:main"' in text


def test_a_folder_that_is_read_comes_with_the_folders_below(tree):
  (tree / 'tests/test_library.py').write_text(
    "import pathlib\nROOT = pathlib.Path(__file__).parents[1] / 'library'\n"
  )

  text = _texts(tree)['tests/BUILD.bazel']

  assert (
    """\
    data = [
        "//library:all_files",
        "//library/shapes:all_files",
        "//library/words:all_files",
    ],
"""
    in text
  )


def test_visibility_is_that_of_the_drawing(tree):
  texts = _texts(tree)

  assert (
    'package(default_visibility = [\n' in texts['library/words/BUILD.bazel']
  )
  assert '"//server:__subpackages__"' in texts['library/words/BUILD.bazel']
  assert '"//library:__pkg__"' not in texts['library/words/BUILD.bazel']
  assert '"//library:__pkg__"' in texts['library/shapes/BUILD.bazel']


def test_a_program_is_a_target_at_the_root_with_those_that_it_starts(tree):
  text = _texts(tree)['BUILD.bazel']

  assert 'name = "draw",\n    entry_point = "library.draw:cli",' in text
  assert (
    """\
    installed_name = "lib-draw",
    deps = [
        "//library:draw",
        "//server:main",
    ],
"""
    in text
  )
  assert 'installed_name = "lib-serve",\n    deps = ["//server:main"],' in text


def test_missing_superfluous_and_stray_lines_differ(tree):
  for name, text in _texts(tree).items():
    (tree / name).write_text(text)
  assert build_files.differences(tree) == []

  (tree / 'server/main.py').write_text('')
  assert build_files.differences(tree) == ['server/BUILD.bazel']
  (tree / 'server/main.py').write_text(_FILES['server/main.py'] + 'import PIL')
  assert build_files.differences(tree) == ['server/BUILD.bazel']
  (tree / 'server/main.py').write_text(_FILES['server/main.py'])
  (tree / 'server/empty').mkdir()
  (tree / 'server/empty/BUILD.bazel').write_text('')
  assert build_files.differences(tree) == ['server/empty/BUILD.bazel']


def test_an_import_that_no_package_of_the_lock_has_is_refused(tree):
  (tree / 'server/other.py').write_text('import pandas\n')

  with pytest.raises(ValueError, match='Received: pandas in server/other.py'):
    _texts(tree)


def test_an_init_that_imports_its_modules_makes_no_circle(tree):
  (tree / 'library/words/__init__.py').write_text(
    'from library.words.pieces import cut\n'
  )
  read = source_tree.Tree(tree)
  needed = {
    name: read.needed_modules(read.sources[name])
    for name in ('library.words', 'library.words.pieces', 'server.main')
  }

  assert needed['library.words'] == {'library', 'library.words.pieces'}
  assert needed['library.words.pieces'] == {'library'}
  assert 'library.words' in needed['server.main']


def test_the_check_runs_without_any_package():
  ran = subprocess.run(
    [sys.executable, '-S', '-m', 'bazel.build_files', '--check'],
    cwd=pathlib.Path(build_files.ROOT),
    capture_output=True,
    text=True,
  )

  assert (ran.returncode, ran.stderr) == (0, '')
