"""Pre-training on captions: three tasks at once (VL-BERT §3.3)."""

import dataclasses

import tensorflow as tf
import tf_keras
from official.core import task_factory

from vlbert_tf import elements
from vlbert_tf.data import batching, example_schema, masking, pipeline
from vlbert_tf.modeling import heads
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.vl_bert import VlBert
from vlbert_tf.tasks import base, roi_categories
from vlbert_tf.text.sequence import caption_beside_rois, caption_sequence

# So that half of them is a word between [CLS] and [SEP].
_FEWEST_ELEMENTS = 6


@dataclasses.dataclass
class PretrainingConfig(base.TaskConfig):
  """Settings of pre-training; the defaults are those of VL-BERT §3.3.

  Attributes:
    word_mask_rate: probability that a word piece is masked.
    whole_words: whether the pieces of a word are masked together.
    random_word_share: of masked pieces, those shown as any other piece ...
    kept_word_share: ... and those shown as they are (BERT, and the released
      code: 0.1 each). With `whole_words` the pieces of a word share their fate.
    roi_mask_rate: probability that a RoI is masked.
    kept_roi_share: of masked RoIs, those shown as they are (the released code:
      0.1).
    roi_targets: what masked RoIs are to be named: `hard` is the category that
      the detector gave them, `soft` its likeliest categories by their
      probabilities, scaled to a sum of 1 (the released code).
    swap_probability: probability that a caption is another image's.
    max_masked_fraction: most masked word pieces, over the text's length.
    max_elements: most elements that text, RoIs and whole image have together,
      the longer side being cut first (the released code: 64); 0 is no limit
      but `max_text_length` and `max_rois`.
    mask_unrelated: whether masked words and RoIs of unrelated pairs count in
      their losses. They have no clues on the other side.
    relationship_weight: of the sentence-image relationship loss; a weight of
      0 switches a loss off.
    masked_word_weight: of the masked language modelling loss.
    masked_roi_weight: of the masked RoI classification loss.
    visible_roi_weight: of the classification of RoIs that are not masked, from
      their visual feature embedding alone. Off in the paper, whose visual
      network was trained on categories before; one that starts from random
      weights learns what to tell apart from it (the released code calls it
      CNN regularization).
  """

  word_mask_rate: float = 0.15
  whole_words: bool = False
  random_word_share: float = 0.0
  kept_word_share: float = 0.0
  roi_mask_rate: float = 0.15
  kept_roi_share: float = 0.0
  roi_targets: str = roi_categories.HARD
  swap_probability: float = 0.5
  max_masked_fraction: float = 0.3
  max_elements: int = 0
  mask_unrelated: bool = False
  relationship_weight: float = 1.0
  masked_word_weight: float = 1.0
  masked_roi_weight: float = 1.0
  visible_roi_weight: float = 0.0


class PretrainingModel(tf_keras.Model):
  """The encoder under the three heads of pre-training."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture
    self.backbone = VlBert(architecture, name='backbone')
    self.relationship = heads.RelationshipHead(
      architecture, name='relationship'
    )
    self.roi_category = heads.RoiCategoryHead(architecture, name='roi_category')
    self.visible_roi = heads.VisibleRoiHead(architecture, name='visible_roi')
    self.masked_word = None

  def call(self, inputs, seed=None):
    """Predicts what is hidden; see `elements` for names and shapes."""
    states = self.backbone(inputs, seed)
    if self.masked_word is None:
      # Tied to the word embeddings, which exist from the first call on.
      self.masked_word = heads.MaskedWordHead(
        self.architecture,
        self.backbone.element_embedding.words,
        name='masked_word',
      )
    return {
      elements.RELATIONSHIP_LOGITS: self.relationship(states.text),
      elements.MASKED_WORD_LOGITS: self.masked_word(
        states.text, inputs[elements.MASKED_POSITIONS]
      ),
      elements.ROI_CATEGORY_LOGITS: self.roi_category(states.rois),
      elements.VISIBLE_ROI_LOGITS: self.visible_roi(states.visual),
    }


@task_factory.register_task_cls(PretrainingConfig)
class PretrainingTask(base.VlBertTask):
  """Masked words, masked RoIs, sentence-image relationship."""

  metric_names = (
    'relationship_loss',
    'masked_word_loss',
    'masked_roi_loss',
    'visible_roi_loss',
    'relationship_accuracy',
    'masked_word_accuracy',
    'masked_roi_accuracy',
    'visible_roi_accuracy',
    'cut_texts',
  )

  def __init__(self, params, logging_dir=None, name=None):
    super().__init__(params, logging_dir=logging_dir, name=name)
    roi_categories.check_targets(params.roi_targets)
    if params.max_elements and params.max_elements < _FEWEST_ELEMENTS:
      raise ValueError(
        f'task.max_elements must be 0, or at least {_FEWEST_ELEMENTS}, so that '
        f'a word and a RoI are left. Received: {params.max_elements}.'
      )

  def build_model(self):
    architecture = self.architecture()
    return base.built(
      PretrainingModel(architecture),
      {
        elements.MASKED_POSITIONS: tf.zeros([1, 1], tf.int32),
        **base.dummy_inputs(architecture),
      },
      self.task_config.train_data.seed,
    )

  def example_source(self, split, config):
    base.check_kind(
      split, config.path, example_schema.CAPTIONS, 'Pre-training', 'captions'
    )
    if config.texts_per_image != 1:
      raise ValueError(
        'Each caption hides RoIs of its own in the pixels, so texts_per_image '
        f'must be 1 in pre-training. Received: {config.texts_per_image}.'
      )
    if self._soft_targets:
      roi_categories.check_records(split, config.path)
    shape = self.batch_shape(config)
    self.check_flips(shape)
    table = masking.CaptionTable(*example_schema.read_texts(split))
    return pipeline.ExampleSource(
      prepare=lambda record, epoch: self._prepare(
        record, epoch, table, shape, config
      ),
      finish=lambda batch: self._finish(batch, shape),
    )

  def _prepare(self, record, epoch, table, shape, config):
    row = record[pipeline.ROWS][0]
    example_id = tf.strings.join(
      [record['image/id'], tf.strings.as_string(row)], '#'
    )

    def seed_of(stream):
      return masking.example_seed(config.seed, epoch, example_id, stream)

    caption, related = masking.maybe_swap_caption(
      record['caption/text'][row],
      record['caption/text'],
      record['image/id'],
      table,
      seed_of(masking.STREAM_CAPTION),
      self.task_config.swap_probability,
    )
    visual = batching.decode_visual(record, shape)
    visual, _ = self.maybe_flip(visual, example_id, epoch, config)
    if self._soft_targets:
      visual |= batching.likeliest_categories(record, shape)
    return {
      elements.EXAMPLE_ID: example_id,
      'caption': caption,
      'is_related': related,
      'word_uniform': tf.random.stateless_uniform(
        [shape.text_buckets[-1]], seed_of(masking.STREAM_WORDS)
      ),
      'word_fates': tf.random.stateless_uniform(
        [shape.text_buckets[-1], 2], seed_of(masking.STREAM_FATES)
      ),
      'roi_uniform': tf.random.stateless_uniform(
        tf.shape(visual[elements.ROI_MASK]), seed_of(masking.STREAM_ROIS)
      ),
      **visual,
    }

  def _finish(self, batch, shape):
    config = self.task_config
    batch, sequence = self._fitted(batch, shape)
    words = masking.mask_words(
      sequence,
      batch['word_uniform'],
      masking.WordMasking(
        rate=config.word_mask_rate,
        max_masked=masking.most_masked(
          config.max_masked_fraction, shape.text_buckets[-1]
        ),
        whole_words=config.whole_words,
        random_share=config.random_word_share,
        kept_share=config.kept_word_share,
      ),
      self.tokenizer,
      batch['word_fates'],
    )
    rois = masking.mask_rois(
      batch['roi_uniform'][:, : tf.shape(batch[elements.ROI_MASK])[1]],
      batch[elements.ROI_MASK],
      config.roi_mask_rate,
      config.kept_roi_share,
    )
    batch[elements.ROI_NAMED] = rois.chosen
    batch[elements.ROI_MASKED] = rois.hidden
    return {
      **batching.pad_visual(batch, shape),
      **base.padded_text(sequence, words.word_ids, shape),
      **words.labels_by_name(),
      elements.RELATED: tf.cast(batch['is_related'], tf.float32),
    }

  def _fitted(self, batch, shape):
    """The batch and its texts, cut to the lengths that are set."""
    pieces = self.tokenizer.tokenize(batch['caption'])
    longest, most = shape.text_buckets[-1], self.task_config.max_elements
    if not most:
      return batch, caption_sequence(pieces, self.tokenizer, longest)
    mask = tf.cast(batch[elements.ROI_MASK], tf.int32)
    sequence, rois = caption_beside_rois(
      pieces, tf.reduce_sum(mask, axis=1), self.tokenizer, longest, most
    )
    return batching.first_rois(batch, rois), sequence

  def label_weights(self, batch):
    return {
      'relationship_loss': base.example_weights(batch),
      'masked_word_loss': self._word_weights(batch),
      'masked_roi_loss': self._roi_weights(batch),
      'visible_roi_loss': _visible_weights(batch),
    }

  def compute_losses(self, batch, outputs):
    config, weights = self.task_config, self.label_weights(batch)
    relationship = tf.nn.sigmoid_cross_entropy_with_logits(
      labels=batch[elements.RELATED],
      logits=outputs[elements.RELATIONSHIP_LOGITS],
    )
    words = tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=batch[elements.MASKED_WORD_IDS],
      logits=outputs[elements.MASKED_WORD_LOGITS],
    )
    rois = roi_categories.cross_entropy(
      batch, outputs[elements.ROI_CATEGORY_LOGITS], config.roi_targets
    )
    visible = tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=batch[elements.ROI_CATEGORIES],
      logits=outputs[elements.VISIBLE_ROI_LOGITS],
    )
    return {
      'relationship_loss': base.sum_loss(
        relationship,
        weights['relationship_loss'],
        config.relationship_weight,
      ),
      'masked_word_loss': base.sum_loss(
        words, weights['masked_word_loss'], config.masked_word_weight
      ),
      'masked_roi_loss': base.sum_loss(
        rois, weights['masked_roi_loss'], config.masked_roi_weight
      ),
      'visible_roi_loss': base.sum_loss(
        visible, weights['visible_roi_loss'], config.visible_roi_weight
      ),
    }

  def compute_scores(self, batch, outputs):
    related = outputs[elements.RELATIONSHIP_LOGITS] > 0.0
    words = tf.argmax(outputs[elements.MASKED_WORD_LOGITS], -1, tf.int32)
    rois = tf.argmax(outputs[elements.ROI_CATEGORY_LOGITS], -1, tf.int32)
    visible = tf.argmax(outputs[elements.VISIBLE_ROI_LOGITS], -1, tf.int32)
    weights = base.example_weights(batch)
    return {
      'relationship_accuracy': (
        tf.equal(related, batch[elements.RELATED] > 0.5),
        weights,
      ),
      'masked_word_accuracy': (
        tf.equal(words, batch[elements.MASKED_WORD_IDS]),
        self._word_weights(batch),
      ),
      'masked_roi_accuracy': (
        tf.equal(rois, batch[elements.ROI_CATEGORIES]),
        self._roi_weights(batch),
      ),
      'visible_roi_accuracy': (
        tf.equal(visible, batch[elements.ROI_CATEGORIES]),
        _visible_weights(batch),
      ),
      'cut_texts': (batch[base.TEXT_CUT], weights),
    }

  # Words and RoIs are hidden in unrelated pairs as well, so that nothing but
  # the content tells them from related ones; but they have no clues on the
  # other side, and are not scored (VL-BERT §3.3).

  def _word_weights(self, batch):
    return batch[elements.MASKED_WORD_WEIGHTS] * self._pair_weights(batch)

  def _roi_weights(self, batch):
    named = roi_categories.named(batch, self.task_config.roi_targets)
    return named * self._pair_weights(batch)

  @property
  def _soft_targets(self) -> bool:
    return self.task_config.roi_targets == roi_categories.SOFT

  def _pair_weights(self, batch):
    weights = base.example_weights(batch)
    if not self.task_config.mask_unrelated:
      weights *= batch[elements.RELATED]
    return weights[:, None]


def _visible_weights(batch):
  visible = batch[elements.ROI_MASK] & ~batch[elements.ROI_MASKED]
  return tf.cast(visible, tf.float32) * base.example_weights(batch)[:, None]
