"""Converted weights as a function of raw arrays; see docs/checkpoints.md."""

import numpy as np
import tensorflow as tf

from vlbert_tf import elements
from vlbert_tf.checkpoints import folder, models, raw_arrays, raw_text
from vlbert_tf.checkpoints.raw_arrays import Arrays
from vlbert_tf.checkpoints.raw_text import RawText, Section

# What the released code gives RoIs past the last one of any example.
_NO_ROI = -10000.0


def load(path: str, task: str) -> 'LoadedModel':
  """Loads what `vlbert-convert` wrote.

  Args:
    path: of the folder.
    task: `pretrain`, `vqa`, `refcoco` or `vcr`.

  Returns:
    The model.

  Raises:
    ValueError: the folder holds no converted weights, or those of another
      task.
  """
  trained_for = folder.task_of(path)
  if trained_for != task or task not in models.TASKS:
    raise ValueError(
      f'task must be the one that the weights were trained for, {trained_for}, '
      f'and one of {", ".join(models.TASKS)}. Received: {task!r} for {path}.'
    )
  model, report = folder.read(path)
  return LoadedModel(model, report.new)


class LoadedModel:
  """Predictions from raw arrays.

  Attributes:
    model: the Keras model, with `backbone` and the heads of its task.
  """

  def __init__(self, model: models.TaskModel, new: list[str]):
    self.model = model
    self._new_heads = {path.split('.')[0] for path in new}

  def __call__(self, arrays: Arrays) -> dict[str, np.ndarray]:
    """Predicts.

    Args:
      arrays: of a batch, by the names in docs/checkpoints.md.

    Returns:
      float32 arrays by the names in docs/checkpoints.md.

    Raises:
      ValueError: an array is missing, has another shape, or names words or
        RoIs that there are not.
    """
    outputs = self.outputs(arrays)
    return {name: np.asarray(value) for name, value in outputs.items()}

  def outputs(self, arrays: Arrays) -> dict[str, tf.Tensor]:
    """As a call, but as tensors, through which gradients flow."""
    arrays = raw_arrays.named(arrays)
    predict = {
      models.PRETRAIN: self._pretrain,
      models.VQA: self._vqa,
      models.REFCOCO: self._refcoco,
      models.VCR: self._vcr,
    }[self.model.task]
    return predict(arrays)

  def _pretrain(self, arrays):
    ids = raw_arrays.one(arrays, 'text_ids')
    text, rois = self._states(
      arrays, raw_text.given(ids, _lengths(arrays, 'text', ids))
    )
    outputs = {}
    if 'relationship' not in self._new_heads:
      outputs['relationship_logits'] = self.model.relationship.class_logits(
        text
      )
    places = np.argwhere(raw_arrays.one(arrays, 'mlm_labels') >= 0)
    if 'masked_word' not in self._new_heads:
      states = tf.gather_nd(text, places)[:, None]
      first = tf.zeros([len(places), 1], tf.int32)
      outputs['mlm_logits_at_masked'] = self.model.masked_word(states, first)[
        :, 0
      ]
    if 'roi_category' not in self._new_heads:
      logits = self.model.roi_category(rois)
      places = np.argwhere(raw_arrays.one(arrays, 'roi_masked') == 1)
      outputs['mvrc_logits_at_masked'] = tf.gather_nd(logits, places)
      outputs.update(_roi_loss(arrays, logits))
    outputs.update(_other_losses(arrays, outputs))
    losses = [v for name, v in outputs.items() if name.endswith('_loss')]
    return {**outputs, 'loss': tf.add_n(losses)} if losses else outputs

  def _vqa(self, arrays):
    question = _section(arrays, 'question')
    batch = len(question.lengths)
    mask = Section(np.full([batch, 1], raw_text.MASK), np.ones(batch))
    text, _ = self._states(arrays, raw_text.joined(question, mask))
    # [CLS] question [SEP] [MASK] [SEP]
    place = tf.constant(question.lengths + 2, tf.int32)
    return {'answer_logits': self.model.answer(text, place)}

  def _refcoco(self, arrays):
    text = raw_text.joined(_section(arrays, 'query'))
    _, rois = self._states(arrays, text)
    boxes, real = raw_arrays.real_rois(arrays, vcr=False)
    past_all = np.arange(real.shape[1]) >= real.sum(axis=1).max()
    logits = tf.where(past_all, _NO_ROI, self.model.roi_score(rois))
    best = logits.numpy().argmax(axis=1)
    predicted = np.take_along_axis(boxes, best[:, None, None], axis=1)[:, 0]
    return {
      'roi_logits': logits,
      'predicted_boxes': predicted / raw_arrays.scales(arrays),
    }

  def _vcr(self, arrays):
    answers = raw_arrays.one(arrays, 'answer_ids')
    batch, choices = answers.shape[:2]
    question = _section(arrays, 'question')
    every = Section(
      np.repeat(question.ids, choices, axis=0),
      np.repeat(question.lengths, choices),
      None
      if question.rois is None
      else np.repeat(question.rois, choices, axis=0),
    )
    flat = {
      name: value.reshape([batch * choices, *value.shape[2:]])
      for name, value in arrays.items()
      if name.startswith('answer_') and value.ndim >= 2
    }
    text = raw_text.joined(every, _section(flat, 'answer'))
    states, _ = self._states(arrays, text)
    logits = tf.reshape(self.model.candidate(states), [batch, choices])
    return {'answer_logits': logits}

  def _states(self, arrays: Arrays, text: RawText):
    """Final states: `[B, T, D]` and, with the whole image, `[B, R + 1, D]`."""
    self._check_words(text)
    boxes, real = raw_arrays.real_rois(
      arrays, vcr=self.model.task == models.VCR
    )
    hidden = arrays.get('roi_masked', np.zeros(real.shape)) == 1
    inputs = {
      elements.WORD_IDS: tf.constant(text.ids),
      elements.WORD_MASK: tf.constant(text.mask),
      elements.SEGMENT_IDS: tf.constant(text.segments),
      elements.WORD_ROI_INDEX: tf.constant(text.rois),
      elements.ROI_MASK: tf.constant(real[:, 1:]),
      elements.ROI_MASKED: tf.constant((hidden & real)[:, 1:]),
      # Given as width and height.
      elements.IMAGE_SIZE: tf.constant(
        raw_arrays.one(arrays, 'image_size')[:, 1::-1], tf.float32
      ),
    }
    boxes = np.where(real[..., None], boxes, 0.0)
    appearance = self._appearance(arrays, boxes, real)
    states = self.model.backbone.encode(inputs, appearance, tf.constant(boxes))
    rois = tf.concat([states.whole_image[:, None], states.rois], axis=1)
    # Padding has no state; the released code scores it as zeros.
    real = np.repeat(real, len(text.ids) // len(real), axis=0)
    return states.text, tf.where(real[..., None], rois, 0.0)

  def _check_words(self, text: RawText):
    arch = self.model.architecture
    unknown = text.ids[(text.ids < 0) | (text.ids >= arch.vocab_size)]
    if unknown.size:
      raise ValueError(
        f'Ids of words are less than {arch.vocab_size}, the word embeddings '
        f'of the weights. Received: {unknown[0]}.'
      )
    # RoIs and [END] have positions of their own.
    limit = arch.max_positions - 2
    longest = text.mask.sum(axis=1).max()
    if longest > limit or text.ids.shape[1] > arch.max_positions:
      raise ValueError(
        f'A text has at most {limit} elements, by the position embeddings '
        f'of the weights. Received: {longest} in {text.ids.shape[1]} places.'
      )

  def _appearance(self, arrays, boxes, real) -> tf.Tensor:
    if self.model.architecture.resnet is None:
      features = raw_arrays.one(arrays, 'roi_features').astype(np.float32)
      return tf.constant(np.where(real[..., None], features, 0.0))
    # Channels come in the order of the published weights, blue first.
    pixels = raw_arrays.one(arrays, 'image')[:, ::-1].transpose(0, 2, 3, 1)
    outlines = arrays.get('roi_masks')
    # These weights' networks see padding as pixels.
    size = np.broadcast_to(np.float32(pixels.shape[1:3]), [len(pixels), 2])
    return self.model.backbone.roi_features(
      tf.constant(pixels, tf.float32),
      tf.constant(size),
      tf.constant(boxes),
      None if outlines is None else tf.constant(outlines, tf.float32),
    )


def _lengths(arrays: Arrays, name: str, ids: np.ndarray) -> np.ndarray:
  given = arrays.get(f'{name}_len')
  lengths = (ids > 0).sum(axis=1) if given is None else given.reshape(-1)
  return lengths.astype(np.int32)


def _section(arrays: Arrays, name: str) -> Section:
  ids = raw_arrays.one(arrays, f'{name}_ids')
  return Section(ids, _lengths(arrays, name, ids), arrays.get(f'{name}_tags'))


def _roi_loss(arrays: Arrays, logits: tf.Tensor) -> dict[str, tf.Tensor]:
  if 'roi_soft_labels' not in arrays:
    return {}
  labels = arrays['roi_soft_labels'].astype(np.float32)
  valid = np.abs(labels.sum(axis=-1) - 1.0) < 0.1
  losses = tf.nn.softmax_cross_entropy_with_logits(labels[valid], logits[valid])
  return {'mvrc_loss': _mean(losses)}


def _other_losses(arrays: Arrays, outputs) -> dict[str, tf.Tensor]:
  losses = {}
  if 'related' in arrays and 'relationship_logits' in outputs:
    losses['relationship_loss'] = _mean(
      tf.nn.sparse_softmax_cross_entropy_with_logits(
        arrays['related'].reshape(-1).astype(np.int32),
        outputs['relationship_logits'],
      )
    )
  if 'mlm_logits_at_masked' in outputs:
    labels = arrays['mlm_labels'].astype(np.int32)
    losses['mlm_loss'] = _mean(
      tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels[labels >= 0], outputs['mlm_logits_at_masked']
      )
    )
  return losses


def _mean(losses: tf.Tensor) -> tf.Tensor:
  """The mean, 0 where there is nothing."""
  return tf.math.divide_no_nan(
    tf.reduce_sum(losses), tf.cast(tf.size(losses), tf.float32)
  )
