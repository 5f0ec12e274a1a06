"""The detector as it is served: from the bytes of images to their RoIs."""

import dataclasses
import os
from collections.abc import Callable

import tensorflow as tf

from serving import detector_signatures, regions, signatures, statuses
from serving.decoding import decode_images
from vlbert_tf import elements
from vlbert_tf.boxes import clip, rescale
from vlbert_tf.data import batching, version_folders
from vlbert_tf.tasks import saved
from vlbert_tf.tasks.detection import DetectionTask
from vlbert_tf.vision.faster_rcnn import FasterRcnn

_SAVED_MODEL = 'saved_model.pb'
# Numbers of given boxes that are computed alike.
_BOX_BUCKETS = (8, 16, 32, 64, 128, 256)


class DetectorModule:
  """RoIs from images, and the appearance of boxes that others have found.

  Attributes:
    contracts: what goes into and comes out of its signatures.
    root: holds all variables, for `tf.saved_model.save`.
    signatures: functions by the names that a client calls them by.
  """

  def __init__(self, task: DetectionTask, model: FasterRcnn):
    """Takes over a trained detector.

    Args:
      task: of the model; its records give the names of the categories.
      model: with its trained weights.
    """
    self.root = tf.Module()
    # The variables alone: saving a Keras model would trace all its layers.
    self.root.weights = model.weights
    self._model = model
    self._shape = task.batch_shape()
    self._box_shape = dataclasses.replace(self._shape, roi_buckets=_BOX_BUCKETS)
    self._names = {
      signatures.CATEGORIES.name: tf.constant(task.categories()),
      detector_signatures.ATTRIBUTES.name: tf.constant(
        task.attributes(), tf.string
      ),
    }
    contracts = detector_signatures.of_detector(bool(task.attributes()))
    appearance = detector_signatures.APPEARANCE
    self.contracts = {**contracts, appearance.name: appearance}
    calls = {
      signatures.DETECT.name: self._detect,
      appearance.name: self._describe,
    }
    self.signatures = {
      name: self._graph(contract, calls.get(name))
      for name, contract in self.contracts.items()
    }

  def _graph(self, contract, call):
    """A function of the inputs of a contract, or one that tells names."""
    if call is None:
      name, names = contract.name, self._names[contract.name]
      return tf.function(
        lambda: {name: tf.identity(names)},
        autograph=False,
        input_signature=[],
      )
    return tf.function(
      call,
      autograph=False,
      input_signature=[
        tf.TensorSpec(field.shape, field.dtype, name)
        for name, field in contract.inputs.items()
      ],
    )

  def answer_eagerly(
    self, name: str, inputs: batching.Tensors
  ) -> batching.Tensors:
    """Outputs of a signature, operation by operation, without its graph."""
    if name in self._names:
      return {name: self._names[name]}
    if name == signatures.DETECT.name:
      return self._detect(**inputs)
    return self._describe(**inputs)

  def _detect(self, image):
    decoded = decode_images(image, self._shape)
    batch = batching.pad_image(
      {
        elements.IMAGE: decoded.pixels,
        elements.IMAGE_SIZE: decoded.size,
      },
      self._shape,
    )
    rois = self._model.detect_rois(
      batch[elements.IMAGE], batch[elements.IMAGE_SIZE]
    )
    found = rois.detections
    valid = found.valid & (decoded.status == statuses.OK)[:, None]
    ratio, size = decoded.ratio[:, None], decoded.size[:, None]
    original = size / ratio
    boxes = rescale(found.boxes, 1.0 / ratio[..., 0], 1.0 / ratio[..., 1])
    # Rounding must not put a corner outside.
    boxes = clip(boxes, original[..., 0], original[..., 1])
    outputs = {
      'boxes': tf.where(valid[..., None], boxes, signatures.PADDING_COORDINATE),
      'categories': found.categories,
      'scores': found.scores,
      'top_categories': rois.top_categories,
      'top_probabilities': rois.top_probabilities,
      'appearance': tf.where(valid[..., None], rois.appearance, 0.0),
      'image_appearance': rois.image_appearance,
      'count': tf.reduce_sum(tf.cast(valid, tf.int32), axis=1),
    }
    if rois.attributes is not None:
      outputs['attributes'] = rois.attributes
      outputs['attribute_scores'] = rois.attribute_scores
    blanks = {
      'boxes': signatures.PADDING_COORDINATE, 'categories': 0, 'count': 0
    }  # fmt: skip
    return statuses.only_answered(outputs, decoded.status, blanks)

  def _describe(self, image, boxes):
    given = regions.given({'image': image, 'boxes': boxes}, self._box_shape)
    inputs = given.inputs
    appearance, of_image = self._model.describe(
      inputs[elements.IMAGE],
      inputs[elements.IMAGE_SIZE],
      inputs[elements.BOXES],
    )
    real = inputs[elements.ROI_MASK][..., None]
    outputs = {
      'appearance': tf.where(real, appearance, 0.0)[:, : tf.shape(boxes)[1]],
      'image_appearance': of_image,
    }
    return statuses.only_answered(outputs, given.status, {})


class EmbeddedDetector:
  """A detector inside the export of another model.

  Attributes:
    contracts: what goes into and comes out of its signatures.
    root: holds its variables.
    signatures: functions by the names that a client calls them by.
  """

  def __init__(self, root: tf.Module, functions: dict[str, Callable]):
    """Takes over a detector.

    Args:
      root: holds its variables.
      functions: its signatures; those that tell no RoIs are left out.
    """
    self.root = root
    self.contracts = detector_signatures.of_detector(
      detector_signatures.ATTRIBUTES.name in functions
    )
    self.signatures = {name: functions[name] for name in self.contracts}

  def detect(self, image: tf.Tensor) -> batching.Tensors:
    """Outputs of `signatures.DETECT` for string `[B]`."""
    return self.signatures[signatures.DETECT.name](image=image)

  def check_appearance(self, size: int) -> None:
    """Fails unless appearance vectors have this size.

    Raises:
      ValueError: they have another one.
    """
    pixel = tf.io.encode_png(tf.zeros([1, 1, 3], tf.uint8))
    found = self.detect(pixel[None])['image_appearance']
    if found.shape[-1] != size:
      raise ValueError(
        f"The detector's appearance must have the size that the model reads, "
        f'{size}. Received: a detector with {found.shape[-1]}. Pass the '
        'detector whose features the model was trained on.'
      )


def open_detector(path: str) -> EmbeddedDetector:
  """Loads a detector.

  Args:
    path: folder of an exported detector, of its numbered versions, of which
      the last is taken, or of a `vlbert/detection` run.

  Returns:
    The detector.

  Raises:
    ValueError: it is none of these.
  """
  gfile = tf.io.gfile
  if gfile.exists(os.path.join(path, saved.PARAMS_FILE)):
    name = saved.experiment_of(path)
    if name != saved.DETECTION:
      raise ValueError(
        'A detector must come from a run of vlbert/detection. '
        f'Received: {path}, trained for {name}.'
      )
    task = saved.load_task(path)
    module = DetectorModule(task, saved.restore_trained(task, path))
    return EmbeddedDetector(module.root, module.signatures)
  names = gfile.listdir(path) if gfile.isdir(path) else []
  versions = version_folders.numbered(names)
  if _SAVED_MODEL not in names and versions:
    path = os.path.join(path, versions[max(versions)])
  if not gfile.exists(os.path.join(path, _SAVED_MODEL)):
    raise ValueError(
      f'A detector is a folder with {_SAVED_MODEL}, which vlbert-export '
      f'writes, or with {saved.PARAMS_FILE}, which vlbert-train writes. '
      f'Received: {path}, which has neither.'
    )
  return _loaded(path)


def _loaded(path: str) -> EmbeddedDetector:
  loaded = tf.saved_model.load(path)
  needed = detector_signatures.of_detector(has_attributes=False)
  if set(needed) - set(loaded.signatures):
    raise ValueError(
      f'A detector has the signatures {", ".join(needed)}. '
      f'Received: {path}, with {", ".join(sorted(loaded.signatures))}. '
      'Export the model folder of a vlbert/detection run.'
    )
  return EmbeddedDetector(loaded, dict(loaded.signatures))
