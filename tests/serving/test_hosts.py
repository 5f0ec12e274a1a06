"""Where programs listen when nobody says otherwise."""

import ast
import pathlib

import pytest

SERVING = pathlib.Path(__file__).parents[2] / 'serving'


@pytest.mark.parametrize('program', ['serve.py', 'web/main.py'])
def test_a_server_is_reachable_from_this_machine_alone_by_default(program):
  tree = ast.parse((SERVING / program).read_text(encoding='utf-8'))
  defaults = {
    call.args[0].value: call.args[1].value
    for call in ast.walk(tree)
    if isinstance(call, ast.Call)
    and ast.unparse(call.func) == 'flags.DEFINE_string'
  }

  assert defaults['host'] == '127.0.0.1'
