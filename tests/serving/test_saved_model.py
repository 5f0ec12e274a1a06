"""The exported graph: from bytes and text to answers."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from serving import saved_model, signatures
from tests.data import record_folder
from vlbert_tf import elements
from vlbert_tf.tasks.vqa import VqaConfig, VqaTask

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'is', 'it', 'red', '?']
QUESTION = 'Is it red?'
BOX = [4.0, 3.0, 30.0, 22.0]


@pytest.fixture(scope='module')
def task(tmp_path_factory):
  """A task with an untrained model that is not indifferent to its input."""
  folder = tmp_path_factory.mktemp('files')
  records = record_folder.write_questions(folder)
  (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  (folder / 'answers.txt').write_text('yes\nno\nmaybe\n')
  config = VqaConfig(
    vocab_file=str(folder / 'vocab.txt'),
    answers_file=str(folder / 'answers.txt'),
  )
  config.override(
    {
      'model': {
        'size': 'tiny', 'max_text_length': 9, 'max_rois': 3, 'xla': 'none',
        'image_short_side': 24, 'image_long_side': 32,
      },
      'train_data': {'path': str(records)},
      'validation_data': {'path': str(records), 'roi_buckets': [2, 3]},
    }
  )  # fmt: skip
  return VqaTask(config)


@pytest.fixture(scope='module')
def model(task):
  built = task.build_model()
  rng = np.random.default_rng(9)
  for variable in built.weights:
    noise = rng.normal(size=variable.shape, scale=0.1)
    variable.assign_add(noise.astype(np.float32))
  return built


@pytest.fixture(scope='module')
def base_path(task, model, tmp_path_factory):
  path = str(tmp_path_factory.mktemp('export'))
  saved_model.publish(saved_model.VqaModule(task, model), path)
  return path


@pytest.fixture(scope='module')
def serve(base_path):
  loaded = tf.saved_model.load(f'{base_path}/1')
  signature = loaded.signatures[signatures.VQA.name]

  def call(images, questions, boxes):
    return signature(
      image=tf.constant(images),
      question=tf.constant(questions),
      boxes=tf.constant(boxes, tf.float32),
    )

  call.loaded = loaded
  return call


def _png(width, height, seed):
  pixels = np.random.default_rng(seed).integers(0, 255, [height, width, 3])
  buffer = io.BytesIO()
  Image.fromarray(pixels.astype(np.uint8)).save(buffer, 'PNG')
  return buffer.getvalue(), pixels


def test_the_answer_is_that_of_the_model_on_the_same_elements(
  serve, task, model
):
  encoded, pixels = _png(32, 24, 1)  # at its final size already

  answer = serve([encoded], [QUESTION], [[BOX]])

  outputs = model(
    {
      elements.WORD_IDS: tf.constant([[2, 5, 6, 7, 8, 3, 4, 3, 0]]),
      elements.WORD_MASK: tf.constant([[True] * 8 + [False]]),
      elements.SEGMENT_IDS: tf.constant([[0] * 6 + [1, 1, 0]]),
      elements.IMAGE: tf.constant(pixels[None], tf.float32),
      elements.IMAGE_SIZE: tf.constant([[24.0, 32.0]]),
      elements.BOXES: tf.constant([[BOX]]),
      elements.ROI_MASK: tf.constant([[True]]),
      elements.ANSWER_POSITION: tf.constant([6]),
    },
    return_attention=True,
  )
  probabilities = tf.nn.softmax(outputs[elements.ANSWER_LOGITS])[0].numpy()
  order = np.argsort(-probabilities)
  expected = [task.answers[i].encode() for i in order]
  assert answer['answers'][0].numpy().tolist() == expected
  np.testing.assert_allclose(
    answer['scores'][0], probabilities[order], atol=1e-5
  )
  np.testing.assert_allclose(
    answer['attention'], outputs[elements.ANSWER_ATTENTION], atol=1e-5
  )


def test_a_batch_answers_as_its_members_do_alone(serve):
  first, second = _png(32, 24, 1)[0], _png(30, 50, 2)[0]
  padding = [signatures.PADDING_COORDINATE] * 4

  together = serve(
    [first, second],
    [QUESTION, 'is it?'],
    [[BOX, padding], [BOX, [0.0, 10.0, 30.0, 50.0]]],
  )
  alone = [
    serve([first], [QUESTION], [[BOX]]),
    serve([second], ['is it?'], [[BOX, [0.0, 10.0, 30.0, 50.0]]]),
  ]

  for row, single in enumerate(alone):
    np.testing.assert_allclose(
      together['scores'][row], single['scores'][0], atol=1e-5
    )
  assert together['attention'].shape == (2, 2)
  assert together['attention'][0, 1] == 0.0
  np.testing.assert_allclose(
    together['attention'][0, 0], alone[0]['attention'][0, 0], atol=1e-5
  )


def test_boxes_beyond_the_image_are_cut_to_it(serve):
  encoded, _ = _png(32, 24, 1)

  cut = serve([encoded], [QUESTION], [[[4.0, 3.0, 99.0, 99.0]]])
  exact = serve([encoded], [QUESTION], [[[4.0, 3.0, 32.0, 24.0]]])

  np.testing.assert_array_equal(cut['scores'], exact['scores'])


@pytest.mark.parametrize(
  ('question', 'boxes', 'message'),
  [
    ('', [BOX], 'A question must contain a word'),
    ('is it ' * 3, [BOX], 'A question may have at most 5 word pieces'),
    (QUESTION, [[9.0, 9.0, 4.0, 20.0]], 'A box is .x1, y1, x2, y2.'),
    (QUESTION, [[9.0, 9.0, np.nan, 20.0]], 'A box is .x1, y1, x2, y2.'),
    (QUESTION, [[40.0, 3.0, 60.0, 20.0]], 'A box must overlap its image'),
    (QUESTION, [[-1.0] * 4], 'Each image needs at least one box'),
    (QUESTION, [BOX] * 4, 'at most 3 RoIs'),
  ],
)
def test_what_cannot_be_answered_is_refused_with_the_rule(
  serve, question, boxes, message
):
  with pytest.raises(tf.errors.InvalidArgumentError, match=message):
    serve([_png(32, 24, 1)[0]], [question], [boxes])


def test_bytes_that_are_no_image_are_refused(serve):
  with pytest.raises(tf.errors.InvalidArgumentError):
    serve([b'no image'], [QUESTION], [[BOX]])


def test_the_signature_is_the_one_that_client_and_server_know(serve):
  exported = serve.loaded.signatures[signatures.VQA.name]
  inputs = exported.structured_input_signature[1]

  assert inputs.keys() == signatures.VQA.inputs.keys()
  for name, field in signatures.VQA.inputs.items():
    assert inputs[name].dtype.name == field.dtype
    assert tuple(inputs[name].shape) == field.shape
  assert exported.structured_outputs.keys() == signatures.VQA.outputs.keys()


def test_versions_count_up_and_are_never_overwritten(task, model, tmp_path):
  module = saved_model.VqaModule(task, model)
  (tmp_path / '9').mkdir()
  (tmp_path / '10.partial').mkdir()  # left by a process that was killed

  written = saved_model.publish(module, str(tmp_path))

  assert written == f'{tmp_path}/10'
  assert sorted(path.name for path in tmp_path.iterdir()) == ['10', '9']
  with pytest.raises(ValueError, match='--version=9, which'):
    saved_model.publish(module, str(tmp_path), 9)
