"""The API reference, on packages that are written here."""

import re
import sys

import pytest

from release import api_reference

_SHAPES = '''
"""Shapes; see `shapes.area` and `toy.shapes.Square.side`, in `shapes.json`."""

import dataclasses

from absl import flags

_SCALE = flags.DEFINE_float('toy_scale', 1.0, 'Declared twice in the package.')


@dataclasses.dataclass
class Square:
  """A square with `model.size` and `numpy.ndarray`."""

  side: float


def area(square):
  """Area of a square.

  Args:
    square: with sides `[B, 2]`.

  Returns:
    The area.
  """
'''
_WORDS = """
from absl import flags

_SCALE = flags.DEFINE_float('toy_scale', 2.0, 'Declared twice in the package.')
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
  """Folder of a package `toy` that can be imported until the test ends."""
  folder = tmp_path / 'sources' / 'toy'
  folder.mkdir(parents=True)
  (folder / '__init__.py').write_text('"""A package."""\n')
  (folder / 'shapes.py').write_text(_SHAPES)
  (folder / 'words.py').write_text(_WORDS)
  monkeypatch.syspath_prepend(folder.parent)
  yield folder
  for name in [n for n in sys.modules if n.split('.')[0] == 'toy']:
    del sys.modules[name]


def test_pages_show_docstrings_and_load_nothing_from_the_network(
  package, tmp_path
):
  api_reference.write(tmp_path / 'pages', ['toy'])

  pages = [p.read_text() for p in (tmp_path / 'pages').rglob('*.html')]
  assert len(pages) == 4  # The index, the package and its two modules.
  assert any('Area of a square.' in page for page in pages)
  for page in pages:
    assert not re.search(r'(src|@import|url\()\W*https?:', page)
    assert not re.search(r'<link[^>]*https?:', page)


def test_a_name_that_is_not_there_is_told_with_its_place(package):
  with open(package / 'words.py', 'a') as file:
    file.write('def count():\n  """As `shapes.aria` and `shapes.area` do."""\n')

  with pytest.raises(ValueError, match='must name what is there') as error:
    api_reference.write(package.parents[1] / 'pages', ['toy'])

  told = str(error.value).splitlines()[1:]
  assert told == ['toy.words.count speaks of shapes.aria, which is not there.']


def test_a_method_is_looked_at_as_well(package):
  with open(package / 'words.py', 'a') as file:
    file.write(
      'class Word:\n'
      '  @property\n'
      '  def length(self):\n'
      '    """Not `toy.shapes.Square.height`."""\n'
    )

  (told,) = api_reference.broken_references(api_reference.load(['toy']))

  assert told.startswith('toy.words.Word.length speaks of toy.shapes.Square.h')


def test_a_module_that_cannot_be_imported_is_named(package):
  (package / 'broken.py').write_text('import no_such_module_anywhere\n')

  with pytest.raises(ImportError, match='ModuleNotFoundError in toy.broken'):
    api_reference.write(package.parents[1] / 'pages', ['toy'])
