"""Flags of the programs that run a trained model on records."""

from absl import flags

MODEL_DIR = flags.DEFINE_string(
  'model_dir', None, 'Folder that vlbert-train wrote.'
)
_CHECKPOINT = flags.DEFINE_string(
  'checkpoint', '', 'A checkpoint other than the newest of --model_dir.'
)
_RECORDS = flags.DEFINE_string(
  'records', '', 'Folder of records; by default the one of the training.'
)
_SWAP_IMAGES = flags.DEFINE_bool(
  'swap_images', False, 'Show each text with another image.'
)
_HIDE_IMAGES = flags.DEFINE_bool(
  'hide_images', False, 'Show plain gray in place of images; RoIs stay.'
)


def load_task(split: str):
  """The task that the flags name, with a split as its validation data.

  Args:
    split: of the records.

  Returns:
    A `tasks.base.RecordTask`.

  Raises:
    ValueError: --model_dir is no model folder.
  """
  # TensorFlow takes seconds to import, and --help should not pay for it.
  from vlbert_tf.tasks import saved

  return saved.load_task_on(
    MODEL_DIR.value,
    split,
    _RECORDS.value,
    swap_images=_SWAP_IMAGES.value,
    hide_images=_HIDE_IMAGES.value,
  )


def restore_model(task):
  """The model with the weights that the flags name.

  Args:
    task: of `load_task`.

  Returns:
    The Keras model.

  Raises:
    ValueError: there is no such checkpoint, or it does not fit.
  """
  from vlbert_tf.tasks import saved

  return saved.restore_trained(task, MODEL_DIR.value, _CHECKPOINT.value)
