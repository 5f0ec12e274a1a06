"""Sine and cosine embedding of boxes (VL-BERT §3.2; Relation Networks §3.1)."""

import tensorflow as tf

# Coordinates lie in [0, 1]; Relation Networks scale them by 100 and spread
# the wavelengths over [1, 1000).
_SCALE = 100.0
_LONGEST_WAVELENGTH = 1000.0


def embed_corners(
  boxes: tf.Tensor, image_size: tf.Tensor, geometry_size: int
) -> tf.Tensor:
  """Embeds (x_LT/W, y_LT/H, x_RB/W, y_RB/H).

  Args:
    boxes: float32 `[B, N, 4]`, `(x1, y1, x2, y2)` in pixels.
    image_size: float32 `[B, 2]`, height and width of the same pixels.
    geometry_size: G, a multiple of 8.

  Returns:
    float32 `[B, N, G]`: for each coordinate G/8 sines, then G/8 cosines.
  """
  per_wave = geometry_size // 8
  height, width = image_size[:, 0], image_size[:, 1]
  extent = tf.stack([width, height, width, height], axis=-1)
  position = _SCALE * boxes / extent[:, None, :]
  exponent = tf.range(per_wave, dtype=tf.float32) / per_wave
  phase = position[..., None] / tf.pow(_LONGEST_WAVELENGTH, exponent)
  waves = tf.concat([tf.sin(phase), tf.cos(phase)], axis=-1)
  count = tf.shape(boxes)[1]
  return tf.reshape(waves, [-1, count, geometry_size])


def embed_centers(
  boxes: tf.Tensor, image_size: tf.Tensor, geometry_size: int
) -> tf.Tensor:
  """Embeds (x_center/W, y_center/H, width/W, height/H), as released.

  Args:
    boxes: see `embed_corners`.
    image_size: see `embed_corners`.
    geometry_size: see `embed_corners`.

  Returns:
    As `embed_corners`.
  """
  low, high = boxes[..., :2], boxes[..., 2:]
  centers = tf.concat([(low + high) / 2.0, high - low], axis=-1)
  return embed_corners(centers, image_size, geometry_size)
