"""The model of each task, as checkpoints of converted weights hold it.

Attributes are named as in the models of `vlbert_tf.tasks`, so that those load
the same checkpoints.
"""

import tensorflow as tf
import tf_keras

from vlbert_tf import elements
from vlbert_tf.modeling import heads
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.vl_bert import VlBert

PRETRAIN = 'pretrain'
VQA = 'vqa'
REFCOCO = 'refcoco'
VCR = 'vcr'
TASKS = (PRETRAIN, VQA, REFCOCO, VCR)


class TaskModel(tf_keras.Model):
  """The encoder and the heads of one task."""

  def __init__(
    self, architecture: Architecture, task: str, num_answers: int = 0, **kwargs
  ):
    """Creates all variables.

    Args:
      architecture: of the encoder.
      task: one of `TASKS`.
      num_answers: K, for `VQA`.
      **kwargs: of Keras.
    """
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture
    self.task = task
    self.num_answers = num_answers
    self.backbone = VlBert(architecture, name='backbone')
    states = self.backbone(_smallest_inputs(architecture))
    if task == PRETRAIN:
      self._add_pretraining_heads(states)
    elif task == VQA:
      self.answer = heads.AnswerHead(architecture, num_answers, name='answer')
      self.answer(states.text, tf.zeros([1], tf.int32))
    elif task == REFCOCO:
      self.roi_score = heads.RoiScoreHead(architecture, name='roi_score')
      self.roi_score(states.rois)
    else:
      self.candidate = heads.CandidateHead(architecture, name='candidate')
      self.candidate(states.text)

  def _add_pretraining_heads(self, states):
    arch = self.architecture
    self.relationship = heads.RelationshipHead(arch, name='relationship')
    self.roi_category = heads.RoiCategoryHead(arch, name='roi_category')
    self.visible_roi = heads.VisibleRoiHead(arch, name='visible_roi')
    self.masked_word = heads.MaskedWordHead(
      arch, self.backbone.element_embedding.words, name='masked_word'
    )
    self.relationship(states.text)
    self.roi_category(states.rois)
    self.visible_roi(states.visual)
    self.masked_word(states.text, tf.zeros([1, 1], tf.int32))


def _smallest_inputs(architecture: Architecture) -> dict[str, tf.Tensor]:
  size = architecture.appearance_size
  inputs = {
    elements.WORD_IDS: tf.zeros([1, 4], tf.int32),
    elements.WORD_MASK: tf.ones([1, 4], tf.bool),
    elements.SEGMENT_IDS: tf.zeros([1, 4], tf.int32),
    elements.IMAGE_SIZE: tf.constant([[64.0, 64.0]]),
    elements.BOXES: tf.constant([[[0.0, 0.0, 32.0, 32.0]]]),
    elements.ROI_MASK: tf.ones([1, 1], tf.bool),
  }
  if architecture.resnet is not None:
    return {**inputs, elements.IMAGE: tf.zeros([1, 64, 64, 3])}
  return {
    **inputs,
    elements.APPEARANCE: tf.zeros([1, 1, size]),
    elements.IMAGE_APPEARANCE: tf.zeros([1, size]),
  }
