"""Training of the detector that finds the RoIs (VL-BERT §3.2, §3.3)."""

import dataclasses

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import task_factory
from official.modeling import hyperparams

from vlbert_tf import elements
from vlbert_tf.checkpoints.native import restore_visual_network
from vlbert_tf.data import batching, example_schema, masking, pipeline
from vlbert_tf.evaluation.detection import ImageResult, mean_average_precision
from vlbert_tf.modeling import config as model_config
from vlbert_tf.tasks import base
from vlbert_tf.vision import detection_losses
from vlbert_tf.vision import image as images
from vlbert_tf.vision.detector_architecture import DetectorArchitecture
from vlbert_tf.vision.faster_rcnn import FasterRcnn

_RESULTS = 'results'  # of a validation step, for the metric of all batches

_RESNETS = {
  'tiny': model_config.THIN_RESNET,
  'base': model_config.RESNET_101,
}


@dataclasses.dataclass
class DetectorConfig(hyperparams.Config):
  """What a YAML file says about the detector.

  Attributes:
    size: of its visual network, as in `ModelConfig`: `tiny` or `base`.
    image_short_side: see `ModelConfig`.
    image_long_side: see `ModelConfig`.
    max_objects: true objects of an image that training looks at.
    frozen_stages: see `ResNetArchitecture`.

  The others are those of `DetectorArchitecture`.
  """

  size: str = 'base'
  image_short_side: int = 600
  image_long_side: int = 1000
  max_objects: int = 100
  frozen_stages: int = 0
  anchor_sizes: list[float] = dataclasses.field(
    default_factory=lambda: [32.0, 64.0, 128.0, 256.0, 512.0]
  )
  anchor_ratios: list[float] = dataclasses.field(
    default_factory=lambda: [0.5, 1.0, 2.0]
  )
  rpn_width: int = 512
  proposals_before_nms: int = 2000
  proposals: int = 300
  sampled_anchors: int = 256
  sampled_rois: int = 128
  roi_positive_fraction: float = 0.25
  candidates: int = 1000
  nms_iou: float = 0.3
  max_rois: int = 100
  min_rois: int = 10
  score_threshold: float = 0.5


@dataclasses.dataclass
class DetectionConfig(cfg.TaskConfig):
  """Settings of detection.

  Attributes:
    detector: the model.
    flip_probability: of training on an image's mirror image.
    init_checkpoint: checkpoint or model folder of a detector, or of a VL-BERT,
      whose visual network training starts from; empty for random weights.
    categories_file: as in `base.TaskConfig`.
    train_data: records to train on; an image is one example.
    validation_data: records to evaluate on.
    micro_batches: must be 1; see `base.TaskConfig`.
  """

  micro_batches: int = 1
  detector: DetectorConfig = dataclasses.field(default_factory=DetectorConfig)
  flip_probability: float = 0.5
  categories_file: str = ''
  train_data: pipeline.DataConfig = dataclasses.field(
    default_factory=pipeline.DataConfig
  )
  validation_data: pipeline.DataConfig = dataclasses.field(
    default_factory=lambda: pipeline.DataConfig(split='val', is_training=False)
  )


@task_factory.register_task_cls(DetectionConfig)
class DetectionTask(base.RecordTask):
  """Faster R-CNN, both stages at once (Ren et al., 2015, §3.2)."""

  metric_names = (
    'anchor_loss',
    'anchor_box_loss',
    'category_loss',
    'box_loss',
    'roi_accuracy',
    'object_accuracy',
  )

  def architecture(self) -> DetectorArchitecture:
    """The detector's architecture."""
    return detector_architecture(
      self.task_config.detector, len(self.categories())
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
    names = iter(self.metric_names)
    weights = base.example_weights(batch)[:, None]
    losses = (
      *detection_losses.anchor_losses(outputs.anchors, outputs.anchor_targets),
      *detection_losses.roi_losses(outputs.rois, outputs.roi_targets),
    )
    return {
      next(names): base.sum_loss(
        loss.values, tf.cast(loss.counted, tf.float32) * weights
      )
      for loss in losses
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
    logs[_RESULTS] = {
      'weight': inputs[elements.EXAMPLE_WEIGHT],
      'real': inputs[elements.ROI_MASK],
      'boxes': inputs[elements.BOXES],
      'categories': inputs[elements.ROI_CATEGORIES],
      'valid': found.valid,
      'found_boxes': found.boxes,
      'found_categories': found.categories,
      'scores': found.scores,
    }
    return logs

  def aggregate_logs(self, state=None, step_logs=None):
    """Keeps the results of all images of a split."""
    state = [] if state is None else state
    results = step_logs[_RESULTS]
    for replica in range(len(results['weight'])):
      rows = {name: value[replica].numpy() for name, value in results.items()}
      state += [
        _image_result({name: value[i] for name, value in rows.items()})
        for i in range(len(rows['weight']))
        if rows['weight'][i]
      ]
    return state

  def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
    """COCO's metrics; see `evaluation.detection`."""
    del global_step
    return mean_average_precision(aggregated_logs)


def detector_architecture(
  config: DetectorConfig, num_categories: int
) -> DetectorArchitecture:
  """Turns settings into numbers.

  Args:
    config: what the user set.
    num_categories: C, object categories of the records.

  Returns:
    The architecture.

  Raises:
    ValueError: the size is unknown, there is no anchor, or res5 would be
      frozen.
  """
  if config.size not in _RESNETS:
    raise ValueError(
      f'detector.size must be one of {", ".join(_RESNETS)}. '
      f'Received: {config.size!r}.'
    )
  if not (config.anchor_sizes and config.anchor_ratios):
    raise ValueError(
      'detector.anchor_sizes and anchor_ratios must each name a number. '
      f'Received: {config.anchor_sizes} and {config.anchor_ratios}.'
    )
  if not 0 <= config.frozen_stages <= 4:
    raise ValueError(
      'detector.frozen_stages must lie between 0 (none) and 4 (up to res4). '
      f'Received: {config.frozen_stages}.'
    )
  values = config.as_dict()
  same = {
    field.name: values[field.name]
    for field in dataclasses.fields(DetectorArchitecture)
    if field.name in values
  }
  same['anchor_sizes'] = tuple(map(float, config.anchor_sizes))
  same['anchor_ratios'] = tuple(map(float, config.anchor_ratios))
  resnet = dataclasses.replace(
    _RESNETS[config.size], frozen_stages=config.frozen_stages
  )
  return DetectorArchitecture(
    resnet=resnet, num_categories=num_categories, **same
  )


def _image_result(row: dict) -> ImageResult:
  return ImageResult(
    boxes=row['boxes'][row['real']],
    categories=row['categories'][row['real']],
    found_boxes=row['found_boxes'][row['valid']],
    found_categories=row['found_categories'][row['valid']],
    scores=row['scores'][row['valid']],
  )
