"""A model for the page, small enough to work its answers out by hand.

Each image has two regions: its upper left quarter is a cat, its lower right
one a ball.
"""

import io
import pathlib

import numpy as np
import PIL.Image
import tensorflow as tf

from serving import signatures
from serving.signatures import BOXES, DETECTED

MOST_WORDS = 5
TOO_LONG = f'A question may have at most {MOST_WORDS} word pieces.'
PIECES = ['[CLS]', 'what', '[SEP]', '[MASK]', '[SEP]']
LAYERS, HEADS = 2, 3
# What the first region gets of the attention of each word, by layer and head;
# the second gets the rest.
FIRST = np.linspace(0.01, 0.99, LAYERS * HEADS * len(PIECES)).reshape(
  LAYERS, HEADS, len(PIECES)
)


def _size(image):
  pixels = tf.io.decode_image(image[0], channels=3, expand_animations=False)
  shape = tf.shape(pixels)
  return pixels, tf.cast(shape[1], tf.float32), tf.cast(shape[0], tf.float32)


def _regions(image):
  _, width, height = _size(image)
  x, y = width / 2, height / 2
  return tf.stack([[0.0, 0.0, x, y], [x, y, width, height]])[None]


def _answered(image, outputs):
  return {'boxes': _regions(image), 'status': tf.constant(['']), **outputs}


def _answer(image, question):
  _, width, height = _size(image)
  numbers = tf.strings.as_string(tf.cast([width, height], tf.int32))
  answers = tf.stack([tf.strings.reduce_join(numbers, separator='x'), 'other'])
  words = tf.size(tf.strings.split(question[0]))
  status = tf.where(words > MOST_WORDS, TOO_LONG, '')
  return _answered(
    image,
    {
      'answers': answers[None],
      'scores': tf.constant([[0.75, 0.25]]),
      'attention': tf.constant([[0.3, 0.7]]),
      'status': status[None],
    },
  )


def _attend(image, question):
  del question
  attention = tf.constant(np.stack([FIRST, 1 - FIRST], -1), tf.float32)[None]
  return _answered(
    image,
    {
      'attention': attention[:, :, :, PIECES.index('[MASK]')],
      'pieces': tf.constant([PIECES]),
      'word_attention': attention,
    },
  )


def _ground(image, expression):
  right = tf.strings.regex_full_match(expression, '.*right.*')
  index = tf.cast(right, tf.int32)
  boxes = _regions(image)
  return _answered(
    image,
    {
      'index': index,
      'box': tf.gather(boxes, index, batch_dims=1),
      'scores': 0.2 + 0.6 * tf.one_hot(index, 2),
    },
  )


def _fill_mask(image, text, boxes=None):
  """'red' is as probable as the image is red."""
  del text
  pixels, _, _ = _size(image)
  red = tf.reduce_mean(tf.cast(pixels[..., 0], tf.float32)) / 255
  outputs = {
    'words': tf.constant([[['red', 'blue']]]),
    'scores': tf.stack([red, 1 - red])[None, None],
  }
  return _answered(image, outputs) | ({} if boxes is None else {'boxes': boxes})


def _choose(image, question, question_tags, candidates, candidate_tags):
  """The candidate that repeats the question is the right one."""
  same = (candidates == question[:, None]) & (
    candidate_tags == question_tags[:, None]
  )
  said = tf.strings.join([question, question_tags], separator=' | ')
  odd = tf.strings.regex_full_match(question, 'repeat .*')
  return _answered(
    image,
    {
      'probabilities': 0.1 + 0.6 * tf.cast(same, tf.float32),
      'status': tf.where(odd, said, ''),
    },
  )


def _match(image, caption):
  good = tf.strings.regex_full_match(caption, '.*cat.*')
  return _answered(image, {'score': tf.where(good, 0.9, 0.1)})


def _detect(image):
  return _answered(
    image,
    {
      'categories': tf.constant([[2, 1]]),
      'scores': tf.constant([[0.9, 0.6]]),
      'appearance': tf.zeros([1, 2, 3]),
      'image_appearance': tf.zeros([1, 3]),
      'count': tf.constant([2]),
    },
  )


_FUNCTIONS = [
  (signatures.signature('answer', DETECTED, 'answer'), _answer),
  (signatures.signature('attend', DETECTED, 'attend'), _attend),
  (signatures.signature('ground', DETECTED, 'ground'), _ground),
  (signatures.signature('fill_mask', DETECTED, 'fill_mask'), _fill_mask),
  (signatures.signature('fill_mask', BOXES, 'fill_mask_on_boxes'), _fill_mask),
  (signatures.signature('match', DETECTED, 'match'), _match),
  (signatures.signature('choose', DETECTED, 'choose'), _choose),
  (signatures.DETECT, _detect),
  (
    signatures.CATEGORIES,
    lambda: {'categories': tf.constant(['ball', 'cat'])},
  ),
]


# What one model can do, and another.
ASKED = {
  'answer', 'attend', 'ground', 'fill_mask', 'fill_mask_on_boxes', 'match',
}  # fmt: skip
EYES = {'detect', 'categories'}
CHOICE = {'choose'}


def export(folder: pathlib.Path, names: set[str]) -> None:
  """Writes the toy as a SavedModel, with some of its signatures."""
  graphs = {}
  for contract, function in _FUNCTIONS:
    if contract.name in names:
      specs = {
        name: tf.TensorSpec(field.shape, field.dtype, name)
        for name, field in contract.inputs.items()
      }
      graphs[contract.name] = tf.function(function).get_concrete_function(
        **specs
      )
  module = tf.Module()
  module.graphs = list(graphs.values())
  tf.saved_model.save(module, str(folder), signatures=graphs)


def image(width: int, height: int, color='red', kind='PNG', **options) -> bytes:
  """A plain image."""
  file = io.BytesIO()
  picture = PIL.Image.new('RGB', (width, height), color)
  picture.save(file, kind, **options)
  return file.getvalue()
