"""Predicts for all of a split and writes the benchmark's result file.

Examples:
  vlbert-predict --model_dir=runs/vqa --records=records/vqa --split=test \\
      --output=results.json --draw=answers.png
  vlbert-predict --model_dir=runs/refcoco --split=testA --output=testA.json
  vlbert-predict --model_dir=runs/vcr_answer --split=test --output=answers.csv
  vlbert-predict --model_dir=runs/vcr_rationale --split=test \\
      --join=answers.csv --output=submission.csv

The file is VQA's JSON of answers, boxes by `sent_id` for referring
expressions, or VCR's CSV of probabilities; with --join it has the columns of
both VCR models, as the leaderboard wants it.
"""

from absl import flags, logging

from vlbert_tf import model_flags, program

_SPLIT = flags.DEFINE_string('split', 'test', 'Split to predict for.')
_DRAW = flags.DEFINE_string(
  'draw', '', 'PNG to write, of some examples and what the model says of them.'
)
_DRAW_COUNT = flags.DEFINE_integer('draw_count', 6, 'Examples to draw.')
_JOIN = flags.DEFINE_string(
  'join', '', "VCR: result file of the other model, to join with this one's."
)
_OUTPUT = flags.DEFINE_string('output', None, 'Result file to write.')
flags.adopt_module_key_flags(model_flags)


def main(argv: list[str]) -> None:
  """Reads flags, predicts, writes the file."""
  del argv
  program.require(model_dir=model_flags.MODEL_DIR.value, output=_OUTPUT.value)
  task = model_flags.load_task(_SPLIT.value)
  predict = _WRITERS.get(task.task_config.name)
  if predict is None:
    raise ValueError(
      'Only models for a benchmark write result files. '
      f'Received: {model_flags.MODEL_DIR.value}, '
      f'trained for {task.task_config.name}.'
    )
  model = model_flags.restore_model(task)
  count = predict(task, model)
  logging.info('%d predictions written to %s.', count, _OUTPUT.value)
  if _DRAW.value:
    _draw(task, model)


def _draw(task, model) -> None:
  from vlbert_tf import visualization
  from vlbert_tf.tasks import pictures

  data = task.task_config.validation_data
  shown = pictures.illustrate_some(task, model, data, _DRAW_COUNT.value)
  visualization.draw_answers(shown, _DRAW.value)


def _write_answers(task, model) -> int:
  from vlbert_tf.evaluation import vqa
  from vlbert_tf.tasks import inference

  data = task.task_config.validation_data
  answers = inference.predict_answers(task, model, data)
  return vqa.write_results(_OUTPUT.value, answers)


def _write_regions(task, model) -> int:
  from vlbert_tf.evaluation import refcoco
  from vlbert_tf.tasks import inference

  regions = inference.predict_regions(
    task, model, task.task_config.validation_data
  )
  return refcoco.write_results(_OUTPUT.value, regions)


def _write_choices(task, model) -> int:
  from vlbert_tf.evaluation import vcr
  from vlbert_tf.tasks import inference

  probabilities = inference.predict_choices(
    task, model, task.task_config.validation_data
  )
  others = vcr.read_results(_JOIN.value) if _JOIN.value else None
  return vcr.write_results(_OUTPUT.value, probabilities, others)


_WRITERS = {
  'vlbert/vqa': _write_answers,
  'vlbert/refcoco': _write_regions,
  'vlbert/vcr': _write_choices,
}


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
