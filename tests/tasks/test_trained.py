"""Folders that a model is loaded from, and those it is not."""

import pytest
import tf_keras

from tests.checkpoints import golden
from tests.serving import golden_words
from vlbert_tf.checkpoints import sources
from vlbert_tf.tasks import saved, trained


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
  folder = tmp_path_factory.mktemp('weights')
  path = golden.write_model(
    folder / 'released.model', golden.state_dict('vqa_tiny')
  )
  options = sources.Options(num_heads=4)
  sources.convert('official_vlbert', path, str(folder / 'ours'), options)
  return str(folder / 'ours')


def test_converted_weights_are_served_with_the_lengths_of_the_paper(
  weights, tmp_path
):
  files = golden_words.write(tmp_path)

  model = trained.load(trained.Request(path=weights, **files))

  assert (model.task, model.heads) == (saved.VQA, {'answer'})
  assert model.independent_answers
  assert model.shape.text_buckets == (64,)
  assert model.shape.roi_buckets == (100,)
  assert (model.shape.short_side, model.shape.long_side) == (600, 1000)


def test_the_precision_is_that_of_the_model_alone(weights, tmp_path):
  files = golden_words.write(tmp_path)

  model = trained.load(trained.Request(path=weights, **files), 'bfloat16')

  layer = model.model.backbone.encoder.encoder_layers[0].inner
  assert layer.compute_dtype == 'bfloat16'
  assert layer.kernel.dtype == 'float32'
  assert tf_keras.mixed_precision.global_policy().name == 'float32'
  with pytest.raises(ValueError, match='--dtype must be one of float32'):
    trained.load(trained.Request(path=weights, **files), 'int8')


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'vocab_file': ''}, 'need --vocab_file'),
    ({'answers_file': ''}, r'need --answers_file.*has 40 classes'),
    ({'vocab_file': 'short'}, r'knows, 2000\. Received: .* with 1999'),
    ({'answers_file': 'short'}, r'has classes, 40\. Received: .* with 1999'),
    ({'text_buckets': (9, 8)}, '--text_buckets must be positive and increase'),
    ({'roi_buckets': (0,)}, '--roi_buckets must be positive and increase'),
    ({'text_buckets': (8, 600)}, r'may go up to 510.*has 512 positions'),
  ],
)
def test_what_does_not_fit_the_weights_is_named(
  weights, tmp_path, changes, message
):
  files = golden_words.write(tmp_path)
  short = tmp_path / 'short.txt'
  short.write_text('\n'.join(golden_words.WORDS[:-1]) + '\n')
  changes = {k: str(short) if v == 'short' else v for k, v in changes.items()}

  with pytest.raises(ValueError, match=message):
    trained.load(trained.Request(**{'path': weights, **files, **changes}))


def test_a_folder_of_neither_kind_is_refused(tmp_path):
  with pytest.raises(ValueError, match='A model folder holds params.yaml'):
    trained.load(trained.Request(path=str(tmp_path)))
