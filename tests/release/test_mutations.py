"""The list of faults, against the files that it speaks of."""

import ast
import pathlib

import pytest

from release import mutations

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize('mutant', mutations.mutants(), ids=lambda m: m.after)
def test_a_fault_has_one_place_and_leaves_a_program(mutant):
  text = (ROOT / mutant.path).read_text(encoding='utf-8')

  broken = mutant.applied(text)

  assert ast.dump(ast.parse(broken)) != ast.dump(ast.parse(text))
  assert all((ROOT / test).is_file() for test in mutant.tests)


def test_a_place_that_is_not_the_only_one_is_told():
  mutant = mutations.Mutant('a.py', 'x + y', 'x - y', ())

  with pytest.raises(ValueError, match="'x \\+ y', 2 times in a.py"):
    mutant.applied('x + y\nx + y\n')


def test_a_fault_that_a_test_notices_is_told_from_one_that_none_does(
  tmp_path, monkeypatch
):
  (tmp_path / 'sums.py').write_text('def add(x, y):\n  return x + y\n')
  (tmp_path / 'test_sums.py').write_text(
    'import sums\n\n\ndef test_add():\n  assert sums.add(2, 0) == 2\n'
  )
  monkeypatch.setattr(mutations, 'ROOT', tmp_path)
  monkeypatch.setattr(mutations, '_COPIED', ())
  (tmp_path / 'pyproject.toml').touch()

  assert not mutations.noticed(tmp_path, ['test_sums.py'])
  (tmp_path / 'sums.py').write_text('def add(x, y):\n  return x * y\n')
  assert mutations.noticed(tmp_path, ['test_sums.py'])
  (tmp_path / 'sums.py').write_text('def add(x, y):\n  return x - y\n')
  assert not mutations.noticed(tmp_path, ['test_sums.py'])
