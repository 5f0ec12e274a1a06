"""A trained task over a whole split: metrics and predictions."""

import time
from collections.abc import Iterator

import tensorflow as tf
import tf_keras
from absl import logging

from vlbert_tf import boxes, elements
from vlbert_tf.data import batching, pipeline
from vlbert_tf.tasks import base, refcoco, vcr
from vlbert_tf.tasks.vqa import QUESTION_ID, VqaTask

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

  @tf.function(autograph=False)
  def step(batch):
    examples.update_state(batch[elements.EXAMPLE_WEIGHT])
    return task.validation_step(batch, model, metrics)

  state = None
  for batch in with_progress(task, data):
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

  @tf.function(autograph=False)
  def step(batch):
    logits = model(batch)[elements.ANSWER_LOGITS]
    return tf.gather(answers, tf.argmax(logits, axis=-1))

  for batch in with_progress(task, data):
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

  @tf.function(autograph=False)
  def step(batch):
    logits = model(batch)[elements.ROI_LOGITS]
    best = refcoco.best_rois(logits, batch[elements.ROI_MASK])
    chosen = tf.gather(batch[elements.BOXES], best, batch_dims=1)
    ratio = batch[refcoco.ORIGINAL_SIZE] / batch[elements.IMAGE_SIZE]
    return boxes.rescale(chosen, ratio[:, 0], ratio[:, 1])

  for batch in with_progress(task, data):
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

  @tf.function(autograph=False)
  def step(batch):
    return tf.nn.softmax(model(batch)[elements.CANDIDATE_LOGITS])

  given = task.task_config.condition_on
  for judged, condition_on in vcr.judgements(task.task_config.sub_task):
    task.task_config.override({'condition_on': condition_on})
    for batch in with_progress(task, data):
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


def answer_probabilities(task: VqaTask, logits: tf.Tensor) -> tf.Tensor:
  """Probabilities of answers, float32 `[B, K]`, as they were trained."""
  independent = task.task_config.answer_loss == 'sigmoid'
  return tf.sigmoid(logits) if independent else tf.nn.softmax(logits)


def with_progress(
  task: base.RecordTask, data: pipeline.DataConfig
) -> Iterator[batching.Tensors]:
  """Batches of a split, with a line in the log now and then."""
  total = task.examples_in(task.open_split(data))
  done, last = 0, time.monotonic()
  for batch in task.build_inputs(data):
    yield batch
    done = min(done + data.global_batch_size, total)
    if done == total or time.monotonic() - last > _SECONDS_BETWEEN_LINES:
      last = time.monotonic()
      logging.info('%d of %d (%d %%)', done, total, 100 * done // total)
