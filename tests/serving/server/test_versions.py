"""Versions on disk: which one is served, and what is said when none is."""

import pytest
import tensorflow as tf

from serving.server import model, versions
from tests.serving import toy_model


def folders(root, *names):
  for name in names:
    (root / name).mkdir()
    (root / name / 'saved_model.pb').touch()


@pytest.mark.parametrize(
  ('names', 'newest'),
  [
    (['1', '2'], '2'),
    (['10', '9'], '10'),
    (['0000003', '2'], '0000003'),
    (['5', '6.writing', 'latest', '-7', '٨'], '5'),
  ],
)
def test_the_highest_number_is_served(tmp_path, names, newest):
  folders(tmp_path, *names)
  (tmp_path / '99').touch()  # a file is no version

  assert versions.newest_version(tmp_path) == tmp_path / newest


@pytest.mark.parametrize('names', [[], ['latest']])
def test_a_folder_without_versions_is_refused(tmp_path, names):
  folders(tmp_path, *names)

  with pytest.raises(ValueError, match='a number for a name') as caught:
    versions.newest_version(tmp_path)

  assert str(tmp_path) in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path):
  with pytest.raises(ValueError, match='no folder there'):
    versions.newest_version(tmp_path / 'nothing')


def test_a_version_without_saved_model_is_refused(tmp_path):
  (tmp_path / '3').mkdir()

  with pytest.raises(ValueError, match=r'without saved_model\.pb'):
    versions.newest_version(tmp_path)


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


def test_a_registry_finds_the_newest_or_the_one_asked_for(tmp_path):
  registry = model.Registry(
    [
      model.LoadedVersion(
        'toy', toy_model.export(tmp_path / str(number), factor)
      )
      for number, factor in ((10, 5.0), (9, 7.0))
    ]
  )

  def product(version):
    inputs = {'x': tf.constant([2.0])}
    return version.call('arithmetic', inputs)['product'].numpy().tolist()

  assert product(registry.find('toy')) == [10.0]
  assert product(registry.find('toy', 9)) == [14.0]
  assert [v.version for v in registry.versions('toy')] == [9, 10]
