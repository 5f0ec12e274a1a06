"""A model for questions with random weights, as a server loads it."""

import pathlib
import tempfile

import tensorflow as tf

from benchmarks import records
from serving import saved_model
from vlbert_tf import recipes
from vlbert_tf.tasks import saved
from vlbert_tf.tasks.trained import Trained
from vlbert_tf.tasks.vqa import VqaTask
from vlbert_tf.training import experiments

_ANSWERS = 3_129


def write(folder: str, recipe: str = 'configs/vqa/base.yaml') -> str:
  """Writes an export that has not been checked, and has no warm-up requests.

  Args:
    folder: that is written below.
    recipe: of the model: by default that of the paper, from pixels.

  Returns:
    The folder of its versions.
  """
  with tempfile.TemporaryDirectory() as place:
    vocab, answers, categories = (
      str(pathlib.Path(place, name)) for name in ('vocab', 'answers', 'names')
    )
    records.write_vocabulary(vocab)
    _write_lines(answers, _ANSWERS)
    _write_lines(categories, records.CATEGORIES)
    # As an export does.
    task = {
      'vocab_file': vocab,
      'answers_file': answers,
      'categories_file': categories,
      'model': {'xla': 'none'},
    }
    params = experiments.load_experiment(
      saved.VQA, [recipes.find(recipe)], str({'task': task})
    )
    served = saved_model.ServedModel(_untrained(VqaTask(params.task)))
  versions = f'{folder}/random'
  tf.saved_model.save(
    served.root, f'{versions}/1', signatures=served.signatures
  )
  return versions


def _write_lines(path: str, count: int) -> None:
  pathlib.Path(path).write_text(''.join(f'number {k}\n' for k in range(count)))


def _untrained(task: VqaTask) -> Trained:
  config = task.task_config
  with open(config.vocab_file, encoding='utf-8') as file:
    vocabulary = tuple(file.read().splitlines())
  return Trained(
    task=saved.VQA,
    model=task.build_model(),
    heads=frozenset(['answer']),
    vocabulary=vocabulary,
    answers=tuple(task.answers),
    independent_answers=False,
    shape=task.batch_shape(config.validation_data),
    settings={},
    checkpoint='',
  )
