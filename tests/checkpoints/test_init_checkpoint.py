"""Converted weights in every recipe: same or other vocabulary and lengths."""

import json

import numpy as np
import pytest

from tests.checkpoints.test_bert import huggingface_weights
from tests.data import record_folder
from vlbert_tf.checkpoints import folder, safetensors_files, sources
from vlbert_tf.data import pipeline
from vlbert_tf.modeling.config import ModelConfig
from vlbert_tf.tasks import saved

VOCAB, POSITIONS = 11, 90
WORDS = '[PAD] [UNK] [CLS] [SEP] [MASK] is a b it left right'.split()
RECORDS = {
  saved.PRETRAINING: record_folder.write_captions,
  saved.VQA: record_folder.write_questions,
  saved.REFCOCO: record_folder.write_expressions,
  saved.VCR: record_folder.write_choices,
}


@pytest.fixture(scope='module')
def converted(tmp_path_factory):
  """A BERT of the size `tiny` with 11 words and 90 positions."""
  place = tmp_path_factory.mktemp('bert')
  weights = huggingface_weights(
    np.random.default_rng(4), 128, 512, VOCAB, 2, POSITIONS
  )
  safetensors_files.write(str(place / 'model.safetensors'), weights)
  (place / 'config.json').write_text(json.dumps({'num_attention_heads': 4}))
  (place / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  output = str(place / 'ours')
  sources.convert('huggingface_bert', str(place), output, sources.Options())
  return output


def _task(name, converted, folder_of_records, vocab):
  records = str(RECORDS[name](folder_of_records))
  (folder_of_records / 'answers.txt').write_text('yes\nno\n')
  config_class, task_class = saved.TASKS[name]
  config = config_class(
    vocab_file=vocab,
    init_checkpoint=converted,
    model=ModelConfig(size='tiny', max_text_length=16),
    train_data=pipeline.DataConfig(path=records),
  )
  if name == saved.VQA:
    config.answers_file = str(folder_of_records / 'answers.txt')
  return task_class(config)


@pytest.mark.parametrize('name', list(RECORDS))
def test_a_recipe_starts_from_converted_weights(name, converted, tmp_path):
  # The vocabulary came along.
  task = _task(name, converted, tmp_path, f'{converted}/vocab.txt')
  model = task.build_model()
  own = model.backbone.element_embedding.positions.numpy()

  task.initialize(model)

  theirs = folder.read(converted)[0].backbone
  for ours, weights in zip(
    model.backbone.encoder.weights, theirs.encoder.weights, strict=True
  ):
    np.testing.assert_array_equal(ours, weights)
  np.testing.assert_array_equal(
    model.backbone.element_embedding.words, theirs.element_embedding.words
  )
  # 128 positions here: the last 38 are new.
  positions = model.backbone.element_embedding.positions.numpy()
  np.testing.assert_array_equal(
    positions[:POSITIONS], theirs.element_embedding.positions
  )
  np.testing.assert_array_equal(positions[POSITIONS:], own[POSITIONS:])


@pytest.mark.parametrize('count', [8, 14])
def test_other_vocabularies_are_cut_or_filled_with_a_warning(
  converted, tmp_path, caplog, count
):
  words = (WORDS + ['c', 'd', 'e'])[:count]
  vocab = tmp_path / 'vocab.txt'
  vocab.write_text('\n'.join(words) + '\n')
  task = _task(saved.PRETRAINING, converted, tmp_path, str(vocab))
  model = task.build_model()
  own = model.backbone.element_embedding.words.numpy()

  task.initialize(model)

  ours = model.backbone.element_embedding.words.numpy()
  theirs = folder.read(converted)[0].backbone.element_embedding.words.numpy()
  same = min(count, VOCAB)
  np.testing.assert_array_equal(ours[:same], theirs[:same])
  np.testing.assert_array_equal(ours[same:], own[same:])
  assert f'words has {VOCAB} rows in the checkpoint and {count}' in caplog.text
  assert 'positions has 90 rows in the checkpoint and 128' in caplog.text


def test_a_model_of_another_size_is_refused(tmp_path):
  weights = huggingface_weights(
    np.random.default_rng(4), 64, 128, VOCAB, 2, POSITIONS
  )
  safetensors_files.write(str(tmp_path / 'model.safetensors'), weights)
  (tmp_path / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  output = str(tmp_path / 'ours')
  options = sources.Options(num_heads=4, visual_features='precomputed')
  sources.convert('huggingface_bert', str(tmp_path), output, options)
  task = _task(saved.VQA, output, tmp_path, f'{output}/vocab.txt')

  with pytest.raises(ValueError, match='in the same shapes. Received: .*ours'):
    task.initialize(task.build_model())


def test_a_vocabulary_of_other_weights_is_refused(tmp_path):
  weights = huggingface_weights(np.random.default_rng(4), 24, 40, 5, 1, 9)
  safetensors_files.write(str(tmp_path / 'model.safetensors'), weights)
  (tmp_path / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')

  with pytest.raises(ValueError, match='more words than .* 5. Received.*11'):
    sources.convert(
      'huggingface_bert', str(tmp_path), str(tmp_path / 'a'),
      sources.Options(num_heads=3),
    )  # fmt: skip
