"""The detector as it is served: from the bytes of images to their RoIs."""

import tensorflow as tf

from serving import signatures
from serving.decoding import decode_images
from vlbert_tf import elements
from vlbert_tf.boxes import clip, rescale
from vlbert_tf.data import batching
from vlbert_tf.tasks.detection import DetectionTask
from vlbert_tf.vision.faster_rcnn import FasterRcnn


class DetectorModule(tf.Module):
  """RoIs from images; see `signatures.DETECT` and `signatures.CATEGORIES`."""

  def __init__(self, task: DetectionTask, model: FasterRcnn):
    """Takes over a trained detector.

    Args:
      task: of the model; its records give the names of the categories.
      model: with its trained weights.
    """
    super().__init__()
    self._model = model
    self._shape = task.batch_shape()
    self._categories = tf.constant(task.categories())
    self.detect = tf.function(
      self._detect,
      input_signature=[
        tf.TensorSpec(field.shape, field.dtype, name)
        for name, field in signatures.DETECT.inputs.items()
      ],
    )
    self.list_categories = tf.function(
      lambda: {'categories': tf.identity(self._categories)}, input_signature=[]
    )

  @property
  def signatures(self):
    """Functions by the names that a client calls them by."""
    return {
      signatures.DETECT.name: self.detect,
      signatures.CATEGORIES.name: self.list_categories,
    }

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
    ratio, size = decoded.ratio[:, None], decoded.size[:, None]
    original = size / ratio
    boxes = rescale(found.boxes, 1.0 / ratio[..., 0], 1.0 / ratio[..., 1])
    # Rounding must not put a corner outside.
    boxes = clip(boxes, original[..., 0], original[..., 1])
    return {
      'boxes': tf.where(
        found.valid[..., None], boxes, signatures.PADDING_COORDINATE
      ),
      'categories': found.categories,
      'scores': found.scores,
      'appearance': tf.where(found.valid[..., None], rois.appearance, 0.0),
      'image_appearance': rois.image_appearance,
      'count': tf.reduce_sum(tf.cast(found.valid, tf.int32), axis=1),
    }
