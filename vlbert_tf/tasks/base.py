"""What every task shares: settings, records, architecture, checkpoints."""

import abc
import dataclasses

import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg

from vlbert_tf import elements
from vlbert_tf.checkpoints.native import (
  restore_backbone,
  restore_visual_network,
)
from vlbert_tf.data import batching, example_schema, masking, pipeline
from vlbert_tf.modeling import config as model_config
from vlbert_tf.tasks import steps
from vlbert_tf.text.sequence import TextSequence
from vlbert_tf.text.tokenizer import WordPieceTokenizer
from vlbert_tf.text.vocabulary import read_vocabulary

TEXT_CUT = 'text_cut'  # bool [B], True where words were left out to fit


@dataclasses.dataclass
class TaskConfig(cfg.TaskConfig):
  """What the configurations of all tasks have.

  Attributes:
    vocab_file: BERT's or one's own; see `vlbert-learn-vocabulary`.
    model: the model.
    train_data: records to train on.
    validation_data: records to evaluate on.
    init_checkpoint: checkpoint or model folder whose encoder training starts
      from; empty for random weights.
    init_detector: checkpoint or model folder of a detector whose visual
      network training starts from, after `init_checkpoint` if both are given.
    categories_file: names of the object categories, one a line; by default
      those of the records.
    micro_batches: parts that a replica's batch is taken in, one after the
      other, to need less memory; the step is that of the whole batch.
    flip_probability: that a training image is mirrored, with its boxes (the
      released code: 0.5); texts stay as they are.
  """

  vocab_file: str = ''
  categories_file: str = ''
  micro_batches: int = 1
  flip_probability: float = 0.0
  init_detector: str = ''
  model: model_config.ModelConfig = dataclasses.field(
    default_factory=model_config.ModelConfig
  )
  train_data: pipeline.DataConfig = dataclasses.field(
    default_factory=pipeline.DataConfig
  )
  validation_data: pipeline.DataConfig = dataclasses.field(
    default_factory=lambda: pipeline.DataConfig(split='val', is_training=False)
  )


class RecordTask(steps.SteppingTask):
  """A task on records, for any model."""

  def __init__(self, params, logging_dir=None, name=None):
    super().__init__(params, logging_dir=logging_dir, name=name)
    self.start_step = 0
    self._splits: dict[tuple[str, str], example_schema.SplitInfo] = {}

  @abc.abstractmethod
  def example_source(
    self, split: example_schema.SplitInfo, config: pipeline.DataConfig
  ) -> pipeline.ExampleSource:
    """How records of a split become batches of this task."""

  def examples_in(self, split: example_schema.SplitInfo) -> int:
    """Examples that an evaluation of a split goes through."""
    return split.annotations

  def categories(self) -> tuple[str, ...]:
    """Names of the object categories; the k-th is category k + 1."""
    config = self.task_config
    if config.categories_file:
      with tf.io.gfile.GFile(config.categories_file) as file:
        return tuple(file.read().splitlines())
    data = config.train_data
    return self.open_split(
      data if data.path else config.validation_data
    ).categories

  def open_split(self, config: pipeline.DataConfig) -> example_schema.SplitInfo:
    """The split that a data configuration names, opened once."""
    key = (config.path, config.split)
    if key not in self._splits:
      self._splits[key] = example_schema.open_split(*key)
    return self._splits[key]

  def build_inputs(self, params, input_context=None):
    """Batches of a split; see `pipeline.build_dataset`."""
    split = self.open_split(params)
    return pipeline.build_dataset(
      params,
      split,
      self.example_source(split, params),
      input_context,
      self.start_step,
    )


class VlBertTask(RecordTask):
  """A task of the encoder, for any heads."""

  def __init__(self, params, logging_dir=None, name=None):
    super().__init__(params, logging_dir=logging_dir, name=name)
    if not params.vocab_file:
      raise ValueError(
        'A task needs task.vocab_file, the vocabulary of its word pieces. '
        'Received an empty path. Pass the vocab.txt that came with a '
        'checkpoint, or learn one with vlbert-learn-vocabulary.'
      )
    self.tokenizer = WordPieceTokenizer(read_vocabulary(params.vocab_file))

  @property
  def compiles_step(self) -> bool:
    """Whether XLA compiles a replica's forward and backward pass."""
    return self.task_config.model.xla == 'step'

  def architecture(self) -> model_config.Architecture:
    """The model's architecture, with sizes read from vocabulary and records."""
    return model_config.resolve(
      self.task_config.model,
      self.tokenizer.vocab_size,
      len(self.categories()),
    )

  def batch_shape(self, config: pipeline.DataConfig) -> batching.BatchShape:
    """Shapes that batches are padded to."""
    model = self.task_config.model
    return batching.BatchShape(
      text_buckets=_buckets(
        'text_buckets', config.text_buckets, model.max_text_length
      ),
      roi_buckets=_buckets('roi_buckets', config.roi_buckets, model.max_rois),
      short_side=model.image_short_side,
      long_side=model.image_long_side,
      appearance_size=(
        model.appearance_size if model.visual_features == 'precomputed' else 0
      ),
      show_images=config.show_images,
    )

  def check_flips(self, shape: batching.BatchShape) -> None:
    """Fails where images are to be mirrored that there are none of.

    Raises:
      ValueError: appearance is read from the records.
    """
    if shape.appearance_size and self.task_config.flip_probability:
      raise ValueError(
        'Appearance that was computed beforehand is that of images as they '
        'are. Received: task.model.visual_features=precomputed with '
        f'task.flip_probability={self.task_config.flip_probability}. Set it '
        'to 0.'
      )

  def maybe_flip(
    self,
    visual: batching.Tensors,
    example_id: tf.Tensor,
    epoch: tf.Tensor,
    config: pipeline.DataConfig,
  ) -> tuple[batching.Tensors, tf.Tensor]:
    """Mirrors some of the images, in training.

    Args:
      visual: of one example; see `batching.flip_visual`.
      example_id: scalar string.
      epoch: int64 scalar.
      config: says whether it is training, and gives the seed.

    Returns:
      All keys of `visual`, and a bool scalar: whether they are mirrored.
    """
    probability = self.task_config.flip_probability
    if not (config.is_training and probability):
      return visual, tf.constant(False)
    seed = masking.example_seed(
      config.seed, epoch, example_id, masking.STREAM_FLIP
    )
    flip = tf.random.stateless_uniform([], seed) < probability
    return batching.flip_visual(visual, flip), flip

  def initialize(self, model):
    """Loads `init_checkpoint` and `init_detector`, where they are given.

    Raises:
      ValueError: neither is given and some stages are frozen, or a checkpoint
        does not fit.
    """
    config = self.task_config
    reads_pixels = config.model.visual_features == 'pixels'
    frozen = config.model.frozen_stages if reads_pixels else 0
    if frozen and not (config.init_checkpoint or config.init_detector):
      raise ValueError(
        'Stages of the visual network that do not learn need weights from '
        'task.init_detector or task.init_checkpoint. Received: '
        f'task.model.frozen_stages={frozen} and neither. Name a detector, or '
        'set task.model.frozen_stages=0.'
      )
    if config.init_checkpoint:
      restore_backbone(model, config.init_checkpoint)
    if config.init_detector:
      if config.model.visual_features == 'precomputed':
        raise ValueError(
          'task.init_detector starts the visual network of a model that reads '
          'pixels. Received: it, with task.model.visual_features=precomputed. '
          'Leave it out.'
        )
      restore_visual_network(model.backbone.roi_features, config.init_detector)


def check_kind(
  split: example_schema.SplitInfo,
  path: str,
  kind: str,
  reader: str,
  dataset: str,
) -> None:
  """Fails unless the records of a split are of the kind that a task reads.

  Args:
    split: of the records.
    path: of their folder, for the message.
    kind: of `record_kinds.KINDS`.
    reader: the task, as the message calls it.
    dataset: of `vlbert-build-examples` that makes such records.

  Raises:
    ValueError: they are of another kind.
  """
  if split.kind != kind:
    raise ValueError(
      f'{reader} reads records of {kind}. '
      f'Received: {path}, records of {split.kind}. '
      f'Build them with vlbert-build-examples --dataset={dataset}.'
    )


def sum_loss(
  values: tf.Tensor, weights: tf.Tensor, weight: float = 1.0
) -> steps.Loss:
  """A loss from values and label weights of one shape."""
  weights = tf.cast(weights, tf.float32)
  return steps.Loss(
    tf.reduce_sum(values * weights), tf.reduce_sum(weights), weight
  )


def example_weights(batch: batching.Tensors) -> tf.Tensor:
  """float32 `[B]`, 0 for rows that only fill a batch."""
  return batch[elements.EXAMPLE_WEIGHT]


def _buckets(name: str, buckets, longest: int) -> tuple[int, ...]:
  buckets = tuple(buckets) or (longest,)
  if list(buckets) != sorted(set(buckets)) or buckets[-1] != longest:
    raise ValueError(
      f'{name} must increase and end with the most that the model takes, '
      f'{longest}. Received: {list(buckets)}.'
    )
  return buckets


def built(
  model: tf_keras.Model, inputs: batching.Tensors, seed: int
) -> tf_keras.Model:
  """Creates a model's variables by calling it once.

  Args:
    model: without variables.
    inputs: of the smallest call.
    seed: that the initial weights follow from.

  Returns:
    The model.
  """
  tf_keras.utils.set_random_seed(seed)
  model(inputs)
  # A global seed left set would mix into the shuffles of the input pipeline,
  # whose order is a function of their own seed alone.
  tf.random.set_seed(None)
  return model


def dummy_inputs(architecture: model_config.Architecture) -> batching.Tensors:
  """One small example of what all models of an architecture read."""
  if architecture.resnet is None:
    size = architecture.appearance_size
    visual = {
      elements.APPEARANCE: tf.zeros([1, 1, size]),
      elements.IMAGE_APPEARANCE: tf.zeros([1, size]),
    }
  else:
    visual = {elements.IMAGE: tf.zeros([1, 64, 64, 3])}
  return {
    **visual,
    elements.WORD_IDS: tf.zeros([1, 4], tf.int32),
    elements.WORD_MASK: tf.ones([1, 4], tf.bool),
    elements.SEGMENT_IDS: tf.zeros([1, 4], tf.int32),
    elements.IMAGE_SIZE: tf.constant([[64.0, 64.0]]),
    elements.BOXES: tf.constant([[[0.0, 0.0, 32.0, 32.0]]]),
    elements.ROI_MASK: tf.ones([1, 1], tf.bool),
  }


def padded_text(
  sequence: TextSequence,
  word_ids: tf.RaggedTensor,
  shape: batching.BatchShape,
) -> batching.Tensors:
  """The text of a batch as the model reads it.

  Args:
    sequence: text before masking.
    word_ids: int32 `[B, (n)]`, its words after masking.
    shape: buckets to pad to.

  Returns:
    WORD_IDS, WORD_MASK, SEGMENT_IDS, and TEXT_CUT.
  """
  buckets = shape.text_buckets
  real = tf.cast(tf.ones_like(word_ids), tf.bool)
  return {
    elements.WORD_IDS: batching.pad_text(word_ids, buckets),
    elements.WORD_MASK: batching.pad_text(real, buckets),
    elements.SEGMENT_IDS: batching.pad_text(sequence.segment_ids, buckets),
    TEXT_CUT: sequence.cut,
  }
