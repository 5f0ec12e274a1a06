"""Models that several test files ask."""

import pytest

from tests.checkpoints import golden
from vlbert_tf import checkpoints
from vlbert_tf.checkpoints import sources


@pytest.fixture(scope='module')
def loaded(tmp_path_factory):
  """Models of the golden weights by task, each converted once."""
  models = {}

  def load(task):
    if task not in models:
      folder = tmp_path_factory.mktemp(task)
      path = golden.write_model(
        folder / 'released.model', golden.state_dict(f'{task}_tiny')
      )
      options = sources.Options(num_heads=4)
      sources.convert('official_vlbert', path, str(folder / 'ours'), options)
      models[task] = checkpoints.load(str(folder / 'ours'), task=task)
    return models[task]

  return load
