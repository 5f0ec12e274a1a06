"""The elements that a batch becomes, read back from the sum of embeddings.

Each of the four tables gets one-hot rows in a block of dimensions of its own,
so that the sum tells what it was made of.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from vlbert_tf import elements
from vlbert_tf.modeling import config
from vlbert_tf.modeling.embeddings import ElementEmbedding, VisualParts

_POSITIONS = 32
SEGMENTS = 'ABC'


class Element(NamedTuple):
  """One row of the table.

  Attributes:
    token: its word piece, or [IMG] or [END].
    segment: A, B or C.
    position: its sequence position.
    visual: 'image', or 'RoI 1' and so on: whose visual feature it takes.
  """

  token: str
  segment: str
  position: int
  visual: str


def element_table(batch, row: int, words: list[str]) -> list[Element]:
  """The real elements of one text, in the order of the sequence.

  Args:
    batch: of a task.
    row: of the text.
    words: the vocabulary.
  """
  tokens = [*words, '[IMG]', '[END]']
  texts = batch[elements.WORD_IDS].shape[0]
  image = row // (texts // batch[elements.BOXES].shape[0])
  rois = batch[elements.BOXES].shape[1]
  blocks = np.cumsum([0, len(tokens), rois + 1, 3, _POSITIONS])
  size = int(blocks[-1])
  architecture = dataclasses.replace(
    config.resolve(config.ModelConfig(size='tiny'), len(words), 3),
    hidden_size=size,
    max_positions=_POSITIONS,
    dropout_rate=0.0,
  )
  one_hot = np.eye(size, dtype=np.float32)
  layer = ElementEmbedding(architecture)
  names = (
    elements.WORD_IDS,
    elements.WORD_MASK,
    elements.SEGMENT_IDS,
    elements.WORD_ROI_INDEX,
  )
  inputs = {name: batch[name][row : row + 1] for name in names if name in batch}
  features = tf.constant(one_hot[None, blocks[1] : blocks[2]])
  visual = VisualParts(words=features, rois=features)
  mask = batch[elements.ROI_MASK][image : image + 1]
  hidden = tf.zeros_like(mask)
  layer(inputs, visual, mask, hidden)
  layer.words.assign(one_hot[: len(words)])
  layer.image_token.assign(one_hot[None, len(words)])
  layer.end_token.assign(one_hot[None, len(words) + 1])
  layer.segments.assign(one_hot[blocks[2] : blocks[3]])
  layer.positions.assign(one_hot[blocks[3] : blocks[4]])
  # A norm keeps the order of the dimensions, and so the largest of each block.
  summed, real = layer(inputs, visual, mask, hidden)
  table = []
  for vector in summed[0].numpy()[real[0].numpy()]:
    token, roi, segment, position = (
      int(np.argmax(vector[low:high]))
      for low, high in zip(blocks[:-1], blocks[1:], strict=True)
    )
    table.append(
      Element(
        tokens[token],
        SEGMENTS[segment],
        position,
        f'RoI {roi}' if roi else 'image',
      )
    )
  return table
