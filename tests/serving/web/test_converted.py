"""Weights of the authors' form, from their file to the page: docs/web.md.

Small and random ones: what the page must show is told by the released model in
plain NumPy.
"""

import json
import pathlib
import shlex
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from serving import detector_signatures
from tests.checkpoints import golden, numpy_vl_bert
from tests.serving import golden_words, server_process
from tests.serving.web import toy
from tests.serving.web.test_application import ask, call

ROOT = pathlib.Path(__file__).parents[3]
PROGRAMS = {
  'vlbert-convert': 'vlbert_tf.convert',
  'vlbert-export': 'serving.export',
}
ARRAYS = golden.arrays('vqa_tiny', 'inputs')
BOXES, FEATURES = (ARRAYS[name][0, 1:] for name in ('boxes', 'roi_features'))
WIDTH, HEIGHT = 320, 256


def _commands() -> list[list[str]]:
  """Those of the page for released weights, word by word."""
  text = (ROOT / 'docs' / 'web.md').read_text(encoding='utf-8')
  block = text[text.index('    vlbert-convert --from=official_vlbert') :]
  block = block[: block.index('\n\n')].replace('\\\n', ' ')
  return [shlex.split(line) for line in block.splitlines()]


def _write_detector(folder: pathlib.Path) -> None:
  """One that finds the same RoIs in every image."""

  def rows(image, value):
    value = tf.constant(value)
    return tf.tile(value[None], [tf.size(image), *[1] * value.shape.rank])

  def detect(image):
    count = len(BOXES)
    numbers = np.ones(count, np.int32)
    found = {
      'boxes': BOXES,
      'categories': numbers,
      'scores': np.linspace(0.9, 0.5, count, dtype=np.float32),
      'top_categories': numbers[:, None],
      'top_probabilities': np.ones([count, 1], np.float32),
      'appearance': FEATURES,
      'image_appearance': FEATURES.mean(axis=0),
      'count': np.int32(count),
      'status': '',
    }
    return {name: rows(image, value) for name, value in found.items()}

  module = tf.Module()
  module.detect = tf.function(
    detect, input_signature=[tf.TensorSpec([None], tf.string, 'image')]
  )
  module.categories = tf.function(
    lambda: {'categories': tf.constant(['thing'])}, input_signature=[]
  )
  functions = {'detect': module.detect, 'categories': module.categories}
  needed = detector_signatures.of_detector(has_attributes=False)
  assert functions.keys() == needed.keys()
  tf.saved_model.save(module, str(folder / '1'), signatures=functions)


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """Where the commands are typed, with the files that they name."""
  golden.write_model(
    tmp_path / 'vl-bert-base-vqa.model', golden.state_dict('vqa_tiny')
  )
  # Tells the number of heads, which base size would not need.
  (tmp_path / 'manifest.json').write_text('{"num_attention_heads": 4}')
  files = golden_words.write(tmp_path)
  pathlib.Path(files['answers_file']).rename(tmp_path / 'answer_vqa.txt')
  _write_detector(tmp_path / 'export' / 'detector')
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv('PYTHONPATH', str(ROOT))
  return tmp_path


def _expected(question: np.ndarray) -> np.ndarray:
  """Probabilities of all answers."""
  mean = FEATURES.mean(axis=0, keepdims=True)
  example = {
    'boxes': ARRAYS['boxes'][0],
    'image_size': ARRAYS['image_size'][0],
    # The released models read the mean of the RoIs for the whole image.
    'roi_features': np.concatenate([mean, FEATURES]),
    'question_ids': question,
    'question_len': len(question),
  }
  model = numpy_vl_bert.VlBert(golden.state_dict('vqa_tiny'))
  return 1 / (1 + np.exp(-model.vqa(example)))


@pytest.mark.slow
def test_the_page_answers_as_the_released_code_does(folder):
  convert, export, serve = _commands()
  for program, *flags in (convert, export):
    command = [sys.executable, '-m', PROGRAMS[program], *flags]
    subprocess.run(command, check=True, timeout=1200)
  questions = [
    ids[:length]
    for ids, length in zip(
      ARRAYS['question_ids'], ARRAYS['question_len'], strict=True
    )
  ]
  image = toy.image(WIDTH, HEIGHT)

  assert serve[0] == 'vlbert-serve'
  with server_process.ServerProcess(
    folder, *serve[1:], '--web_port=0'
  ) as server:
    page = server.process.stdout.readline().split()[1]
    server.process.stdout.readline()
    abilities = {'loading': ['vlbert']}
    # The file with the port is there a moment before the page is told.
    while abilities['loading']:
      abilities = json.loads(call(f'{page}api/abilities')[1])
    regions = json.loads(call(f'{page}api/regions', image)[1])['regions']
    texts = golden_words.texts(questions, list(map(len, questions)))
    found = [ask(page, 'answer', text, image) for text in texts]

  assert {'answer', 'attend', 'detect'} <= abilities['models'].keys()
  assert 'It knows 40 answers.' in abilities['about']
  np.testing.assert_allclose(
    [region['box'] for region in regions], BOXES, atol=1e-3
  )
  for question, (status, told) in zip(questions, found, strict=True):
    assert status == 200, told
    expected = _expected(question)
    best = np.argsort(-expected)[:5]
    assert [answer['text'] for answer in told['answers']] == [
      f'a{k}' for k in best
    ]
    scores = [answer['score'] for answer in told['answers']]
    # The page shows four digits.
    np.testing.assert_allclose(scores, expected[best], atol=1.5e-4)
