"""A trained task over a whole split: metrics and predictions."""

import time
from collections.abc import Collection, Iterator

import numpy as np
import tensorflow as tf
import tf_keras
from absl import logging

from vlbert_tf import boxes, elements
from vlbert_tf.data import batching, pipeline
from vlbert_tf.evaluation.report import JudgedAnswer
from vlbert_tf.tasks import base, refcoco, vcr
from vlbert_tf.tasks.vqa import QUESTION, QUESTION_ID, VqaTask
from vlbert_tf.visualization import AnsweredQuestion

_SECONDS_BETWEEN_LINES = 5.0


def evaluate(
  task: base.RecordTask, model: tf_keras.Model, data: pipeline.DataConfig
) -> dict[str, float]:
  """Computes the metrics of a split.

  Args:
    task: of the model.
    model: with its trained weights.
    data: the split; `is_training` must be off.

  Returns:
    Values by the names of `task.metric_names`, those that the task computes
    from all batches together, and `examples`.
  """
  metrics = task.build_metrics(training=False)
  examples = tf_keras.metrics.Sum('examples')

  @tf.function
  def step(batch):
    examples.update_state(batch[elements.EXAMPLE_WEIGHT])
    return task.validation_step(batch, model, metrics)

  state = None
  for batch in _with_progress(task, data):
    # A trainer hands over the logs of each replica; here there is one.
    logs = tf.nest.map_structure(lambda value: (value,), step(batch))
    state = task.aggregate_logs(state, logs)
  results = {metric.name: float(metric.result()) for metric in metrics}
  if state is not None:
    results.update(task.reduce_aggregated_logs(state))
  return {**results, 'examples': int(examples.result())}


def predict_answers(
  task: VqaTask, model: tf_keras.Model, data: pipeline.DataConfig
) -> Iterator[tuple[int, str]]:
  """Answers every question of a split.

  Args:
    task: of the model.
    model: with its trained weights.
    data: the split; `is_training` must be off.

  Yields:
    Question id and answer, in the order of the records.
  """
  answers = tf.constant(task.answers)

  @tf.function
  def step(batch):
    logits = model(batch)[elements.ANSWER_LOGITS]
    return tf.gather(answers, tf.argmax(logits, axis=-1))

  for batch in _with_progress(task, data):
    rows = zip(
      batch[QUESTION_ID].numpy(),
      step(batch).numpy(),
      batch[elements.EXAMPLE_WEIGHT].numpy(),
      strict=True,
    )
    for question_id, answer, weight in rows:
      if weight:
        yield int(question_id), answer.decode()


def predict_regions(
  task: refcoco.RefcocoTask, model: tf_keras.Model, data: pipeline.DataConfig
) -> Iterator[tuple[int, list[float]]]:
  """Finds what every expression of a split means.

  Args:
    task: of the model.
    model: with its trained weights.
    data: the split; `is_training` must be off.

  Yields:
    Expression id and box, (x1, y1, x2, y2) in pixels of the image as it is
    stored, in the order of the records.
  """

  @tf.function
  def step(batch):
    logits = model(batch)[elements.ROI_LOGITS]
    best = refcoco.best_rois(logits, batch[elements.ROI_MASK])
    chosen = tf.gather(batch[elements.BOXES], best, batch_dims=1)
    ratio = batch[refcoco.ORIGINAL_SIZE] / batch[elements.IMAGE_SIZE]
    return boxes.rescale(chosen, ratio[:, 0], ratio[:, 1])

  for batch in _with_progress(task, data):
    rows = zip(
      batch[refcoco.EXPRESSION_ID].numpy(),
      step(batch).numpy(),
      batch[elements.EXAMPLE_WEIGHT].numpy(),
      strict=True,
    )
    for expression_id, box, weight in rows:
      if weight:
        yield int(expression_id), box.tolist()


def predict_choices(
  task: vcr.VcrTask, model: tf_keras.Model, data: pipeline.DataConfig
) -> Iterator[tuple[str, str, list[float]]]:
  """Judges the candidates of every question of a split.

  Args:
    task: of the model.
    model: with its trained weights.
    data: the split; `is_training` must be off.

  Yields:
    Question id, what was judged, and the probabilities of its four
    candidates: 'answer', or 'rationale_conditioned_on_a' and a number. A
    model of rationales judges them for each of the four answers.
  """

  @tf.function
  def step(batch):
    return tf.nn.softmax(model(batch)[elements.CANDIDATE_LOGITS])

  given = task.task_config.condition_on
  for judged, condition_on in vcr.judgements(task.task_config.sub_task):
    task.task_config.override({'condition_on': condition_on})
    for batch in _with_progress(task, data):
      rows = zip(
        batch[vcr.QUESTION_ID].numpy(),
        step(batch).numpy(),
        batch[elements.EXAMPLE_WEIGHT].numpy(),
        strict=True,
      )
      for question_id, probabilities, weight in rows:
        if weight:
          yield question_id.decode(), judged, probabilities.tolist()
  task.task_config.override({'condition_on': given})


def judge_answers(
  task: VqaTask, model: tf_keras.Model, data: pipeline.DataConfig
) -> Iterator[JudgedAnswer]:
  """Answers every question of a split and says how good the answer is.

  Args:
    task: of the model.
    model: with its trained weights.
    data: the split; `is_training` must be off.

  Yields:
    Answers in the order of the records.
  """

  @tf.function
  def step(batch):
    logits = model(batch)[elements.ANSWER_LOGITS]
    best = tf.argmax(logits, axis=-1, output_type=tf.int32)
    confidence = tf.gather(_probabilities(task, logits), best, batch_dims=1)
    accuracy = tf.gather(batch[elements.ANSWER_SCORES], best, batch_dims=1)
    return best, confidence, accuracy

  for number, batch in enumerate(_with_progress(task, data)):
    columns = (
      batch[QUESTION_ID],
      batch[QUESTION],
      batch[elements.ANSWER_LABEL],
      *step(batch),
      batch[elements.EXAMPLE_WEIGHT],
    )
    rows = zip(*(column.numpy() for column in columns), strict=True)
    for i, row in enumerate(rows):
      question_id, question, label, best, confidence, accuracy, weight = row
      if weight:
        yield JudgedAnswer(
          place=number * data.global_batch_size + i,
          question_id=int(question_id),
          question=question.decode(),
          answer=task.answers[best],
          confidence=float(confidence),
          accuracy=float(accuracy),
          truth=task.answers[label] if label >= 0 else '',
        )


def illustrate_answers(
  task: VqaTask,
  model: tf_keras.Model,
  data: pipeline.DataConfig,
  count: int,
) -> list[AnsweredQuestion]:
  """Answers a few questions, spread over a split, and shows where it looks.

  Args:
    task: of the model.
    model: with its trained weights.
    data: the split; `is_training` must be off.
    count: how many.

  Returns:
    At most `count` questions with image, RoIs, attention and answer.
  """
  total = task.open_split(data).annotations
  places = np.linspace(0, total - 1, count).astype(int).tolist()
  return list(illustrate_places(task, model, data, places).values())


def illustrate_places(
  task: VqaTask,
  model: tf_keras.Model,
  data: pipeline.DataConfig,
  places: Collection[int],
) -> dict[int, AnsweredQuestion]:
  """Answers chosen questions of a split, and shows where it looks.

  Args:
    task: of the model.
    model: with its trained weights.
    data: the split; `is_training` must be off.
    places: of the questions in the split, from 0.

  Returns:
    By place, image, RoIs, attention and answer.
  """
  wanted, shown = sorted(set(places)), {}
  data = data.replace(show_images=True)
  for number, batch in enumerate(task.build_inputs(data)):
    first = number * data.global_batch_size
    rows = [i - first for i in wanted if 0 <= i - first < len(batch[QUESTION])]
    if rows:
      part = {name: tf.gather(value, rows) for name, value in batch.items()}
      drawn = illustrate_batch(task, part, model(part, return_attention=True))
      shown.update(zip((first + row for row in rows), drawn, strict=True))
    if not wanted or first + len(batch[QUESTION]) > wanted[-1]:
      break
  return shown


def _probabilities(task: VqaTask, logits: tf.Tensor) -> tf.Tensor:
  independent = task.task_config.answer_loss == 'sigmoid'
  return tf.sigmoid(logits) if independent else tf.nn.softmax(logits)


def illustrate_batch(
  task: VqaTask, batch: batching.Tensors, outputs: batching.Tensors
) -> list[AnsweredQuestion]:
  """Answers to the questions of one batch, and where the model looked.

  Args:
    task: of the model.
    batch: with one text an image.
    outputs: of the model, with attention.

  Returns:
    One for each row.
  """
  logits = outputs[elements.ANSWER_LOGITS]
  probabilities = _probabilities(task, logits).numpy()
  arrays = {name: value.numpy() for name, value in batch.items()}
  attention = outputs[elements.ANSWER_ATTENTION].numpy()
  shown = []
  for i, row in enumerate(probabilities):
    height, width = arrays[elements.IMAGE_SIZE][i].astype(int)
    real = arrays[elements.ROI_MASK][i]
    label = arrays[elements.ANSWER_LABEL][i]
    shown.append(
      AnsweredQuestion(
        image=arrays[elements.IMAGE][i, :height, :width].astype(np.uint8),
        boxes=arrays[elements.BOXES][i][real],
        attention=attention[i][real],
        question=arrays[QUESTION][i].decode(),
        answer=task.answers[row.argmax()],
        score=float(row.max()),
        truth=task.answers[label] if label >= 0 else '',
      )
    )
  return shown


def _with_progress(
  task: base.RecordTask, data: pipeline.DataConfig
) -> Iterator[batching.Tensors]:
  total = task.examples_in(task.open_split(data))
  done, last = 0, time.monotonic()
  for batch in task.build_inputs(data):
    yield batch
    done = min(done + data.global_batch_size, total)
    if done == total or time.monotonic() - last > _SECONDS_BETWEEN_LINES:
      last = time.monotonic()
      logging.info('%d of %d (%d %%)', done, total, 100 * done // total)
