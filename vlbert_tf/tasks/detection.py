"""Training of the detector that finds the RoIs (VL-BERT §3.2, §3.3)."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import task_factory

from vlbert_tf import elements
from vlbert_tf.checkpoints.native import restore_visual_network
from vlbert_tf.data import batching, example_schema, masking, pipeline
from vlbert_tf.data.readers import files
from vlbert_tf.evaluation.detection import ImageResult, mean_average_precision
from vlbert_tf.tasks import base
from vlbert_tf.tasks.detector_config import (
  DetectorConfig,
  detector_architecture,
)
from vlbert_tf.vision import detection_losses
from vlbert_tf.vision import image as images
from vlbert_tf.vision.detector_architecture import DetectorArchitecture
from vlbert_tf.vision.faster_rcnn import Detections, FasterRcnn

_RESULTS = 'results'  # of a validation step, for the metric of all batches

_LOSSES = ('anchor_loss', 'anchor_box_loss', 'category_loss', 'box_loss')
_ATTRIBUTE_LOSS = 'attribute_loss'


@dataclasses.dataclass
class DetectionConfig(cfg.TaskConfig):
  """Settings of detection.

  Attributes:
    detector: the model.
    flip_probability: of training on an image's mirror image.
    attribute_loss_weight: of attributes, where records have them.
    init_checkpoint: checkpoint or model folder of a detector, or of a VL-BERT,
      whose visual network training starts from; empty for random weights.
    categories_file: as in `base.TaskConfig`.
    attributes_file: names of the attributes, likewise.
    train_data: records to train on; an image is one example.
    validation_data: records to evaluate on.
    micro_batches: see `base.TaskConfig`; more than one take a third more
      work, since a forward pass of its own counts what the losses look at.
  """

  micro_batches: int = 1
  detector: DetectorConfig = dataclasses.field(default_factory=DetectorConfig)
  flip_probability: float = 0.5
  attribute_loss_weight: float = 0.5
  categories_file: str = ''
  attributes_file: str = ''
  train_data: pipeline.DataConfig = dataclasses.field(
    default_factory=pipeline.DataConfig
  )
  validation_data: pipeline.DataConfig = dataclasses.field(
    default_factory=lambda: pipeline.DataConfig(split='val', is_training=False)
  )


@task_factory.register_task_cls(DetectionConfig)
class DetectionTask(base.RecordTask):
  """Faster R-CNN, both stages at once (Ren et al., 2015, §3.2)."""

  @property
  def metric_names(self):
    """Names of all losses, then of all scores."""
    attributes = (_ATTRIBUTE_LOSS,) if self.attributes() else ()
    return (*_LOSSES, *attributes, 'roi_accuracy', 'object_accuracy')

  def attributes(self) -> tuple[str, ...]:
    """Names of the attributes; the k-th is attribute k + 1."""
    config = self.task_config
    if config.attributes_file:
      return files.read_names(config.attributes_file)
    data = config.train_data
    data = data if data.path else config.validation_data
    if not data.path:
      return ()
    split = self.open_split(data)
    # Those that a detector named are nothing to learn from.
    return split.attributes if split.kind == example_schema.OBJECTS else ()

  def architecture(self) -> DetectorArchitecture:
    """The detector's architecture."""
    return detector_architecture(
      self.task_config.detector, len(self.categories()), len(self.attributes())
    )

  def build_model(self):
    return base.built(
      FasterRcnn(self.architecture()),
      {
        elements.IMAGE: tf.zeros([1, 64, 64, 3]),
        elements.IMAGE_SIZE: tf.constant([[64.0, 64.0]]),
        elements.BOXES: tf.constant([[[0.0, 0.0, 32.0, 32.0]]]),
        elements.ROI_CATEGORIES: tf.ones([1, 1], tf.int32),
        elements.ROI_MASK: tf.ones([1, 1], tf.bool),
        elements.ROI_ATTRIBUTES: tf.ones([1, 1, 1], tf.int32),
      },
      self.task_config.train_data.seed,
    )

  def initialize(self, model):
    """Loads `init_checkpoint` into the visual network, where one is given."""
    path = self.task_config.init_checkpoint
    if path:
      restore_visual_network(model.roi_features, path)

  def batch_shape(self) -> batching.BatchShape:
    """Shapes that batches are padded to; there is no text."""
    config = self.task_config.detector
    return batching.BatchShape(
      text_buckets=(),
      roi_buckets=(config.max_objects,),
      short_side=config.image_short_side,
      long_side=config.image_long_side,
    )

  def example_source(self, split, config):
    shape = self.batch_shape()
    flips = self.task_config.flip_probability if config.is_training else 0.0

    def prepare(record, epoch):
      example_id = record['image/id']
      seed = masking.example_seed(
        config.seed, epoch, example_id, masking.STREAM_FLIP
      )
      visual = batching.decode_visual(record, shape)
      visual[elements.IMAGE], visual[elements.BOXES] = images.maybe_flip(
        visual[elements.IMAGE],
        visual[elements.BOXES],
        tf.random.stateless_uniform([], seed) < flips,
      )
      return {elements.EXAMPLE_ID: example_id[None], **visual}

    def finish(batch):
      example_id = batching.merge_texts(batch[elements.EXAMPLE_ID])
      padded = batching.pad_visual(batch, shape)
      return {**padded, elements.EXAMPLE_ID: example_id}

    return pipeline.ExampleSource(
      prepare=prepare, finish=finish, of_images=True
    )

  def examples_in(self, split: example_schema.SplitInfo) -> int:
    return split.images

  def compute_losses(self, batch, outputs):
    rows = base.example_weights(batch)[:, None]
    targets = outputs.roi_targets
    losses = dict(
      zip(
        _LOSSES,
        (
          *detection_losses.anchor_losses(
            outputs.anchors, outputs.anchor_targets
          ),
          *detection_losses.roi_losses(outputs.rois, targets),
        ),
        strict=True,
      )
    )
    if outputs.attribute_logits is not None:
      losses[_ATTRIBUTE_LOSS] = detection_losses.attribute_losses(
        outputs.attribute_logits, targets
      )
    weights = {_ATTRIBUTE_LOSS: self.task_config.attribute_loss_weight}
    return {
      name: base.sum_loss(
        loss.values,
        tf.cast(loss.counted, tf.float32) * rows,
        weights.get(name, 1.0),
      )
      for name, loss in losses.items()
    }

  def compute_scores(self, batch, outputs):
    targets = outputs.roi_targets
    best = tf.argmax(outputs.rois.category_logits, -1, tf.int32)
    right = tf.equal(best, targets.categories)
    weights = base.example_weights(batch)[:, None]
    sampled = tf.cast(targets.sampled, tf.float32) * weights
    on_object = tf.cast(targets.categories > 0, tf.float32)
    return {
      'roi_accuracy': (right, sampled),
      'object_accuracy': (right, sampled * on_object),
    }

  def validation_step(self, inputs, model, metrics=None):
    """Losses, and what was found, for the metric over all batches."""
    logs = super().validation_step(inputs, model, metrics)
    found = model.detect(inputs[elements.IMAGE], inputs[elements.IMAGE_SIZE])
    logs[_RESULTS] = results_of(inputs, found)
    return logs

  def aggregate_logs(self, state=None, step_logs=None):
    """Keeps the results of all images of a split."""
    state = [] if state is None else state
    results = step_logs[_RESULTS]
    for replica in range(len(results['weight'])):
      rows = {name: value[replica].numpy() for name, value in results.items()}
      state += [
        image_result({name: value[i] for name, value in rows.items()})
        for i in range(len(rows['weight']))
        if rows['weight'][i]
      ]
    return state

  def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
    """COCO's metrics; see `evaluation.detection`."""
    del global_step
    return mean_average_precision(aggregated_logs)


def results_of(batch: batching.Tensors, found: Detections) -> batching.Tensors:
  """What was found on a batch, with what is true and which rows count."""
  return {
    'weight': batch[elements.EXAMPLE_WEIGHT],
    'real': batch[elements.ROI_MASK],
    'boxes': batch[elements.BOXES],
    'categories': batch[elements.ROI_CATEGORIES],
    'valid': found.valid,
    'found_boxes': found.boxes,
    'found_categories': found.categories,
    'scores': found.scores,
  }


def image_result(row: Mapping[str, np.ndarray]) -> ImageResult:
  """A row of `results_of`, without its padding."""
  return ImageResult(
    boxes=row['boxes'][row['real']],
    categories=row['categories'][row['real']],
    found_boxes=row['found_boxes'][row['valid']],
    found_categories=row['found_categories'][row['valid']],
    scores=row['scores'][row['valid']],
  )
