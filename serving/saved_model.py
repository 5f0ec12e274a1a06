"""The graph that is served: from bytes and text to answers."""

import tensorflow as tf
import tf_keras

from serving import signatures
from serving.decoding import decode_images
from vlbert_tf import elements
from vlbert_tf.boxes import rescale
from vlbert_tf.data import batching
from vlbert_tf.tasks import base
from vlbert_tf.tasks.vqa import VqaTask
from vlbert_tf.text.sequence import question_sequence


class VqaModule(tf.Module):
  """Question answering from raw inputs; see `signatures.VQA`."""

  def __init__(self, task: VqaTask, model: tf_keras.Model):
    """Takes over a trained model.

    Args:
      task: of the model.
      model: with its trained weights.
    """
    super().__init__()
    self._model = model
    self._task = task
    self._shape = task.batch_shape(task.task_config.validation_data)
    self._answers = tf.constant(task.answers)
    self.serve = tf.function(
      self._serve,
      input_signature=[
        tf.TensorSpec(field.shape, field.dtype, name)
        for name, field in signatures.VQA.inputs.items()
      ],
    )

  @property
  def signatures(self):
    """Functions by the names that a client calls them by."""
    return {signatures.VQA.name: self.serve}

  def _serve(self, image, question, boxes):
    visual = self._visual(image, boxes)
    outputs = self._model(
      {**self._text(question), **visual}, return_attention=True
    )
    probabilities = tf.nn.softmax(outputs[elements.ANSWER_LOGITS])
    count = min(signatures.TOP_ANSWERS, len(self._task.answers))
    scores, classes = tf.math.top_k(probabilities, count)
    given = tf.shape(boxes)[1]
    attention = outputs[elements.ANSWER_ATTENTION] * tf.cast(
      visual[elements.ROI_MASK], tf.float32
    )
    return {
      'answers': tf.gather(self._answers, classes),
      'scores': scores,
      'attention': attention[:, :given],
    }

  def _text(self, question: tf.Tensor) -> batching.Tensors:
    tokenizer = self._task.tokenizer
    words = tokenizer.tokenize(question)
    lengths = words.row_lengths()
    # [CLS] question [SEP] [MASK] [SEP]
    max_length = self._shape.text_buckets[-1]
    longest = max_length - 4
    tf.debugging.assert_greater(
      lengths, tf.zeros_like(lengths), 'A question must contain a word.'
    )
    tf.debugging.assert_less_equal(
      lengths,
      tf.cast(longest, lengths.dtype),
      f'A question may have at most {longest} word pieces.',
    )
    sequence, position = question_sequence(words, tokenizer, max_length)
    return {
      **base.padded_text(sequence, sequence.word_ids, self._shape),
      elements.ANSWER_POSITION: position,
    }

  def _visual(self, image: tf.Tensor, boxes: tf.Tensor) -> batching.Tensors:
    real = _real_boxes(boxes)
    decoded = decode_images(image, self._shape)
    ratio = decoded.ratio[:, None]
    boxes = _clip(rescale(boxes, ratio[..., 0], ratio[..., 1]), decoded.size)
    outside = real & ~_has_area(boxes)
    tf.debugging.assert_equal(
      tf.reduce_any(outside), False, 'A box must overlap its image.'
    )
    return batching.pad_visual(
      {
        elements.IMAGE: decoded.pixels,
        elements.IMAGE_SIZE: decoded.size,
        elements.BOXES: tf.where(real[..., None], boxes, 0.0),
        elements.ROI_MASK: real,
      },
      self._shape,
    )


def _real_boxes(boxes: tf.Tensor) -> tf.Tensor:
  """bool `[B, R]`: False for padding; every other row must be a box."""
  padding = tf.reduce_all(boxes == signatures.PADDING_COORDINATE, axis=-1)
  valid = _has_area(boxes) & tf.reduce_all(tf.math.is_finite(boxes), axis=-1)
  tf.debugging.assert_equal(
    tf.reduce_all(valid | padding),
    True,
    'A box is (x1, y1, x2, y2) with x1 < x2 and y1 < y2, or a row of -1.',
  )
  tf.debugging.assert_equal(
    tf.reduce_all(tf.reduce_any(valid, axis=1)),
    True,
    'Each image needs at least one box.',
  )
  return ~padding


def _has_area(boxes: tf.Tensor) -> tf.Tensor:
  return (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])


def _clip(boxes: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
  """Boxes `[B, R, 4]` cut to images of height and width `[B, 2]`."""
  limit = tf.gather(size, [1, 0, 1, 0], axis=1)[:, None]
  return tf.clip_by_value(boxes, 0.0, limit)


def publish(module: tf.Module, base_path: str, version: int = 0) -> str:
  """Writes a version that appears only when it is complete.

  Args:
    module: what is served, with `signatures`.
    base_path: folder that holds one folder a version.
    version: to write; 0 is the one after the last.

  Returns:
    The folder of the version.

  Raises:
    ValueError: the version exists.
  """
  gfile = tf.io.gfile
  gfile.makedirs(base_path)
  names = [name.rstrip('/') for name in gfile.listdir(base_path)]
  numbers = [int(name) for name in names if name.isdigit()]
  version = version or max(numbers, default=0) + 1
  if version in numbers:
    raise ValueError(
      f'A version is written once. Received: --version={version}, which '
      f'{base_path} already holds. Leave it out to write the next one.'
    )
  folder, partial = f'{base_path}/{version}', f'{base_path}/{version}.partial'
  if gfile.exists(partial):
    gfile.rmtree(partial)
  tf.saved_model.save(module, partial, signatures=module.signatures)
  gfile.rename(partial, folder)
  return folder
