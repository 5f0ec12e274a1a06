"""Small models to serve, with the sizes of `tiny_model`, and requests."""

import io
import pathlib

import numpy as np
import tensorflow as tf
import tf_keras
from PIL import Image

from serving.detector import EmbeddedDetector
from serving.saved_model import ServedModel
from tests.modeling import tiny_model
from vlbert_tf.data import batching
from vlbert_tf.tasks.trained import Trained

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'is', 'it', 'red', '?']
ANSWERS = ('yes', 'no', 'maybe')
SHAPE = batching.BatchShape(
  text_buckets=(9,), roi_buckets=(2, 3), short_side=24, long_side=32
)
BOX = [4.0, 3.0, 30.0, 22.0]
OTHER_BOX = [0.0, 10.0, 9.0, 24.0]
PADDING = [-1.0] * 4


def architecture(**changes):
  return tiny_model.architecture(vocab_size=len(WORDS), **changes)


def noisy(model: tf_keras.Model) -> tf_keras.Model:
  """The model with weights that are not indifferent to their input."""
  rng = np.random.default_rng(9)
  for variable in model.weights:
    noise = rng.normal(size=variable.shape, scale=0.2)
    variable.assign_add(noise.astype(np.float32))
  return model


def trained(task: str, model: tf_keras.Model, heads, **changes) -> Trained:
  """A model as `trained.load` gives it."""
  values = {
    'task': task,
    'model': model,
    'heads': frozenset(heads),
    'vocabulary': tuple(WORDS),
    'answers': ANSWERS,
    'independent_answers': False,
    'shape': SHAPE,
    'settings': {},
    'checkpoint': '',
  }
  return Trained(**{**values, **changes})


def saved(served: ServedModel, folder: pathlib.Path):
  """A function that calls the signatures of the model once it is a file."""
  tf.saved_model.save(
    served.root, str(folder), signatures=dict(served.signatures)
  )
  loaded = tf.saved_model.load(str(folder))

  def call(name, **inputs):
    fields = served.contracts[name].inputs
    tensors = {
      key: tf.constant(value, fields[key].dtype)
      for key, value in inputs.items()
    }
    outputs = loaded.signatures[name](**tensors)
    return {key: value.numpy() for key, value in outputs.items()}

  call.loaded = loaded
  call.contracts = served.contracts
  return call


def png(width: int, height: int, seed: int) -> tuple[bytes, np.ndarray]:
  """A picture of noise, and its pixels."""
  pixels = np.random.default_rng(seed).integers(0, 255, [height, width, 3])
  buffer = io.BytesIO()
  Image.fromarray(pixels.astype(np.uint8)).save(buffer, 'PNG')
  return buffer.getvalue(), pixels


def halves(appearance_size: int = 0) -> EmbeddedDetector:
  """Finds the left and the right half of every image.

  The appearance of a half is its number, that of the image is 7.
  """

  @tf.function(input_signature=[tf.TensorSpec([None], tf.string, 'image')])
  def detect(image):
    def size(encoded):
      return tf.cast(tf.shape(tf.io.decode_image(encoded))[:2], tf.float32)

    height, width = tf.unstack(
      tf.map_fn(size, image, fn_output_signature=tf.TensorSpec([2])), axis=1
    )
    zero, half = tf.zeros_like(width), width / 2
    left = tf.stack([zero, zero, half, height], -1)
    right = tf.stack([half, zero, width, height], -1)
    number = tf.tile([[[1.0], [2.0]]], [tf.size(width), 1, appearance_size])
    return {
      'boxes': tf.stack([left, right], axis=1),
      'categories': tf.tile([[1, 2]], [tf.size(width), 1]),
      'scores': tf.tile([[0.75, 0.5]], [tf.size(width), 1]),
      'top_categories': tf.tile([[[1], [2]]], [tf.size(width), 1, 1]),
      'top_probabilities': tf.tile([[[0.75], [0.5]]], [tf.size(width), 1, 1]),
      'appearance': number,
      'image_appearance': tf.fill([tf.size(width), appearance_size], 7.0),
      'count': tf.fill([tf.size(width)], 2),
      'status': tf.fill([tf.size(width)], ''),
    }

  @tf.function(input_signature=[])
  def list_categories():
    return {'categories': tf.constant(['left', 'right'])}

  functions = {'detect': detect, 'categories': list_categories}
  return EmbeddedDetector(tf.Module(), functions)
