"""What an export answers: one class for each function of `signatures`.

Each reads the texts of a request and turns final states into answers. They
take the encoder and the heads of a model by their names, so that a trained
model and one of converted weights are served alike.
"""

import abc
from typing import ClassVar

import tensorflow as tf

from serving import signatures
from serving.regions import Regions
from serving.texts import Text, TextReader
from vlbert_tf import elements
from vlbert_tf.data import batching
from vlbert_tf.modeling.vl_bert import FinalStates
from vlbert_tf.tasks.refcoco import best_rois
from vlbert_tf.tasks.trained import Trained


class Function(abc.ABC):
  """One thing that is asked of a model.

  Attributes:
    name: in `signatures`.
    needs_attention: whether attention weights are read.
    takes_outlines: whether RoIs may come with outlines, where the model has
      learned from them.
  """

  name: ClassVar[str]
  needs_attention: ClassVar[bool] = False
  takes_outlines: ClassVar[bool] = False

  def __init__(self, trained: Trained, reader: TextReader):
    """Takes over a model.

    Args:
      trained: the model and what belongs to it.
      reader: of its texts.
    """
    self._trained = trained
    self._model = trained.model
    self._reader = reader

  @abc.abstractmethod
  def read(self, inputs: batching.Tensors, regions: Regions) -> Text:
    """The texts of a request."""

  @abc.abstractmethod
  def predict(
    self, states: FinalStates, text: Text, regions: Regions
  ) -> batching.Tensors:
    """The outputs, without `boxes` and `status`."""


class Answer(Function):
  """Answers a question (VL-BERT §3.4)."""

  name = 'answer'
  needs_attention = True

  def __init__(self, trained, reader):
    super().__init__(trained, reader)
    self._answers = tf.constant(trained.answers)

  def read(self, inputs, regions):
    return self._reader.question(inputs['question'])

  def predict(self, states, text, regions):
    logits = self._model.answer(states.text, text.positions)
    independent = self._trained.independent_answers
    probabilities = tf.sigmoid(logits) if independent else tf.nn.softmax(logits)
    count = min(signatures.TOP_ANSWERS, len(self._trained.answers))
    scores, classes = tf.math.top_k(probabilities, count)
    heads = tf.reduce_mean(_attention(states, text, regions, -1), axis=1)
    return {
      'answers': tf.gather(self._answers, classes),
      'scores': scores,
      'attention': heads,
    }


class Attend(Answer):
  """Where each head of each layer looks for the answer."""

  name = 'attend'

  def __init__(self, trained, reader):
    super().__init__(trained, reader)
    self._pieces = tf.constant(trained.vocabulary)

  def predict(self, states, text, regions):
    layers = range(len(states.attention))
    every = [_attention(states, text, regions, layer) for layer in layers]
    words = [_word_attention(states, regions, layer) for layer in layers]
    is_word = text.inputs[elements.WORD_MASK]
    read = tf.cast(is_word, tf.float32)[:, None, None, :, None]
    return {
      'attention': tf.stack(every, axis=1),
      'pieces': _pieces(self._pieces, text),
      'word_attention': tf.stack(words, axis=1) * read,
    }


class Ground(Function):
  """Finds the RoI that an expression means (VL-BERT §3.4)."""

  name = 'ground'

  def read(self, inputs, regions):
    return self._reader.caption(inputs['expression'], 'An expression')

  def predict(self, states, text, regions):
    real = regions.inputs[elements.ROI_MASK]
    logits = self._model.roi_score(states.rois)
    best = best_rois(logits, real)
    scores = tf.where(real, tf.sigmoid(logits), 0.0)
    # A row with a status may have no box at all.
    boxes = tf.pad(regions.boxes, [[0, 0], [0, 1], [0, 0]])
    return {
      'index': tf.cast(best, tf.int32),
      'box': tf.gather(boxes, best, batch_dims=1),
      'scores': _of_given(scores, regions),
    }


class Choose(Function):
  """Chooses among four candidates (VL-BERT §3.4)."""

  name = 'choose'
  takes_outlines = True

  def read(self, inputs, regions):
    return self._reader.choice(inputs, regions.inputs[elements.ROI_MASK])

  def predict(self, states, text, regions):
    logits = self._model.candidate(states.text)
    logits = tf.reshape(logits, [-1, signatures.CANDIDATES])
    return {'probabilities': tf.nn.softmax(logits)}


class FillMask(Function):
  """Names masked words, given the image (VL-BERT §3.3)."""

  name = 'fill_mask'

  def __init__(self, trained, reader):
    super().__init__(trained, reader)
    self._pieces = tf.constant(trained.vocabulary)

  def read(self, inputs, regions):
    return self._reader.masked(inputs['text'])

  def predict(self, states, text, regions):
    logits = self._model.masked_word(states.text, text.positions)
    count = min(signatures.TOP_ANSWERS, len(self._trained.vocabulary))
    scores, words = tf.math.top_k(tf.nn.softmax(logits), count)
    place = tf.range(tf.shape(text.positions)[1])
    asked = (place[None] < text.counts[:, None])[..., None]
    return {
      'words': tf.where(asked, tf.gather(self._pieces, words), ''),
      'scores': tf.where(asked, scores, 0.0),
    }


class Match(Function):
  """Whether a caption describes the image (VL-BERT §3.3)."""

  name = 'match'

  def read(self, inputs, regions):
    return self._reader.caption(inputs['caption'], 'A caption')

  def predict(self, states, text, regions):
    return {'score': tf.sigmoid(self._model.relationship(states.text))}


class Embed(Function):
  """Represents text and RoIs, for any model."""

  name = 'embed'

  def __init__(self, trained, reader):
    super().__init__(trained, reader)
    self._pieces = tf.constant(trained.vocabulary)

  def read(self, inputs, regions):
    return self._reader.caption(inputs['text'], 'A text')

  def predict(self, states, text, regions):
    is_word = text.inputs[elements.WORD_MASK]
    is_roi = regions.inputs[elements.ROI_MASK][..., None]
    vectors = tf.cast(states.text, tf.float32)
    rois = tf.where(is_roi, tf.cast(states.rois, tf.float32), 0.0)
    return {
      'pieces': _pieces(self._pieces, text),
      'text_vectors': tf.where(is_word[..., None], vectors, 0.0),
      'roi_vectors': _of_given(rois, regions),
      'pooled': vectors[:, 0],
    }


def _of_given(x: tf.Tensor, regions: Regions) -> tf.Tensor:
  """`[B, R, ...]` for the R of the request, without the bucket's padding."""
  return x[:, : tf.shape(regions.boxes)[1]]


def _pieces(vocabulary: tf.Tensor, text: Text) -> tf.Tensor:
  """Word pieces, '' in padding, string `[B, T]`."""
  pieces = tf.gather(vocabulary, text.inputs[elements.WORD_IDS])
  return tf.where(text.inputs[elements.WORD_MASK], pieces, '')


def _attention(
  states: FinalStates, text: Text, regions: Regions, layer: int
) -> tf.Tensor:
  """Attention of the answer's place over RoIs, `[B, H, R]`."""
  weights = _word_attention(states, regions, layer)
  return tf.gather(weights, text.positions, axis=2, batch_dims=1)


def _word_attention(
  states: FinalStates, regions: Regions, layer: int
) -> tf.Tensor:
  """Attention of every text element over RoIs, `[B, H, T, R]`."""
  length = tf.shape(states.text)[1]
  real = tf.cast(regions.inputs[elements.ROI_MASK], tf.float32)
  weights = states.attention[layer][:, :, :length, length:-1]
  over_rois = weights * real[:, None, None]
  return over_rois[..., : tf.shape(regions.boxes)[1]]
