"""The graph that is served: from raw inputs to answers."""

import dataclasses
import functools
from collections.abc import Mapping

import tensorflow as tf

from serving import functions, regions, signatures, statuses
from serving.detector import EmbeddedDetector
from serving.texts import TextReader
from vlbert_tf import elements
from vlbert_tf.data import batching
from vlbert_tf.modeling.vl_bert import FinalStates
from vlbert_tf.tasks import saved
from vlbert_tf.tasks.trained import Trained
from vlbert_tf.text.tokenizer import WordPieceTokenizer

# A task's functions, each with the head that it needs; the first that the
# model has is the export's default.
_FUNCTIONS = {
  saved.VQA: ((functions.Answer, 'answer'), (functions.Attend, 'answer')),
  saved.REFCOCO: ((functions.Ground, 'roi_score'),),
  saved.VCR: ((functions.Choose, 'candidate'),),
  saved.PRETRAINING: (
    (functions.FillMask, 'masked_word'),
    (functions.Match, 'relationship'),
  ),
}

# Of rows with a status.
_BLANKS = dict.fromkeys(('boxes', 'box'), signatures.PADDING_COORDINATE)


class ServedModel:
  """Every signature of a trained model.

  Attributes:
    root: holds all variables, for `tf.saved_model.save`.
    sources: where RoIs may come from, the rawest first.
    contracts: `signatures.Signature` of each, by its key.
  """

  def __init__(
    self, trained: Trained, detector: EmbeddedDetector | None = None
  ):
    """Takes over a model.

    Args:
      trained: what is served.
      detector: that finds the RoIs of requests without boxes; or None.

    Raises:
      ValueError: the detector's appearance has another size than the model
        reads.
    """
    self.root = tf.Module()
    # The variables alone: saving a Keras model would trace all its layers.
    self.root.weights = trained.model.weights
    self._model = trained.model
    self._trained = trained
    self._detector = detector
    self.root.detector = detector and detector.root
    self._reads_features = trained.architecture.resnet is None
    own = signatures.FEATURES if self._reads_features else signatures.BOXES
    self.sources = (own,) if detector is None else (signatures.DETECTED, own)
    if detector is not None and self._reads_features:
      detector.check_appearance(trained.architecture.appearance_size)
    self.contracts: dict[str, signatures.Signature] = {}
    self._calls = {}
    reader = TextReader(WordPieceTokenizer(trained.vocabulary), trained.shape)
    for function in self._known_functions():
      for source in self.sources:
        self._add(function(trained, reader), source)
      if trained.outlines and function.takes_outlines:
        self._add(function(trained, reader), signatures.OUTLINES)
    self._default = next(iter(self.contracts))
    first = self.contracts[self._default]
    self.contracts[signatures.DEFAULT] = dataclasses.replace(
      first, name=signatures.DEFAULT
    )
    if detector is not None:
      self.contracts.update(detector.contracts)

  @functools.cached_property
  def signatures(self):
    """Graphs by the names that a client calls them by."""
    size = self._trained.architecture.appearance_size
    graphs = {
      name: _graph(call, self.contracts[name], size)
      for name, call in self._calls.items()
    }
    graphs[signatures.DEFAULT] = graphs[self._default]
    if self._detector is not None:
      graphs.update(self._detector.signatures)
    return graphs

  def answer_eagerly(
    self, name: str, inputs: batching.Tensors
  ) -> batching.Tensors:
    """Outputs of a signature, operation by operation, without its graph.

    Args:
      name: of a signature.
      inputs: of its contract.
    """
    name = self._default if name == signatures.DEFAULT else name
    if name in self._calls:
      return self._calls[name](**inputs)
    return self._detector.signatures[name](**inputs)

  def _known_functions(self) -> list[type[functions.Function]]:
    trained = self._trained
    known = [
      function
      for function, head in _FUNCTIONS[trained.task]
      if head in trained.heads
    ]
    return [*known, functions.Embed]

  def _add(self, function: functions.Function, source: str) -> None:
    name = signatures.name_on(function.name, source, self.sources[0])
    self.contracts[name] = signatures.signature(function.name, source, name)
    self._calls[name] = functools.partial(self._serve, function, source)

  def _serve(
    self, function: functions.Function, source: str, **inputs: tf.Tensor
  ) -> batching.Tensors:
    inputs = _of_one_batch(inputs)
    found = self._regions(source, inputs)
    text = function.read(inputs, found)
    status = statuses.first(found.status, text.status)
    states = self._states(
      {**text.inputs, **found.inputs}, function.needs_attention
    )
    outputs = function.predict(states, text, found)
    return statuses.only_answered(
      {**outputs, 'boxes': found.boxes}, status, _BLANKS
    )

  def _regions(self, source: str, inputs) -> regions.Regions:
    shape = self._trained.shape
    if source == signatures.BOXES:
      return regions.given(inputs, shape)
    if source == signatures.OUTLINES:
      cells = self._trained.architecture.resnet.pooled_cells
      return regions.given(inputs, shape, cells)
    if source == signatures.FEATURES:
      return regions.featured(inputs, shape)
    features = None
    if self._reads_features:
      features = self._trained.architecture.arithmetic.image_appearance
    return regions.detected(inputs, shape, self._detector.detect, features)

  def _states(self, inputs, return_attention: bool) -> FinalStates:
    backbone = self._model.backbone
    if not self._reads_features:
      return backbone(inputs, return_attention=return_attention)
    real = inputs[elements.ROI_MASK]
    whole = backbone.whole_image(inputs)
    return backbone.encode(
      {**inputs, elements.ROI_MASKED: tf.zeros_like(real)},
      _appearance(inputs),
      tf.concat([whole[:, None], inputs[elements.BOXES]], axis=1),
      return_attention=return_attention,
    )


def _appearance(inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
  """`[B, R + 1, A]`: of the whole image, or the mean, then of the RoIs."""
  rois = inputs[elements.APPEARANCE]
  image = inputs[elements.IMAGE_APPEARANCE]
  real = tf.cast(inputs[elements.ROI_MASK], tf.float32)[..., None]
  mean = tf.reduce_sum(rois * real, axis=1) / tf.reduce_sum(real, axis=1)
  missing = tf.reduce_all(image == 0.0, axis=1, keepdims=True)
  image = tf.where(missing, mean, image)
  return tf.concat([image[:, None], rois], axis=1)


def _of_one_batch(inputs: Mapping[str, tf.Tensor]) -> batching.Tensors:
  """The inputs, once it is sure that they have as many rows."""
  rows = [tf.shape(value)[0] for value in inputs.values()]
  same = tf.debugging.assert_equal(
    tf.stack(rows), rows[0], 'All inputs must have as many rows.'
  )
  # Eagerly the assertion is no operation; it has raised already.
  with tf.control_dependencies([] if same is None else [same]):
    return {name: tf.identity(value) for name, value in inputs.items()}


def _graph(call, contract: signatures.Signature, appearance_size: int):
  """A function whose arguments have the names of a signature's inputs."""
  known = {
    'appearance': (None, None, appearance_size),
    'image_appearance': (None, appearance_size),
  }
  inputs = {
    name: tf.TensorSpec(known.get(name, field.shape), field.dtype, name)
    for name, field in contract.inputs.items()
  }
  # Nothing in it branches on a tensor, and looking for that takes seconds.
  return tf.function(call, autograph=False).get_concrete_function(**inputs)
