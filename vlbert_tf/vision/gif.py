"""GIFs cut to their first frame, before a decoder sees them.

TensorFlow's decoder unfolds all frames of a GIF, however many, to give the
first, and makes its picture as large as the largest of them. A cut GIF costs
one picture whose size is known before.
"""

from typing import NamedTuple

import tensorflow as tf

# Parts of the format (GIF89a, §§17-27), in bytes.
_HEADER = 13  # Signature and logical screen; before a table of colors.
_DESCRIPTOR = 10  # Of a frame, with its introducer.
_EXTENSION, _FRAME, _TRAILER = 0x21, 0x2C, b'\x3b'
_LONGEST_BLOCK = 256  # With the byte that tells its length.

# Real files have a handful before their first frame, and each costs time.
_MOST_EXTENSIONS = 64
# Bytes that are looked at together, and the power of two of the blocks, of two
# bytes at least, that fit into them.
_PIECE = 1 << 14
_DOUBLINGS = 13


class FirstFrame(NamedTuple):
  """The beginning of a GIF.

  Attributes:
    encoded: scalar string, a GIF of one frame.
    height: scalar int32, pixels.
    width: scalar int32, pixels.
  """

  encoded: tf.Tensor
  height: tf.Tensor
  width: tf.Tensor


def first_frame(encoded: tf.Tensor) -> FirstFrame:
  """Cuts a GIF after its first frame, without decoding anything.

  Args:
    encoded: scalar string, the bytes of a GIF.

  Returns:
    `FirstFrame`.

  Raises:
    tf.errors.InvalidArgumentError: the bytes are no such GIF, or end before
      their first frame does.
  """
  start = _after_colors(_HEADER, _bytes(encoded, 10, 1)[0])

  def is_extension(position):
    return _bytes(encoded, position, 1)[0] == _EXTENSION

  def skip_extension(position):
    # What follows an empty one, decoders do not agree on.
    checks = _must(_bytes(encoded, position + 2, 1)[0] > 0)
    with tf.control_dependencies(checks):
      return _after_blocks(encoded, position + 2)

  (start,) = tf.while_loop(
    is_extension,
    lambda position: [skip_extension(position)],
    [start],
    maximum_iterations=_MOST_EXTENSIONS,
  )
  descriptor = _bytes(encoded, start, _DESCRIPTOR)
  with tf.control_dependencies(_must(descriptor[0] == _FRAME)):
    data = _after_colors(start + _DESCRIPTOR, descriptor[9])
  # One byte of the data comes before its blocks.
  end = _after_blocks(encoded, data + 1)
  return FirstFrame(
    tf.strings.join([tf.strings.substr(encoded, 0, end), _TRAILER]),
    height=descriptor[7] + 256 * descriptor[8],
    width=descriptor[5] + 256 * descriptor[6],
  )


def _after_colors(position: tf.Tensor | int, flags: tf.Tensor) -> tf.Tensor:
  """The position after a table of colors, if the flags tell of one."""
  size = 3 * tf.bitwise.left_shift(2, flags % 8)
  return position + tf.where(flags >= 128, size, 0)


def _after_blocks(encoded: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
  """The position after a chain of blocks, which an empty one ends.

  The first byte of a block tells how many follow.
  """

  def walk(position, _):
    piece = _to_numbers(tf.strings.substr(encoded, position, _PIECE))
    size = tf.size(piece)
    # So are most chains until shortly before their end.
    are_longest = tf.reduce_all(piece[::_LONGEST_BLOCK] == _LONGEST_BLOCK - 1)
    reached = tf.cond(are_longest, lambda: size, lambda: _last_reached(piece))
    with tf.control_dependencies(_must(size > 0)):
      return [position + reached, reached < size]

  position, _ = tf.while_loop(
    lambda _, found: ~found, walk, [position, tf.constant(value=False)]
  )
  return position + 1


def _last_reached(piece: tf.Tensor) -> tf.Tensor:
  """The place of the empty block in a piece, or of the first one beyond.

  Walking from block to block would be an operation for each, of which a
  hostile file has one for every two bytes. Here every byte points to where the
  next block would be if one began with it, and pointers grow twice as long at
  a time.
  """
  size = tf.size(piece)
  following = tf.range(size) + tf.where(piece > 0, piece + 1, 0)
  beyond = size + tf.range(_LONGEST_BLOCK)
  following = tf.concat([following, beyond], axis=0)
  for _ in range(_DOUBLINGS):
    following = tf.gather(following, following)
  return following[0]


def _bytes(encoded: tf.Tensor, position: tf.Tensor | int, count: int):
  """int32 `[count]`."""
  part = tf.strings.substr(encoded, position, count)
  return tf.ensure_shape(_to_numbers(part), [count])


def _to_numbers(text: tf.Tensor) -> tf.Tensor:
  """int32, one a byte."""
  return tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int32)


def _must(holds: tf.Tensor) -> list[tf.Operation]:
  """What to wait for, so that a GIF that breaks a rule ends in an error."""
  check = tf.debugging.Assert(holds, ['The bytes are no whole GIF.'])
  # Eagerly the assertion is no operation; it has raised already.
  return [] if check is None else [check]
