"""Visual commonsense reasoning: VCR (VL-BERT §3.4 and §4.2.1)."""

import dataclasses

import tensorflow as tf
from official.core import task_factory

from vlbert_tf import elements
from vlbert_tf.data import (
  batching,
  example_schema,
  masking,
  outlines,
  pipeline,
)
from vlbert_tf.data.record_kinds import CANDIDATES
from vlbert_tf.tasks import base
from vlbert_tf.tasks.vcr_model import VcrModel
from vlbert_tf.text.sequence import choice_sequence
from vlbert_tf.text.tagged import TaggedPieces, tokenize_tagged

QUESTION_ID = 'question_id'  # string [B / 4]

ANSWER = 'answer'
RATIONALE = 'rationale'
SUB_TASKS = (ANSWER, RATIONALE)

# Tags count from 1 in batches, so that padding is none.
_CONTEXT = ('context', 'context_tags')
_CANDIDATE = ('candidate', 'candidate_tags')
_ROI_TAGS = 'roi_tags'
_WORD_UNIFORM = 'word_uniform'


@dataclasses.dataclass
class VcrConfig(base.TaskConfig):
  """Settings of visual commonsense reasoning.

  Attributes:
    sub_task: `answer` (Q→A: question, then an answer) or `rationale` (QA→R:
      question and answer, then a rationale).
    condition_on: number of the answer that a rationale is to support; -1 is
      the right one.
    roi_mask_rate: probability that a RoI is masked in training.
    kept_roi_share: of masked RoIs, those shown as they are (the released code:
      0.1).
    masked_roi_weight: of the masked RoI classification loss; 0 is none.
    masked_word_weight: of the masked language modelling loss, on the words
      around the right candidate. At 0 no word is hidden, as in the paper, which
      found that it lowers accuracy.
    word_mask_rate: probability that a word piece is masked in training, where
      that loss is on.
    max_masked_fraction: most masked word pieces, over the text's length.
    outlines: whether the visual network sees of an object what is inside its
      polygons, as in the released code, rather than its box.
  """

  sub_task: str = ANSWER
  condition_on: int = -1
  roi_mask_rate: float = 0.15
  kept_roi_share: float = 0.0
  masked_roi_weight: float = 1.0
  masked_word_weight: float = 0.0
  word_mask_rate: float = 0.15
  max_masked_fraction: float = 0.3
  outlines: bool = False


@task_factory.register_task_cls(VcrConfig)
class VcrTask(base.VlBertTask):
  """Cross-entropy over four candidates, and masked RoI classification."""

  @property
  def metric_names(self):
    """Names of all losses, then of all scores."""
    words = ('masked_word_loss',) if self._names_words else ()
    scores = ('masked_word_accuracy',) if self._names_words else ()
    return (
      *('candidate_loss', 'masked_roi_loss', *words),
      *('accuracy', 'masked_roi_accuracy', 'cut_texts', *scores),
    )

  @property
  def _names_words(self) -> bool:
    return self.task_config.masked_word_weight > 0.0

  def __init__(self, params, logging_dir=None, name=None):
    super().__init__(params, logging_dir=logging_dir, name=name)
    if params.sub_task not in SUB_TASKS:
      raise ValueError(
        f'task.sub_task must be one of {", ".join(SUB_TASKS)}. '
        f'Received: {params.sub_task!r}.'
      )
    if params.outlines and params.model.visual_features != 'pixels':
      raise ValueError(
        'Outlines are seen in pixels. Received: task.outlines=true with '
        f'task.model.visual_features={params.model.visual_features}. Set one '
        'of them otherwise.'
      )

  def build_model(self):
    architecture = self.architecture()
    inputs = base.dummy_inputs(architecture)
    for name in (elements.WORD_IDS, elements.WORD_MASK, elements.SEGMENT_IDS):
      inputs[name] = tf.repeat(inputs[name], CANDIDATES, axis=0)
    inputs[elements.MASKED_POSITIONS] = tf.zeros([CANDIDATES, 1], tf.int32)
    return base.built(
      VcrModel(architecture, self._names_words),
      inputs,
      self.task_config.train_data.seed,
    )

  def example_source(self, split, config):
    base.check_kind(
      split, config.path, example_schema.CHOICES, 'Multiple choice', 'vcr'
    )
    shape = self.batch_shape(config)
    self.check_flips(shape)
    return pipeline.ExampleSource(
      prepare=lambda record, epoch: self._prepare(record, epoch, shape, config),
      finish=lambda batch: self._finish(batch, shape, config.is_training),
      texts=CANDIDATES,
    )

  def _prepare(self, record, epoch, shape, config):
    rows = record[pipeline.ROWS]
    ids = tf.gather(record['choice/id'], rows)
    visual = batching.decode_visual(record, shape)
    if self.task_config.outlines:
      most = shape.roi_buckets[-1]
      visual[elements.ROI_CELL_MASKS] = outlines.cell_masks(
        record['roi/polygons'][:most],
        record['roi/box'][:most],
        self.architecture().resnet.pooled_cells,
      )
    visual, _ = self.maybe_flip(visual, ids[0], epoch, config)
    seed = masking.example_seed(config.seed, epoch, ids[0], masking.STREAM_ROIS)
    uniform = tf.random.stateless_uniform(
      tf.shape(visual[elements.ROI_MASK]), seed
    )
    # What is to be judged is seen as a whole.
    rate = self.task_config.roi_mask_rate if config.is_training else 0.0
    rois = masking.mask_rois(
      uniform,
      visual[elements.ROI_MASK],
      rate,
      self.task_config.kept_roi_share,
    )
    answer_labels = tf.gather(record['choice/answer_label'], rows)
    labels = answer_labels
    if self.task_config.sub_task == RATIONALE:
      labels = tf.gather(record['choice/rationale_label'], rows)
    return {
      elements.EXAMPLE_ID: ids,
      QUESTION_ID: ids,
      elements.CANDIDATE_LABEL: tf.cast(labels, tf.int32),
      elements.ROI_NAMED: rois.chosen,
      elements.ROI_MASKED: rois.hidden,
      _ROI_TAGS: record['roi/tag'][: shape.roi_buckets[-1]] + 1,
      **self._texts(record, rows, answer_labels),
      **visual,
      **self._word_uniform(ids, epoch, shape, config.seed),
    }

  def _word_uniform(self, ids, epoch, shape, seed):
    """float32 `[G, 4, L]`, by which words are hidden."""
    if not self._names_words:
      return {}
    stream = masking.example_seed(seed, epoch, ids[0], masking.STREAM_WORDS)
    size = [tf.size(ids), CANDIDATES, shape.text_buckets[-1]]
    return {_WORD_UNIFORM: tf.random.stateless_uniform(size, stream)}

  def _texts(self, record, rows, answer_labels):
    """Both sections as strings `[G, 4]`, words and tags."""
    sections = {}
    fields = (('question', 'answers', 'rationales'),)
    fields += (('question_tags', 'answer_tags', 'rationale_tags'),)
    for part, names in enumerate(fields):
      question, answers, rationales = (
        tf.gather(record[f'choice/{name}'], rows) for name in names
      )
      context, candidates = question, answers
      if self.task_config.sub_task == RATIONALE:
        chosen = tf.fill(tf.shape(rows), self.task_config.condition_on)
        if self.task_config.condition_on < 0:
          chosen = tf.maximum(tf.cast(answer_labels, tf.int32), 0)
        answer = tf.gather(answers, chosen, batch_dims=1)
        context = tf.strings.join([question, answer], ' ')
        candidates = rationales
      sections[_CONTEXT[part]] = tf.repeat(context[:, None], CANDIDATES, 1)
      sections[_CANDIDATE[part]] = candidates
    return sections

  def _finish(self, batch, shape, is_training):
    for name in (
      elements.EXAMPLE_ID,
      QUESTION_ID,
      elements.CANDIDATE_LABEL,
    ):
      batch[name] = batching.merge_texts(batch[name])
    texts_per_image = (
      tf.size(batch[_CANDIDATE[0]]) // tf.shape(batch[elements.BOXES])[0]
    )
    roi_tags = tf.repeat(batch.pop(_ROI_TAGS), texts_per_image, axis=0)
    sequence, rois = choice_sequence(
      self._pieces(batch, _CONTEXT, roi_tags),
      self._pieces(batch, _CANDIDATE, roi_tags),
      self.tokenizer,
      shape.text_buckets[-1],
    )
    word_ids, labels = sequence.word_ids, {}
    if self._names_words:
      words = self._mask_words(batch, sequence, shape, is_training)
      word_ids, labels = words.word_ids, words.labels_by_name()
    return {
      **batching.pad_visual(batch, shape),
      **base.padded_text(sequence, word_ids, shape),
      **labels,
      elements.WORD_ROI_INDEX: batching.pad_text(rois, shape.text_buckets),
    }

  def _mask_words(self, batch, sequence, shape, is_training):
    """Hides words of all candidates, so that no mask tells the right one."""
    longest = shape.text_buckets[-1]
    config = self.task_config
    return masking.mask_words(
      sequence,
      tf.reshape(batch.pop(_WORD_UNIFORM), [-1, longest]),
      masking.WordMasking(
        rate=config.word_mask_rate if is_training else 0.0,
        max_masked=masking.most_masked(config.max_masked_fraction, longest),
      ),
      self.tokenizer,
    )

  def _pieces(self, batch, names, roi_tags) -> TaggedPieces:
    """Word pieces of one section, each with the RoI that it names."""
    words, tags = (tf.reshape(batch.pop(name), [-1]) for name in names)
    pieces = tokenize_tagged(words, tags, self.tokenizer)
    tag = pieces.tags.to_tensor(-1)
    same = (tag[:, :, None] + 1 == tf.cast(roi_tags, tf.int32)[:, None]) & (
      tag[:, :, None] >= 0
    )
    # A RoI that is not there leaves the whole image, 0.
    place = tf.where(
      tf.reduce_any(same, -1),
      tf.argmax(tf.cast(same, tf.int32), -1, tf.int32) + 1,
      0,
    )
    lengths = pieces.ids.row_lengths()
    return TaggedPieces(pieces.ids, tf.RaggedTensor.from_tensor(place, lengths))

  def label_weights(self, batch):
    weights = {
      'candidate_loss': _labeled(batch),
      'masked_roi_loss': _masked_rois(batch)[1],
    }
    if self._names_words:
      weights['masked_word_loss'] = _word_weights(batch)
    return weights

  def compute_losses(self, batch, outputs):
    weights = self.label_weights(batch)
    logits = outputs[elements.CANDIDATE_LOGITS]
    label = batch[elements.CANDIDATE_LABEL]
    candidates = tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=tf.maximum(label, 0), logits=logits
    )
    categories, _ = _masked_rois(batch)
    rois = tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=categories, logits=outputs[elements.ROI_CATEGORY_LOGITS]
    )
    losses = {
      'candidate_loss': base.sum_loss(candidates, weights['candidate_loss']),
      'masked_roi_loss': base.sum_loss(
        rois, weights['masked_roi_loss'], self.task_config.masked_roi_weight
      ),
    }
    if self._names_words:
      words = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=batch[elements.MASKED_WORD_IDS],
        logits=outputs[elements.MASKED_WORD_LOGITS],
      )
      losses['masked_word_loss'] = base.sum_loss(
        words, weights['masked_word_loss'], self.task_config.masked_word_weight
      )
    return losses

  def compute_scores(self, batch, outputs):
    best = tf.argmax(outputs[elements.CANDIDATE_LOGITS], -1, tf.int32)
    categories, weights = _masked_rois(batch)
    rois = tf.argmax(outputs[elements.ROI_CATEGORY_LOGITS], -1, tf.int32)
    cut = tf.reshape(batch[base.TEXT_CUT], [-1, CANDIDATES])
    scores = {
      'accuracy': (
        tf.equal(best, batch[elements.CANDIDATE_LABEL]),
        _labeled(batch),
      ),
      'masked_roi_accuracy': (tf.equal(rois, categories), weights),
      'cut_texts': (tf.reduce_any(cut, 1), base.example_weights(batch)),
    }
    if self._names_words:
      words = tf.argmax(outputs[elements.MASKED_WORD_LOGITS], -1, tf.int32)
      right = tf.equal(words, batch[elements.MASKED_WORD_IDS])
      scores['masked_word_accuracy'] = (right, _word_weights(batch))
    return scores


def judgements(sub_task: str) -> list[tuple[str, int]]:
  """What a model of a sub-task judges in a submission.

  Returns:
    Names of groups of four columns, with the answer that the candidates are
    to support, -1 where there is none.
  """
  if sub_task == ANSWER:
    return [(ANSWER, -1)]
  return [(f'{RATIONALE}_conditioned_on_a{k}', k) for k in range(CANDIDATES)]


def _labeled(batch: batching.Tensors) -> tf.Tensor:
  """float32 `[B / 4]`, 0 where the right candidate is not public."""
  known = batch[elements.CANDIDATE_LABEL] >= 0
  return base.example_weights(batch) * tf.cast(known, tf.float32)


def _word_weights(batch: batching.Tensors) -> tf.Tensor:
  """float32 `[B, M]`: a wrong candidate gives its words no clues."""
  right = tf.one_hot(batch[elements.CANDIDATE_LABEL], CANDIDATES)
  right *= base.example_weights(batch)[:, None]
  return batch[elements.MASKED_WORD_WEIGHTS] * tf.reshape(right, [-1])[:, None]


def _masked_rois(
  batch: batching.Tensors,
) -> tuple[tf.Tensor, tf.Tensor]:
  """Categories and label weights of RoIs, `[B, R]` each."""
  texts = CANDIDATES * tf.shape(batch[elements.CANDIDATE_LABEL])[0]
  repeats = texts // tf.shape(batch[elements.BOXES])[0]
  masked = tf.cast(batch[elements.ROI_NAMED], tf.float32)
  # All four candidates see the same masked RoIs.
  weights = tf.repeat(base.example_weights(batch), CANDIDATES)[:, None]
  return (
    tf.repeat(batch[elements.ROI_CATEGORIES], repeats, axis=0),
    tf.repeat(masked, repeats, axis=0) * weights,
  )
