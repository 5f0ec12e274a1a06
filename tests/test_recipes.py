"""Recipes by name, wherever one stands."""

import pathlib

import pytest

from vlbert_tf import recipes

ROOT = pathlib.Path(__file__).parents[1]


def test_a_recipe_is_found_from_another_folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)

  found = recipes.find('configs/vqa/tiny.yaml')

  assert pathlib.Path(found).samefile(ROOT / 'configs' / 'vqa' / 'tiny.yaml')


def test_a_file_of_ones_own_goes_first(tmp_path, monkeypatch):
  own = tmp_path / 'configs' / 'vqa' / 'tiny.yaml'
  own.parent.mkdir(parents=True)
  own.write_text('task: {}\n')
  monkeypatch.chdir(tmp_path)

  assert pathlib.Path(recipes.find('configs/vqa/tiny.yaml')).samefile(own)


@pytest.mark.parametrize('path', ['configs/vqa/tinny.yaml', 'pyproject.toml'])
def test_a_missing_file_is_named_with_the_recipes(path, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)

  with pytest.raises(FileNotFoundError) as error:
    recipes.find(path)

  assert f'Received: {path}. ' in str(error.value)
  assert 'configs/vqa/tiny.yaml' in str(error.value)
