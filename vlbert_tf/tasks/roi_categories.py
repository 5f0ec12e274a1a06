"""What masked RoIs are to be named (VL-BERT §3.3), and the loss of it."""

import tensorflow as tf

from vlbert_tf import elements
from vlbert_tf.data import batching, example_schema

HARD, SOFT = 'hard', 'soft'


def check_targets(targets: str) -> None:
  """Fails unless targets are `hard` or `soft`.

  Raises:
    ValueError: they are neither.
  """
  if targets not in (HARD, SOFT):
    raise ValueError(
      f'task.roi_targets must be {HARD} or {SOFT}. Received: {targets!r}.'
    )


def check_records(split: example_schema.SplitInfo, path: str) -> None:
  """Fails unless records hold the likeliest categories of RoIs.

  Args:
    split: of the records.
    path: of their folder, for the message.

  Raises:
    ValueError: they do not.
  """
  if not split.contents.top_categories:
    raise ValueError(
      f'task.roi_targets={SOFT} reads the likeliest categories of RoIs, which '
      f'a detector says. Received: {path}, records without. Build them with '
      f'--detector= or --rois=, or set task.roi_targets={HARD}.'
    )


def cross_entropy(
  batch: batching.Tensors, logits: tf.Tensor, targets: str
) -> tf.Tensor:
  """Cross-entropy of categories.

  Args:
    batch: with ROI_CATEGORIES, or for soft targets with ROI_TOP_CATEGORIES and
      ROI_TOP_PROBABILITIES. What is missing in these to a sum of 1 belongs to
      categories that are not known: they are scaled to that sum.
    logits: float32 `[B, R, C + 1]`.
    targets: HARD or SOFT.

  Returns:
    float32 `[B, R]`, of all RoIs.
  """
  if targets == HARD:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=batch[elements.ROI_CATEGORIES], logits=logits
    )
  probabilities = batch[elements.ROI_TOP_PROBABILITIES]
  share = tf.math.divide_no_nan(
    probabilities, tf.reduce_sum(probabilities, axis=-1, keepdims=True)
  )
  of_top = tf.gather(
    tf.nn.log_softmax(logits),
    batch[elements.ROI_TOP_CATEGORIES],
    axis=2,
    batch_dims=2,
  )
  return -tf.reduce_sum(share * of_top, axis=-1)


def named(batch: batching.Tensors, targets: str) -> tf.Tensor:
  """Weights of RoIs in the loss.

  Args:
    batch: with ROI_NAMED, and for soft targets ROI_TOP_PROBABILITIES.
    targets: HARD or SOFT.

  Returns:
    float32 `[B, R]`, 1 where the category is asked for and known.
  """
  weights = tf.cast(batch[elements.ROI_NAMED], tf.float32)
  if targets == SOFT:
    total = tf.reduce_sum(batch[elements.ROI_TOP_PROBABILITIES], axis=-1)
    weights *= tf.cast(total > 0.0, tf.float32)
  return weights
