"""Links of the pages, and the index that a stranger starts from."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = (
  *sorted(ROOT.glob('docs/*.md')),
  *(ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md')),
)
_LINK = re.compile(r'\[[^\]]*\]\(([^)#\s]+)(?:#[^)\s]*)?\)')


def _links(page: pathlib.Path) -> list[str]:
  text = re.sub(r'```.*?```', '', page.read_text('utf-8'), flags=re.DOTALL)
  return [link for link in _LINK.findall(text) if '://' not in link]


@pytest.mark.parametrize('page', [p for p in PAGES if p.is_file()], ids=str)
def test_links_lead_to_files_of_this_tree(page):
  missing = [n for n in _links(page) if not (page.parent / n).exists()]

  assert not missing


def test_the_index_leads_to_every_page():
  index = ROOT / 'docs' / 'README.md'
  pages = {p.name for p in ROOT.glob('docs/*.md')} - {index.name}

  assert pages <= set(_links(index))
