"""A model small enough to work its answers out by hand, and its server."""

import io
import pathlib
import sys

import PIL.Image
import tensorflow as tf
import tensorflow_text as text

from serving import signatures
from serving.server import model

# One word in a question is one entry; everything else is [UNK].
_WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'what', 'color', 'is', 'it', '?']

# The status of a question without one.
NO_WORD = 'A question must contain a word.'


class ToyModel(tf.Module):
  """Signatures with known answers.

  `serving_default` has the request and answer of VQA. For an image of W×H
  pixels and a question of N words its answers are `WxH` and `N words` with the
  scores W/(W+N) and N/(W+N); attention is a box's share of the boxes' area.
  """

  def __init__(self, factor: float = 3.0) -> None:
    super().__init__()
    self._tokenizer = text.FastBertTokenizer(
      vocab=_WORDS, token_out_type=tf.int32, lower_case_nfd_strip_accents=True
    )
    # A variable, so that a version has weights to load.
    self._factor = tf.Variable(factor)
    self.answer = tf.function(
      self._answer,
      input_signature=[
        tf.TensorSpec(field.shape, field.dtype, name)
        for name, field in signatures.VQA.inputs.items()
      ],
    )

  def _answer(self, image, question, boxes):
    size = tf.map_fn(
      lambda data: tf.shape(
        tf.io.decode_image(data, channels=3, expand_animations=False)
      ),
      image,
      fn_output_signature=tf.int32,
    )
    words = self._tokenizer.tokenize(question).to_tensor(0)
    count = tf.math.count_nonzero(words, axis=1, dtype=tf.int32)
    width = tf.strings.as_string(size[:, 1])
    height = tf.strings.as_string(size[:, 0])
    first = tf.strings.join([width, height], 'x')
    second = tf.strings.as_string(count) + ' words'
    pair = tf.cast(tf.stack([size[:, 1], count], 1), tf.float32)
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return {
      'answers': tf.stack([first, second], 1),
      'scores': pair / tf.reduce_sum(pair, 1, keepdims=True),
      'boxes': boxes,
      'attention': area / tf.reduce_sum(area, 1, keepdims=True),
      'status': tf.where(count > 0, '', NO_WORD),
    }

  @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, 'x')])
  def arithmetic(self, x):
    """Two outputs of one input."""
    return {'product': self._factor * x, 'negative': -x}

  @tf.function(input_signature=[tf.TensorSpec([], tf.string, 'path')])
  def read(self, path):
    """A file's bytes: an operation that fails with a code of its own."""
    return {'content': tf.io.read_file(path)}


def export(folder: pathlib.Path, factor: float = 3.0) -> pathlib.Path:
  """Writes the toy as a SavedModel into a version's folder."""
  toy = ToyModel(factor)
  tf.saved_model.save(
    toy,
    str(folder),
    signatures={
      'serving_default': toy.answer,
      'answer': toy.answer,
      'arithmetic': toy.arithmetic,
      'read': toy.read,
    },
  )
  return folder


class GatedVersion(model.LoadedVersion):
  """A version whose calls wait for a gate.

  Attributes:
    rows: of each call that passed it.
  """

  def __init__(self, path: pathlib.Path, entered, gate) -> None:
    super().__init__('toy', path)
    self._entered = entered
    self._gate = gate
    self.rows = []

  def call(self, signature, inputs):
    """Says that it was entered, and answers once the gate is open."""
    self._entered.set()
    assert self._gate.wait(60)
    self.rows += {t.shape[0] for t in inputs.values() if t.shape.rank}
    return super().call(signature, inputs)


def png(width: int, height: int) -> bytes:
  """A gray image."""
  return _encoded(width, height, 'PNG')


def jpeg(width: int, height: int) -> bytes:
  """A gray image."""
  return _encoded(width, height, 'JPEG')


def _encoded(width: int, height: int, kind: str) -> bytes:
  file = io.BytesIO()
  PIL.Image.new('RGB', (width, height), (90, 90, 90)).save(file, kind)
  return file.getvalue()


if __name__ == '__main__':
  export(pathlib.Path(sys.argv[1], '7'))
