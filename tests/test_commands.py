"""Commands of the pages: programs know their flags, make their targets."""

import json
import pathlib
import re
import shlex
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = (
  *sorted(ROOT.glob('docs/*.md')),
  *(ROOT / name for name in ('README.md', 'CONTRIBUTING.md')),
  *sorted(ROOT.glob('configs/*/*.yaml')),
)
MODULES = {
  name: target.partition(':')[0]
  for name, target in tomllib.loads((ROOT / 'pyproject.toml').read_text())[
    'project'
  ]['scripts'].items()
}
# In code, where a backslash joins lines, or within a sentence.
_COMMAND = re.compile(r'\b(vlbert-[a-z-]+) ((?:[^\\\n`]|\\\n)*)')
_TARGET = re.compile(r'(?:`|^ {4}|^)make ([a-z-]+)', re.MULTILINE)

# Parses as the program does, each command in a fork whose flags are untouched,
# and says what is wrong.
_CHECK = """
import importlib, json, os, sys
from absl import flags

module, commands = sys.argv[1], json.load(sys.stdin)
importlib.import_module(module)
is_job = module in ('beam_jobs.build_examples', 'beam_jobs.extract_rois')
if is_job:
  from beam_jobs import job_flags, runners
if module == 'vlbert_tf.train':
  from vlbert_tf.training import experiments

def parse(arguments):
  if is_job:
    arguments, of_beam = job_flags.split_flags(arguments)
    runners.options(of_beam, images=1, detects=False)
  flags.FLAGS([module, *arguments])
  if module == 'vlbert_tf.train' and flags.FLAGS.experiment:
    experiments.load_experiment(
      flags.FLAGS.experiment,
      flags.FLAGS.config_file or [],
      flags.FLAGS.params_override or '',
    )

for place, arguments in commands:
  child = os.fork()
  if not child:
    try:
      parse(arguments)
    except Exception as error:
      print(f'{place}: {error}', flush=True)
    os._exit(0)
  os.waitpid(child, 0)
"""


def _arguments(text: str) -> list[str]:
  """Arguments of a command, without what stands for the reader's own."""
  joined = re.sub(r'\\\n\s*#?', ' ', text)
  # A quote that opened before the command.
  if joined.count("'") % 2:
    joined = joined.rstrip().removesuffix("'")
  arguments = [
    re.sub(r',?…$', '', argument)
    for argument in shlex.split(joined, comments=True)
    if not re.fullmatch(r'…|\.\.\.|[A-Z]+', argument)
  ]
  return [a for a in arguments if not re.match(r'--[a-z_]+=([A-Z]+)?$', a)]


def _commands(program: str) -> list[tuple[str, list[str]]]:
  """Where a program is called, and with what."""
  found = []
  for page in PAGES:
    text = page.read_text('utf-8')
    for match in _COMMAND.finditer(text):
      name, rest = match.groups()
      if name == program and '--' in rest and '--help' not in rest:
        line = text.count('\n', 0, match.start()) + 1
        place = f'{page.relative_to(ROOT)}:{line}'
        found.append((place, _arguments(rest)))
  return found


def test_the_pages_have_commands_of_nearly_every_program():
  called = {program: len(_commands(program)) for program in MODULES}

  assert called['vlbert-train'] > 20
  assert called['vlbert-build-examples'] > 15
  assert sum(count > 0 for count in called.values()) > len(called) - 3


@pytest.mark.parametrize('program', MODULES)
def test_commands_of_the_pages_are_understood(program):
  checked = subprocess.run(
    [sys.executable, '-c', _CHECK, MODULES[program]],
    input=json.dumps(_commands(program)),
    capture_output=True,
    text=True,
    check=True,
    cwd=ROOT,
  )

  assert checked.stdout == ''


@pytest.mark.parametrize('program', MODULES)
def test_help_of_an_installed_program_lists_its_flags(program):
  module = MODULES[program]
  source = _source(module)
  for shared in re.findall(r'adopt_module_key_flags\((\w+)\)', source):
    source += _source(f'{module.rpartition(".")[0]}.{shared}')
  defined = set(re.findall(r"\bDEFINE_\w+\(\s*'(\w+)'", source))
  # As the script that pip installs: the module is not the one that is run.
  start = f'from {module} import cli; cli()'

  shown = subprocess.run(
    [sys.executable, '-c', start, '--help'],
    capture_output=True,
    text=True,
    check=True,
    cwd=ROOT,
  )

  assert defined
  listed = set(
    re.findall(r'^ +--(?:\[no\])?(\w+):', shown.stdout, re.MULTILINE)
  )
  assert defined <= listed


def _source(module: str) -> str:
  return (ROOT / f'{module.replace(".", "/")}.py').read_text('utf-8')


def test_targets_of_the_pages_are_those_of_the_makefile():
  makefile = (ROOT / 'Makefile').read_text('utf-8')
  targets = set(re.findall(r'^([a-z-]+):', makefile, re.MULTILINE))

  called = {
    (page.name, target)
    for page in PAGES
    for target in _TARGET.findall(page.read_text('utf-8'))
  }

  assert ('README.md', 'demo') in called
  assert {(page, name) for page, name in called if name not in targets} == set()
