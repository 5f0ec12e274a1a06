"""Results that are committed are of this study, and the tables theirs."""

import json
import pathlib

import pytest

from vlbert_tf.study import runs, tables

_DOCS = pathlib.Path(__file__).parents[2] / 'docs'
_RECORDS = _DOCS / 'reproduce_results.json'
_PAGE = _DOCS / 'reproduce_results.md'


@pytest.fixture(scope='module')
def records():
  return json.loads(_RECORDS.read_text(encoding='utf-8'))


def test_the_page_has_the_tables_of_the_records(records):
  assert _PAGE.read_text(encoding='utf-8') == tables.page(records)


def test_every_record_is_of_the_study_as_it_is_now(records):
  for record in records:
    if record['run'] == runs.EASY_VQA:
      continue
    run = runs.BY_NAME[record['run']]
    wanted = runs.settings(run, runs.FULL, record['seed'])
    assert tuple(record['settings']) == wanted, record['run']


def test_each_claim_has_its_seeds(records):
  done = {(record['run'], record['seed']) for record in records}

  missing = {
    (run, seed)
    for claim in tables.CLAIMS
    for run in (claim.run, f'{claim.run}_alone')
    for seed in range(runs.FULL.seeds)
  } - done
  assert not missing
