"""A model folder to pass on: it needs no other file, and no training state."""

import tensorflow as tf
import yaml

from vlbert_tf.checkpoints.native import write_weights
from vlbert_tf.tasks import base, saved
from vlbert_tf.tasks.detection import DetectionTask
from vlbert_tf.tasks.vqa import VqaTask
from vlbert_tf.text.vocabulary import read_vocabulary


def publish(model_dir: str, output_dir: str, checkpoint: str = '') -> None:
  """Writes the folder.

  Every program that takes a model folder takes it: weights without the state
  of the optimizer, settings without paths, and beside them the vocabulary,
  the answers and the categories.

  Args:
    model_dir: folder that `vlbert-train` wrote.
    output_dir: folder to write, not there yet.
    checkpoint: one of the folder's; by default the newest.

  Raises:
    ValueError: `output_dir` exists, or there is no checkpoint.
  """
  gfile = tf.io.gfile
  if gfile.exists(output_dir):
    raise ValueError(
      'A model is published into a new folder, so that nothing is overwritten. '
      f'Received: {output_dir}, which exists. Name another one.'
    )
  task = saved.load_task(model_dir)
  model = saved.restore_trained(task, model_dir, checkpoint)
  aside = f'{output_dir.rstrip("/")}.incomplete'
  if gfile.exists(aside):
    gfile.rmtree(aside)
  gfile.makedirs(aside)
  for name, lines in _lists(task).items():
    _write(f'{aside}/{name}', ''.join(f'{line}\n' for line in lines))
  _write(f'{aside}/{saved.PARAMS_FILE}', yaml.safe_dump(_settings(task)))
  write_weights(model, aside)
  # Under its name only when complete.
  gfile.rename(aside, output_dir)


def _lists(task: base.RecordTask) -> dict[str, tuple[str, ...]]:
  """Contents of the text files, by name."""
  config = task.task_config
  lists = {'categories_file': task.categories()}
  if isinstance(task, base.VlBertTask):
    lists['vocab_file'] = read_vocabulary(config.vocab_file)
  if isinstance(task, VqaTask):
    lists['answers_file'] = task.answers
  if isinstance(task, DetectionTask) and task.attributes():
    lists['attributes_file'] = task.attributes()
  return {saved.FILES[field]: tuple(lines) for field, lines in lists.items()}


def _settings(task: base.RecordTask) -> dict:
  """What `params.yaml` holds, without paths of this machine."""
  settings = task.task_config.as_dict()
  for field in ('init_checkpoint', 'init_detector', *saved.FILES):
    settings.pop(field, None)
  for data in ('train_data', 'validation_data'):
    settings[data]['path'] = ''
  return {'task': settings}


def _write(path: str, text: str) -> None:
  with tf.io.gfile.GFile(path, 'w') as file:
    file.write(text)
