"""What is installed: the wheel and the source distribution."""

import ast
import configparser
import email
import pathlib
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile

import pytest

import vlbert_tf

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ('beam_jobs', 'serving', 'vlbert_tf')


@pytest.fixture(scope='module')
def built(tmp_path_factory):
  """A folder with both distributions, built from this tree."""
  folder = tmp_path_factory.mktemp('dist')
  subprocess.run(
    [sys.executable, '-m', 'hatchling', 'build', '--directory', folder],
    cwd=ROOT,
    check=True,
    capture_output=True,
  )
  return folder


@pytest.fixture(scope='module')
def wheel(built):
  with zipfile.ZipFile(next(built.glob('*.whl'))) as archive:
    yield archive


@pytest.fixture(scope='module')
def source_names(built):
  """Paths in the source distribution, below its one folder."""
  with tarfile.open(next(built.glob('*.tar.gz'))) as archive:
    names = [member.name for member in archive.getmembers()]
  assert {name.split('/')[0] for name in names} == {
    f'vlbert_tf-{vlbert_tf.__version__}'
  }
  return {name.partition('/')[2] for name in names}


def _files(folder: str) -> dict[str, bytes]:
  """What a folder of this tree holds, by the path from the root."""
  return {
    path.relative_to(ROOT).as_posix(): path.read_bytes()
    for path in (ROOT / folder).rglob('*')
    if path.is_file() and '__pycache__' not in path.parts
  }


def _metadata(wheel, name: str) -> str:
  folder = f'vlbert_tf-{vlbert_tf.__version__}.dist-info'
  return wheel.read(f'{folder}/{name}').decode()


def test_the_wheel_holds_every_module_recipe_and_page_and_nothing_else(wheel):
  expected = {
    name: content
    for package in PACKAGES
    for name, content in _files(package).items()
    if not name.endswith('BUILD.bazel')
  }
  recipes = _files('configs').items()
  expected |= {f'vlbert_tf/{name}': content for name, content in recipes}
  assert 'vlbert_tf/configs/detection/scenes/ckpt-1.index' in expected
  assert 'serving/web/static/index.html' in expected

  found = {
    name: wheel.read(name)
    for name in wheel.namelist()
    if '.dist-info/' not in name
  }

  assert found.keys() == expected.keys()
  assert found == expected


def test_the_wheel_carries_the_license_and_the_version(wheel):
  about = email.message_from_string(_metadata(wheel, 'METADATA'))

  assert about['License-Expression'] == 'Apache-2.0'
  assert about['Version'] == vlbert_tf.__version__
  assert _metadata(wheel, 'licenses/LICENSE') == (ROOT / 'LICENSE').read_text()


def test_the_newest_heading_of_the_changelog_is_this_version():
  text = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
  headings = [h for h in text.split('\n## ')[1:] if h[:10] != 'Unreleased']

  assert headings[0].partition(' ')[0] == vlbert_tf.__version__


def test_every_program_of_the_wheel_starts_a_function_that_is_in_it(wheel):
  entries = configparser.ConfigParser(delimiters='=')
  entries.read_string(_metadata(wheel, 'entry_points.txt'))
  programs = dict(entries['console_scripts'])
  project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
  assert programs == project['scripts']

  for program, target in programs.items():
    module, _, function = target.partition(':')
    syntax = ast.parse(wheel.read(f'{module.replace(".", "/")}.py'))
    functions = [n.name for n in syntax.body if isinstance(n, ast.FunctionDef)]
    assert function in functions, program


def test_the_source_distribution_has_all_that_tests_and_readers_need(
  source_names,
):
  needed = {
    'CHANGELOG.md', 'LICENSE', 'Makefile', 'PKG-INFO', 'README.md',
    'pyproject.toml', 'requirements.lock',
  }  # fmt: skip
  for folder in (*PACKAGES, 'configs', 'docs', 'tests'):
    needed |= _files(folder).keys()

  assert not needed - source_names
  assert not [n for n in source_names if n.startswith(('.venv', 'build/'))]


def test_what_is_built_from_the_source_distribution_is_the_same(
  built, wheel, source_names, tmp_path
):
  with tarfile.open(next(built.glob('*.tar.gz'))) as archive:
    archive.extractall(tmp_path, filter='data')
  tree = tmp_path / f'vlbert_tf-{vlbert_tf.__version__}'
  # As Bazel leaves them.
  (tree / 'build' / 'bazel-tree').mkdir(parents=True)
  (tree / 'build' / 'bazel-tree' / 'configs').symlink_to(tree / 'configs')
  subprocess.run(
    [sys.executable, '-m', 'hatchling', 'build'],
    cwd=tree,
    check=True,
    capture_output=True,
  )

  with zipfile.ZipFile(next(tree.glob('dist/*.whl'))) as again:
    sums = {info.filename: info.CRC for info in again.infolist()}
  assert sums == {info.filename: info.CRC for info in wheel.infolist()}
  with tarfile.open(next(tree.glob('dist/*.tar.gz'))) as archive:
    names = {name.partition('/')[2] for name in archive.getnames()}
  assert names == source_names


_FINDS = """
import pathlib, serving.web, vlbert_tf
from vlbert_tf import recipes
print(vlbert_tf.__file__)
print(recipes.find('configs/vqa/tiny.yaml'))
print(*recipes.DETECTOR.glob('ckpt-1.index'))
print(*pathlib.Path(serving.web.__file__).parent.glob('static/index.html'))
"""


def test_the_installed_wheel_starts_every_program_and_finds_its_files(
  built, tmp_path
):
  place = tmp_path / 'installed'
  venv.create(place, with_pip=True)
  python = place / 'bin' / 'python'
  subprocess.run(
    [
      *(python, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index'),
      next(built.glob('*.whl')),
    ],
    cwd=tmp_path,
    check=True,
  )
  packages = next(place.glob('lib/*/site-packages'))
  # A path of a .pth file gives its packages, but not the editable installation
  # that a .pth file in there points to.
  dependencies = sysconfig.get_path('purelib')
  (packages / 'dependencies.pth').write_text(dependencies + '\n')

  found = _output([python, '-c', _FINDS], tmp_path).splitlines()
  assert len(found) == 4
  for line in found:
    assert line.startswith(str(packages)), line

  project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
  for program in project['scripts']:
    usage = _output([place / 'bin' / program, '--help'], tmp_path)
    assert program in usage


def _output(command, folder) -> str:
  done = subprocess.run(
    command, cwd=folder, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
  return done.stdout
