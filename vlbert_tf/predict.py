"""Answers all questions of a split and writes VQA's official result file.

Example:
  vlbert-predict --model_dir=runs/vqa --records=records/vqa --split=test \\
      --output=results.json --draw=answers.png
"""

from absl import flags, logging

from vlbert_tf import program

_MODEL_DIR = flags.DEFINE_string(
  'model_dir', None, 'Folder that vlbert-train wrote.'
)
_CHECKPOINT = flags.DEFINE_string(
  'checkpoint', '', 'A checkpoint other than the newest of --model_dir.'
)
_RECORDS = flags.DEFINE_string(
  'records', '', 'Folder of records; by default the one of the training.'
)
_SPLIT = flags.DEFINE_string('split', 'test', 'Split to answer.')
_SWAP_IMAGES = flags.DEFINE_bool(
  'swap_images', False, 'Show each question with another image.'
)
_DRAW = flags.DEFINE_string(
  'draw', '', 'PNG to write, of some questions and where the model looked.'
)
_DRAW_COUNT = flags.DEFINE_integer('draw_count', 6, 'Questions to draw.')
_OUTPUT = flags.DEFINE_string('output', None, 'Result file to write.')


def main(argv: list[str]) -> None:
  """Reads flags, predicts, writes the file."""
  del argv
  program.require(model_dir=_MODEL_DIR.value, output=_OUTPUT.value)
  # TensorFlow takes seconds to import, and --help should not pay for it.
  from vlbert_tf import visualization
  from vlbert_tf.evaluation import vqa
  from vlbert_tf.tasks import inference, saved

  task = saved.load_task_on(
    _MODEL_DIR.value, _SPLIT.value, _RECORDS.value, _SWAP_IMAGES.value
  )
  if task.task_config.name != saved.VQA:
    raise ValueError(
      'Only models for question answering give answers. '
      f'Received: {_MODEL_DIR.value}, trained for {task.task_config.name}.'
    )
  model = saved.restore_trained(task, _MODEL_DIR.value, _CHECKPOINT.value)
  validation = task.task_config.validation_data
  answers = inference.predict_answers(task, model, validation)
  count = vqa.write_results(_OUTPUT.value, answers)
  logging.info('%d answers written to %s.', count, _OUTPUT.value)
  if _DRAW.value:
    shown = inference.illustrate_answers(
      task, model, validation, _DRAW_COUNT.value
    )
    visualization.draw_answers(shown, _DRAW.value)


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
