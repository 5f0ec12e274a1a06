"""docs/tour.ipynb, cell by cell."""

import ast
import json
import pathlib

import numpy as np
import PIL.Image
import pytest

TOUR = pathlib.Path(__file__).parents[1] / 'docs' / 'tour.ipynb'


def _shown(source: str, names: dict) -> object:
  """Runs a cell, and returns what its last line shows."""
  *lines, last = ast.parse(source).body
  exec(compile(ast.Module(lines, []), str(TOUR), 'exec'), names)
  if isinstance(last, ast.Expr):
    return eval(compile(ast.Expression(last.value), str(TOUR), 'eval'), names)
  exec(compile(ast.Module([last], []), str(TOUR), 'exec'), names)
  return None


@pytest.mark.slow
def test_every_cell_of_the_tour_runs():
  cells = json.loads(TOUR.read_text(encoding='utf-8'))['cells']
  names = {}

  shown = [
    _shown(''.join(cell['source']), names)
    for cell in cells
    if cell['cell_type'] == 'code'
  ]

  assert sum(isinstance(one, PIL.Image.Image) for one in shown) == 2
  assert names['pieces'][names['place'].numpy()[0]] == '[MASK]'
  # Each word's attention over words, RoIs and the rest adds up to one.
  np.testing.assert_allclose(names['attention'].sum(-1), 1.0, atol=1e-5)
