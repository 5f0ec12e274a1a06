"""The list of packages: against the lock, and how licenses are read."""

import email
import importlib.metadata
import pathlib
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from release import dependencies

_LOCK = dependencies.ROOT / 'requirements.lock'
_PROJECT = dependencies.ROOT / 'pyproject.toml'
_PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'dependencies.md'
_ROW = re.compile(r'^\| ([a-z0-9-]+) \| (\S+) \| (.+) \|$', re.MULTILINE)


def _sections() -> dict[str, dict[str, str]]:
  """Versions by name in each table of the committed page."""
  text = _PAGE.read_text(encoding='utf-8')
  return {
    part.partition('\n')[0]: {
      row[1]: row[2] for row in _ROW.finditer(part) if row[1] != 'package'
    }
    for part in text.split('\n## ')[1:]
  }


def test_the_page_lists_what_the_lock_pins():
  text = _LOCK.read_text()
  lines = re.sub(r'\[.*\]', '', text).splitlines()
  everywhere = dict(line.split('==') for line in lines if ';' not in line)
  somewhere = {line.partition('==')[0] for line in lines if ';' in line}
  assert len(everywhere) > 200

  listed = {
    name: version
    for section in _sections().values()
    for name, version in section.items()
  }

  assert {n: v for n, v in listed.items() if n not in somewhere} == everywhere
  # Of those that some systems alone need, the ones that Linux needs.
  assert 'secretstorage' in listed
  assert 'pywin32-ctypes' not in listed


def test_the_lock_names_the_extras_that_its_packages_ask_for():
  # Bazel's rules know of no other way to the packages behind an extra.
  lines = _LOCK.read_text().splitlines()
  locked = [r for r in map(Requirement, lines) if _applies(r)]
  extras = {canonicalize_name(r.name): r.extras for r in locked}
  asked = [
    (name, other)
    for name in extras
    for other in map(Requirement, importlib.metadata.requires(name) or ())
    if _applies(other, extras[name]) and canonicalize_name(other.name) != name
  ]
  assert ('tensorflow-datasets', {'epath'}) in [
    (name, other.extras & {'epath'}) for name, other in asked
  ]

  missing = [
    f'{name} asks for {other}'
    for name, other in asked
    if other.extras - extras[canonicalize_name(other.name)]
  ]

  assert not missing


def _applies(requirement, extras=()):
  return requirement.marker is None or any(
    requirement.marker.evaluate({'extra': extra}) for extra in ('', *extras)
  )


def test_the_first_table_is_what_the_project_asks_for():
  text = _PROJECT.read_text()
  asked = text.partition('\ndependencies = [')[2].partition('\n]')[0]
  names = re.findall(r'^  "([\w.-]+)', asked, re.MULTILINE)

  (section,) = (s for t, s in _sections().items() if 'vlbert_tf asks' in t)

  assert section.keys() == {canonicalize_name(name) for name in names}


@pytest.mark.parametrize(
  ('metadata', 'license_name'),
  [
    ('License-Expression: MIT AND Zlib\nLicense: other', 'MIT AND Zlib'),
    ('Classifier: License :: OSI Approved :: MIT License', 'MIT License'),
    (
      'Classifier: License :: OSI Approved :: MIT License\n'
      'Classifier: License :: OSI Approved :: Apache Software License',
      'Apache Software License, MIT License',
    ),
    ('Classifier: License :: OSI Approved\nLicense: BSD', 'BSD'),
  ],
)
def test_a_license_is_read_from_where_packages_state_it(
  metadata, license_name, monkeypatch
):
  message = email.message_from_string(f'Name: toy\n{metadata}\n')
  monkeypatch.setattr(importlib.metadata, 'metadata', lambda name: message)

  assert dependencies.license_of('toy') == license_name


@pytest.mark.parametrize('stated', ['', 'License: UNKNOWN\n'])
def test_a_package_without_a_license_stops_the_list(stated, monkeypatch):
  message = email.message_from_string(f'Name: toy\n{stated}')
  monkeypatch.setattr(importlib.metadata, 'metadata', lambda name: message)

  with pytest.raises(ValueError, match='Received: toy, whose metadata'):
    dependencies.license_of('toy')


def test_the_lock_is_read_for_one_machine():
  lock = (
    "numpy==2.1.3\njeepney==0.9.0 ; sys_platform == 'linux'\n"
    "pywin32==1.0 ; sys_platform == 'win32'\nTyping_X==1 ; "
    "python_full_version >= '3.12'\n"
  )

  assert dependencies.locked(lock) == {'numpy': '2.1.3', 'jeepney': '0.9.0'}
