"""Versions on disk: which one is served, and what is said when none is."""

import pytest

from serving.server import model, versions
from tests.serving import toy_model


def folders(root, *names):
  for name in names:
    (root / name).mkdir()
    (root / name / 'saved_model.pb').touch()


def test_versions_are_folders_with_a_number_and_a_saved_model(tmp_path):
  folders(tmp_path, '10', '0000003', '6.writing', 'latest', '-7', '٨')
  (tmp_path / '99').touch()  # a file is no version
  (tmp_path / '11').mkdir()  # being written

  assert versions.complete_versions(tmp_path) == {
    3: tmp_path / '0000003',
    10: tmp_path / '10',
  }


@pytest.mark.parametrize(
  ('policy', 'selected'),
  [
    (versions.Policy(), [10]),
    (versions.Policy(latest=2), [9, 10]),
    (versions.Policy(latest=5), [2, 9, 10]),
    (versions.Policy(latest=None), [2, 9, 10]),
    (versions.Policy(specific=(9, 2, 7)), [2, 9]),
  ],
)
def test_a_policy_selects_by_number(policy, selected):
  assert policy.select({9, 10, 2}) == selected


@pytest.mark.parametrize('names', [[], ['latest']])
def test_a_folder_without_versions_is_refused(tmp_path, names):
  folders(tmp_path, *names)

  with pytest.raises(ValueError, match='a number for a name') as caught:
    versions.check_base_path(tmp_path)

  assert str(tmp_path) in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path):
  with pytest.raises(ValueError, match='no folder there'):
    versions.check_base_path(tmp_path / 'nothing')


def test_a_version_without_saved_model_is_refused(tmp_path):
  (tmp_path / '3').mkdir()

  with pytest.raises(ValueError, match=r'without saved_model\.pb'):
    versions.check_base_path(tmp_path)


@pytest.mark.parametrize(
  ('content', 'reason'),
  [
    (b'\xff no protocol buffer', 'damaged'),
    (b'', 'no graph with the tag "serve"'),
  ],
)
def test_a_damaged_saved_model_is_refused(tmp_path, content, reason):
  (tmp_path / '3').mkdir()
  (tmp_path / '3' / 'saved_model.pb').write_bytes(content)

  with pytest.raises(ValueError, match=reason):
    model.LoadedVersion('toy', tmp_path / '3')


def test_a_saved_model_without_its_weights_is_refused(tmp_path):
  folder = toy_model.export(tmp_path / '3')
  for file in (folder / 'variables').iterdir():
    file.unlink()

  with pytest.raises(ValueError, match='must hold a SavedModel'):
    model.LoadedVersion('toy', folder)
