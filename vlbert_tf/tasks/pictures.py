"""Examples of what a model predicts, as pictures."""

import io
from collections.abc import Collection, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from vlbert_tf import elements
from vlbert_tf.data import pipeline
from vlbert_tf.tasks import base, inference, judging
from vlbert_tf.tasks.pretraining import PretrainingTask
from vlbert_tf.tasks.refcoco import QUERY, RefcocoTask, best_rois, roi_targets
from vlbert_tf.tasks.vcr import VcrTask
from vlbert_tf.tasks.vqa import QUESTION, VqaTask
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
  if not task.open_split(data).contents.image:
    return None
  shown = illustrate_places(task, model, data, range(count))
  if not shown:
    return None
  picture = io.BytesIO()
  draw_answers(list(shown.values()), picture)
  return tf.io.decode_png(picture.getvalue()).numpy()


def illustrate_some(
  task: base.RecordTask,
  model: tf_keras.Model,
  data: pipeline.DataConfig,
  count: int,
) -> list[AnsweredQuestion]:
  """As `illustrate_places`, for at most `count`, spread over a split."""
  total = task.examples_in(task.open_split(data))
  places = np.linspace(0, total - 1, count).astype(int).tolist()
  return list(illustrate_places(task, model, data, places).values())


def illustrate_places(
  task: base.RecordTask,
  model: tf_keras.Model,
  data: pipeline.DataConfig,
  places: Collection[int],
) -> dict[int, AnsweredQuestion]:
  """Shows what a model says of chosen examples of a split, and where it looks.

  Args:
    task: of the model.
    model: with its trained weights.
    data: the split; `is_training` must be off.
    places: of the examples in the split, from 0.

  Returns:
    By place; nothing for tasks that have no picture.

  Raises:
    ValueError: the records are without images.
  """
  draw = next((d for kind, d in _DRAWN.items() if isinstance(task, kind)), None)
  total = task.examples_in(task.open_split(data))
  wanted, shown = sorted(i for i in set(places) if i < total), {}
  if draw is None or not wanted:
    return {}
  data = data.replace(show_images=True)
  for number, batch in enumerate(task.build_inputs(data)):
    first = number * data.global_batch_size
    size = len(batch[elements.EXAMPLE_ID])
    rows = [i - first for i in wanted if 0 <= i - first < size]
    if rows:
      part = {k: _rows(value, rows, size) for k, value in batch.items()}
      drawn = draw(task, model, part)
      shown.update(zip((first + row for row in rows), drawn, strict=True))
    if first + size > wanted[-1]:
      break
  return shown


def _rows(value: tf.Tensor, rows: Sequence[int], size: int) -> tf.Tensor:
  """What belongs to rows of a batch of `size` examples.

  Several examples can share an image, and an example can have several texts.
  """
  count = len(value)
  if count < size:
    return tf.gather(value, [row * count // size for row in rows])
  texts = count // size
  return tf.gather(value, [r * texts + k for r in rows for k in range(texts)])


def _answers(task, model, batch) -> list[AnsweredQuestion]:
  """Questions, and the attention of the answer's [MASK]."""
  outputs = model(batch, return_attention=True)
  logits = outputs[elements.ANSWER_LOGITS]
  probabilities = inference.answer_probabilities(task, logits).numpy()
  attention = outputs[elements.ANSWER_ATTENTION].numpy()
  arrays = {name: value.numpy() for name, value in batch.items()}
  labels = arrays[elements.ANSWER_LABEL]
  return [
    AnsweredQuestion(
      question=arrays[QUESTION][i].decode(),
      answer=task.answers[row.argmax()],
      score=float(row.max()),
      truth=task.answers[labels[i]] if labels[i] >= 0 else '',
      **_image(arrays, i, attention[i]),
    )
    for i, row in enumerate(probabilities)
  ]


def _choices(task, model, batch) -> list[AnsweredQuestion]:
  """Questions with the candidate that is taken for the best."""
  words = np.array(read_vocabulary(task.task_config.vocab_file))
  logits = model(batch)[elements.CANDIDATE_LOGITS]
  arrays = {name: value.numpy() for name, value in batch.items()}
  shown = []
  for i, row in enumerate(tf.nn.softmax(logits).numpy()):
    question, candidates = judging.choice_texts(arrays, i, words)
    label = arrays[elements.CANDIDATE_LABEL][i]
    shown.append(
      AnsweredQuestion(
        question=question,
        answer=candidates[row.argmax()],
        score=float(row.max()),
        truth=candidates[label] if label >= 0 else '',
        **_image(arrays, i, np.zeros(len(arrays[elements.BOXES][i]))),
      )
    )
  return shown


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


def _regions(task, model, batch) -> list[AnsweredQuestion]:
  """Expressions, and how well each RoI fits them."""
  del task
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


_DRAWN = {
  VqaTask: _answers,
  VcrTask: _choices,
  RefcocoTask: _regions,
  PretrainingTask: _masked_words,
}
