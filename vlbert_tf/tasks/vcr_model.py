"""The model of multiple choice: one text for each candidate (VL-BERT §3.4)."""

import tensorflow as tf
import tf_keras

from vlbert_tf import elements
from vlbert_tf.data.record_kinds import CANDIDATES
from vlbert_tf.modeling import heads
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.vl_bert import VlBert


class VcrModel(tf_keras.Model):
  """The encoder under a score for each candidate, and RoI categories.

  With `names_words` it names masked words as well.
  """

  def __init__(
    self, architecture: Architecture, names_words: bool = False, **kwargs
  ):
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture
    self.backbone = VlBert(architecture, name='backbone')
    self.candidate = heads.CandidateHead(architecture, name='candidate')
    self.roi_category = heads.RoiCategoryHead(architecture, name='roi_category')
    self.names_words, self.masked_word = names_words, None

  def call(self, inputs, seed=None):
    """Scores candidates.

    Args:
      inputs: tensors by the names of `elements`; the four candidates of a
        question stand side by side.
      seed: int32 `[2]` for dropout, or None outside training.

    Returns:
      `elements.CANDIDATE_LOGITS` and `elements.ROI_CATEGORY_LOGITS`; and
      `elements.MASKED_WORD_LOGITS` where it is asked for words.
    """
    states = self.backbone(inputs, seed)
    words = {}
    if self.names_words and elements.MASKED_POSITIONS in inputs:
      words[elements.MASKED_WORD_LOGITS] = self._masked_words(
        states.text, inputs[elements.MASKED_POSITIONS]
      )
    return {
      **words,
      elements.CANDIDATE_LOGITS: tf.reshape(
        self.candidate(states.text), [-1, CANDIDATES]
      ),
      elements.ROI_CATEGORY_LOGITS: self.roi_category(states.rois),
    }

  def _masked_words(self, text, positions):
    if self.masked_word is None:
      # Tied to the word embeddings, which exist from the first call on.
      words = self.backbone.element_embedding.words
      self.masked_word = heads.MaskedWordHead(
        self.architecture, words, name='masked_word'
      )
    return self.masked_word(text, positions)
