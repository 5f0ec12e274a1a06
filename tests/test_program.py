"""What all programs do: help, one line for an error, exit codes."""

import subprocess
import sys

import pytest

_PROGRAM = """
from absl import flags
from vlbert_tf import program
_PATH = flags.DEFINE_string('path', None, 'A file.')
def main(argv):
  program.require(path=_PATH.value)
  if _PATH.value == 'broken':
    raise ValueError('The rule.\\nReceived: broken.')
  if _PATH.value == 'built':
    raise ValueError('The rule.\\n  In call to configurable "Trainer"')
program.run(main, usage='Does a thing.')
"""


def _run(*arguments):
  return subprocess.run(
    [sys.executable, '-c', _PROGRAM, *arguments],
    capture_output=True,
    text=True,
    check=False,
  )


def test_help_shows_the_usage_and_ends_with_0():
  ended = _run('--help')

  assert ended.returncode == 0
  assert 'Does a thing.' in ended.stdout
  assert '--path' in ended.stdout


def test_a_finished_program_ends_with_0_and_says_nothing():
  ended = _run('--path=a')

  assert (ended.returncode, ended.stdout, ended.stderr) == (0, '', '')


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['--path=broken'], 'Error: The rule. Received: broken.'),
    (['--path=built'], 'Error: The rule.\n'),
    ([], 'Error: This program needs --path. Received: no flags.'),
  ],
)
def test_bad_input_ends_with_1_and_one_line(arguments, message):
  ended = _run(*arguments)

  assert ended.returncode == 1
  assert ended.stderr.startswith(message)
  assert ended.stderr.count('\n') == 1


def test_the_trace_is_shown_on_request():
  ended = _run('--path=broken', '--verbosity=1')

  assert ended.returncode != 0
  assert 'Traceback' in ended.stderr


def test_an_unknown_flag_is_no_help_request():
  ended = _run('--paht=a')

  assert ended.returncode == 1
  assert 'paht' in ended.stderr


@pytest.mark.parametrize('code', [0, 3])
def test_a_program_may_end_before_its_objects_are_taken_apart(code):
  # Output without a new line waits in a buffer.
  program = f"""
import atexit
import sys
from vlbert_tf import program
def main(argv):
  atexit.register(print, 'taken apart')
  print('done', end='')
  sys.exit({code})
program.run(main, usage='', leaves_at_once=True)
"""
  ended = subprocess.run(
    [sys.executable, '-c', program],
    capture_output=True,
    text=True,
    check=False,
  )

  assert (ended.returncode, ended.stdout, ended.stderr) == (code, 'done', '')
