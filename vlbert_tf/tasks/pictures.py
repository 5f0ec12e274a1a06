"""Examples of what a model predicts, as one picture."""

import io

import numpy as np
import tensorflow as tf
import tf_keras

from vlbert_tf import elements
from vlbert_tf.data import batching, pipeline
from vlbert_tf.tasks import base, inference
from vlbert_tf.tasks.pretraining import PretrainingTask
from vlbert_tf.tasks.refcoco import QUERY, RefcocoTask, best_rois, roi_targets
from vlbert_tf.tasks.vqa import VqaTask
from vlbert_tf.text.vocabulary import read_vocabulary
from vlbert_tf.visualization import AnsweredQuestion, draw_answers

_HIDDEN = '[?]'


def draw_examples(
  task: base.RecordTask,
  model: tf_keras.Model,
  data: pipeline.DataConfig,
  count: int,
) -> np.ndarray | None:
  """Draws what a model predicts for the first examples of a split.

  Args:
    task: of the model.
    model: with its present weights.
    data: the split; `is_training` must be off.
    count: how many.

  Returns:
    uint8 `[H, W, 4]`, or None for tasks that have no picture, and records
    without images.
  """
  has_images = task.open_split(data).contents.image
  batch = next(iter(task.build_inputs(data.replace(show_images=has_images))))
  if elements.IMAGE not in batch:
    return None
  if isinstance(task, VqaTask):
    part = _first(batch, count)
    outputs = model(part, return_attention=True)
    shown = inference.illustrate_batch(task, part, outputs)
  elif isinstance(task, PretrainingTask):
    shown = _masked_words(task, model, _first(batch, count))
  elif isinstance(task, RefcocoTask):
    shown = _regions(model, _first(batch, count))
  else:
    return None
  picture = io.BytesIO()
  draw_answers(shown, picture)
  return tf.io.decode_png(picture.getvalue()).numpy()


def _first(batch: batching.Tensors, count: int) -> batching.Tensors:
  return {name: value[:count] for name, value in batch.items()}


def _masked_words(task, model, batch) -> list[AnsweredQuestion]:
  """Captions with hidden words, and the words that the model puts there."""
  words = np.array(read_vocabulary(task.task_config.vocab_file))
  logits = model(batch)[elements.MASKED_WORD_LOGITS]
  best = tf.argmax(logits, axis=-1).numpy()
  scores = tf.reduce_max(tf.nn.softmax(logits), axis=-1).numpy()
  arrays = {name: value.numpy() for name, value in batch.items()}
  shown = []
  for i, ids in enumerate(arrays[elements.WORD_IDS]):
    hidden = arrays[elements.MASKED_WORD_WEIGHTS][i] > 0
    caption = words[ids[arrays[elements.WORD_MASK][i]]].astype(object)
    caption[arrays[elements.MASKED_POSITIONS][i][hidden]] = _HIDDEN
    truth = arrays[elements.MASKED_WORD_IDS][i][hidden]
    shown.append(
      AnsweredQuestion(
        question=' '.join(caption[1:-1]),
        answer=' '.join(words[best[i][hidden]]),
        score=float(scores[i][hidden].mean()) if hidden.any() else 0.0,
        truth=' '.join(words[truth]),
        **_image(arrays, i, np.zeros(len(arrays[elements.BOXES][i]))),
      )
    )
  return shown


def _regions(model, batch) -> list[AnsweredQuestion]:
  """Expressions, and how well each RoI fits them."""
  logits = model(batch)[elements.ROI_LOGITS]
  fits, real = roi_targets(batch)
  best = best_rois(logits, real).numpy()
  scores = tf.sigmoid(logits).numpy()
  arrays = {name: value.numpy() for name, value in batch.items()}
  return [
    AnsweredQuestion(
      question=arrays[QUERY][i].decode(),
      answer='right' if fits[i, place] else 'wrong',
      score=float(scores[i, place]),
      truth='right',
      **_image(arrays, i, scores[i]),
    )
    for i, place in enumerate(best)
  ]


def _image(arrays, row: int, weights: np.ndarray) -> dict:
  """Pixels and RoIs of a row, with a weight for each RoI."""
  height, width = arrays[elements.IMAGE_SIZE][row].astype(int)
  real = arrays[elements.ROI_MASK][row]
  return {
    'image': arrays[elements.IMAGE][row, :height, :width].astype(np.uint8),
    'boxes': arrays[elements.BOXES][row][real],
    'attention': weights[real],
  }
