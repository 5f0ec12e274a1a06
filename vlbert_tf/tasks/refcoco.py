"""Grounding referring expressions: RefCOCO+ (VL-BERT §3.4 and §4.2.3)."""

import dataclasses

import tensorflow as tf
import tf_keras
from official.core import task_factory

from vlbert_tf import boxes, elements
from vlbert_tf.data import batching, example_schema, pipeline
from vlbert_tf.evaluation.refcoco import MIN_IOU
from vlbert_tf.modeling import heads
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.vl_bert import VlBert
from vlbert_tf.tasks import base
from vlbert_tf.text.sequence import caption_sequence, mirror_words

EXPRESSION_ID = 'expression_id'  # int64 [B]
QUERY = 'query'  # string [B]
ORIGINAL_SIZE = 'original_size'  # float32 [B / G, 2], height and width


@dataclasses.dataclass
class RefcocoConfig(base.TaskConfig):
  """Settings of grounding referring expressions.

  Attributes:
    flip_probability: as in `base.TaskConfig`; the words left and right of the
      query change places.
  """

  flip_probability: float = 0.5


class RefcocoModel(tf_keras.Model):
  """The encoder under a score for each RoI."""

  def __init__(self, architecture: Architecture, **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture
    self.backbone = VlBert(architecture, name='backbone')
    self.roi_score = heads.RoiScoreHead(architecture, name='roi_score')

  def call(self, inputs, seed=None):
    """Maps tensors by the names of `elements` to `elements.ROI_LOGITS`."""
    states = self.backbone(inputs, seed)
    return {elements.ROI_LOGITS: self.roi_score(states.rois)}


@task_factory.register_task_cls(RefcocoConfig)
class RefcocoTask(base.VlBertTask):
  """Binary cross-entropy on each RoI; the highest score is the answer."""

  metric_names = ('roi_loss', 'accuracy', 'chance', 'cut_texts')

  def build_model(self):
    architecture = self.architecture()
    return base.built(
      RefcocoModel(architecture),
      base.dummy_inputs(architecture),
      self.task_config.train_data.seed,
    )

  def example_source(self, split, config):
    base.check_kind(
      split, config.path, example_schema.EXPRESSIONS, 'Grounding', 'refcoco'
    )
    shape = self.batch_shape(config)
    self.check_flips(shape)
    return pipeline.ExampleSource(
      prepare=lambda record, epoch: self._prepare(record, epoch, shape, config),
      finish=lambda batch: self._finish(batch, shape),
    )

  def _prepare(self, record, epoch, shape, config):
    rows = record[pipeline.ROWS]
    ids = tf.gather(record['expression/id'], rows)
    queries = tf.gather(record['expression/text'], rows)
    size = tf.cast(
      tf.stack([record['image/height'], record['image/width']]), tf.float32
    )
    visual = batching.decode_visual(record, shape)
    ratio = visual[elements.IMAGE_SIZE] / size
    visual[elements.TARGET_BOX] = boxes.rescale(
      tf.gather(record['expression/box'], rows), ratio[0], ratio[1]
    )
    visual, flip = self.maybe_flip(
      visual, tf.strings.as_string(ids[0]), epoch, config
    )
    return {
      elements.EXAMPLE_ID: tf.strings.as_string(ids),
      EXPRESSION_ID: ids,
      QUERY: mirror_words(queries, flip),
      ORIGINAL_SIZE: size,
      **visual,
    }

  def _finish(self, batch, shape):
    for name in (
      elements.EXAMPLE_ID,
      EXPRESSION_ID,
      QUERY,
      elements.TARGET_BOX,
    ):
      batch[name] = batching.merge_texts(batch[name])
    sequence = caption_sequence(
      self.tokenizer.tokenize(batch[QUERY]),
      self.tokenizer,
      shape.text_buckets[-1],
    )
    return {
      **batching.pad_visual(batch, shape),
      **base.padded_text(sequence, sequence.word_ids, shape),
    }

  def label_weights(self, batch):
    _, real = roi_targets(batch)
    weights = base.example_weights(batch)[:, None]
    return {'roi_loss': tf.cast(real, tf.float32) * weights}

  def compute_losses(self, batch, outputs):
    fits, _ = roi_targets(batch)
    loss = tf.nn.sigmoid_cross_entropy_with_logits(
      labels=tf.cast(fits, tf.float32), logits=outputs[elements.ROI_LOGITS]
    )
    weights = self.label_weights(batch)['roi_loss']
    return {'roi_loss': base.sum_loss(loss, weights)}

  def compute_scores(self, batch, outputs):
    fits, real = roi_targets(batch)
    best = best_rois(outputs[elements.ROI_LOGITS], real)
    right = tf.gather(fits, best, batch_dims=1)
    weights = base.example_weights(batch)
    fitting = tf.reduce_sum(tf.cast(fits, tf.float32), axis=1)
    chance = fitting / tf.reduce_sum(tf.cast(real, tf.float32), axis=1)
    return {
      'accuracy': (right, weights),
      'chance': (chance, weights),
      'cut_texts': (batch[base.TEXT_CUT], weights),
    }


def roi_targets(batch: batching.Tensors) -> tuple[tf.Tensor, tf.Tensor]:
  """Which RoIs are the object that a query means.

  Args:
    batch: of B queries on B / G images.

  Returns:
    bool `[B, R]`, True where a RoI overlaps the target by more than `MIN_IOU`;
    and bool `[B, R]`, True where there is a RoI.
  """
  target = batch[elements.TARGET_BOX]
  texts_per_image = tf.shape(target)[0] // tf.shape(batch[elements.BOXES])[0]
  rois = tf.repeat(batch[elements.BOXES], texts_per_image, axis=0)
  real = tf.repeat(batch[elements.ROI_MASK], texts_per_image, axis=0)
  overlap = boxes.iou(rois, target[:, None])[..., 0]
  return (overlap > MIN_IOU) & real, real


def best_rois(logits: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
  """The RoI of highest score, int64 `[B]`; padding is never chosen.

  Args:
    logits: float32 `[B, R]`.
    real: bool `[B, R]`.
  """
  return tf.argmax(tf.where(real, logits, logits.dtype.min), axis=1)
