"""A SavedModel with a detector's signatures, whose boxes one can foretell."""

import pathlib

import tensorflow as tf

CATEGORIES = ('left', 'right')
ATTRIBUTES = ('red', 'big', 'old')
APPEARANCE_SIZE = 4


def _pixels(encoded):
  """The first frame of an animation, as the real one sees it."""
  return tf.io.decode_image(encoded, expand_animations=False)


class _Halves(tf.Module):
  """Finds the left half of every image, and the right one of wide images."""

  @tf.function(input_signature=[tf.TensorSpec([None], tf.string, 'image')])
  def detect(self, image):
    def size(encoded):
      return tf.cast(tf.shape(_pixels(encoded))[:2], tf.float32)

    height, width = tf.unstack(
      tf.map_fn(size, image, fn_output_signature=tf.TensorSpec([2])), axis=1
    )
    zero, half = tf.zeros_like(width), width / 2
    wide = width > height
    left = tf.stack([zero, zero, half, height], -1)
    right = tf.stack([half, zero, width, height], -1)
    boxes = tf.stack([left, tf.where(wide[:, None], right, -1.0)], axis=1)
    scores = tf.where(boxes[..., 0] >= 0, tf.constant([[0.75, 0.5]]), 0.0)
    size = tf.stack([width, height], -1)

    def described(first, last):
      """Appearance: two numbers with width and height between them."""
      first = first + tf.zeros([tf.size(width), tf.size(first)])
      between = tf.tile(size[:, None], [1, tf.shape(first)[1], 1])
      return tf.concat(
        [first[..., None], between, tf.fill(tf.shape(first), last)[..., None]],
        axis=-1,
      )

    return {
      'appearance': described(tf.constant([1.0, 2.0]), 0.1),
      'image_appearance': described(tf.constant([0.0]), 0.25)[:, 0],
      'top_categories': tf.tile([[[1, 2], [2, 1]]], [tf.size(width), 1, 1]),
      'top_probabilities': tf.stack([scores, 0.125 * scores], -1),
      'attributes': tf.tile([[1, 3]], [tf.size(width), 1]),
      'attribute_scores': 0.5 * scores,
      'boxes': boxes,
      'categories': tf.tile([[1, 2]], [tf.size(width), 1]),
      'scores': scores,
      'count': 1 + tf.cast(wide, tf.int32),
    }

  @tf.function(
    input_signature=[
      tf.TensorSpec([None], tf.string, 'image'),
      tf.TensorSpec([None, None, 4], tf.float32, 'boxes'),
    ]
  )
  def describe(self, image, boxes):
    """Appearance: the box itself; of the image: its first box."""
    del image
    return {'appearance': boxes, 'image_appearance': boxes[:, 0]}

  @tf.function(input_signature=[])
  def list_categories(self):
    return {'categories': tf.constant(CATEGORIES)}

  @tf.function(input_signature=[])
  def list_attributes(self):
    return {'attributes': tf.constant(ATTRIBUTES)}


def write(folder: pathlib.Path) -> str:
  """Writes the model and returns its folder."""
  model = _Halves()
  tf.saved_model.save(
    model,
    str(folder),
    {
      'detect': model.detect,
      'categories': model.list_categories,
      'attributes': model.list_attributes,
      'appearance': model.describe,
    },
  )
  return str(folder)
