"""Measures a trained model on a split, or a result file on annotations.

Examples:
  vlbert-evaluate --model_dir=runs/vqa --records=records/vqa --split=val
  vlbert-evaluate --model_dir=runs/vqa --report=reports/vqa
  vlbert-evaluate --results=results.json \\
      --annotations=v2_mscoco_val2014_annotations.json
  vlbert-evaluate --benchmark=refcoco --split=testA --results=testA.json \\
      --annotations='refs(unc).p' --instances=instances.json
  vlbert-evaluate --benchmark=vcr --results=answers.csv,rationales.csv \\
      --annotations=val.jsonl

--report writes REPORT/index.html: accuracy by type, calibration, the worst and
some random answers with their pictures. Types are those of questions (VQA),
first words (VCR), lengths, regions and sizes (RefCOCO+), categories and sizes
(detection), and in pre-training kinds of words, categories of regions, whose
the caption is.

The forms with --results need no model. VQA: the official accuracy, over all
questions, by type of answer and by type of question. RefCOCO+: boxes that
overlap the right one by more than half. VCR: Q->A, QA->R and Q->AR, as far as
the files go. All print JSON.
"""

import io
import json
import pathlib

from absl import flags, logging

from vlbert_tf import model_flags, program

_SPLIT = flags.DEFINE_string('split', 'val', 'Split to evaluate on.')
_OUTPUT = flags.DEFINE_string(
  'output', '', 'File for the JSON, besides printing it.'
)
_REPORT = flags.DEFINE_string('report', '', 'Folder for a page on the errors.')
_REPORT_CASES = flags.DEFINE_integer(
  'report_cases', 12, 'Answers of each kind on that page.', lower_bound=1
)
_BENCHMARK = flags.DEFINE_enum(
  'benchmark', 'vqa', ['vqa', 'refcoco', 'vcr'], 'What --results belong to.'
)
_RESULTS = flags.DEFINE_list(
  'results', None, 'Result file of vlbert-predict; for VCR one or two.'
)
_INSTANCES = flags.DEFINE_string(
  'instances', '', 'RefCOCO+: instances.json, the boxes.'
)
_ANNOTATIONS = flags.DEFINE_string(
  'annotations', None, 'Annotations of the same questions, official format.'
)
flags.adopt_module_key_flags(model_flags)


def main(argv: list[str]) -> None:
  """Reads flags, measures, prints JSON."""
  del argv
  if _RESULTS.value or _ANNOTATIONS.value:
    program.require(results=_RESULTS.value, annotations=_ANNOTATIONS.value)
    metrics = _JUDGES[_BENCHMARK.value](_RESULTS.value, _ANNOTATIONS.value)
  else:
    program.require(model_dir=model_flags.MODEL_DIR.value)
    metrics = _model_metrics()
  text = json.dumps(metrics, indent=2)
  if _OUTPUT.value:
    pathlib.Path(_OUTPUT.value).write_text(text + '\n')
  print(text)


def _judge_answers(results: list[str], annotations: str) -> dict:
  from vlbert_tf.evaluation import vqa

  return vqa.evaluate_results(_only(results), annotations).as_dict()


def _judge_regions(results: list[str], annotations: str) -> dict:
  program.require(instances=_INSTANCES.value)
  from vlbert_tf.data.readers import coco, refcoco
  from vlbert_tf.evaluation import refcoco as accuracy

  instances = coco.read_instances(_INSTANCES.value)
  targets = {
    expression_id: accuracy.Target(
      box, [region.box for region in instances.of_id(image_id).regions]
    )
    for expression_id, image_id, box in refcoco.read_targets(
      annotations, _SPLIT.value, instances
    )
  }
  return accuracy.evaluate_results(_only(results), targets).as_dict()


def _judge_choices(results: list[str], annotations: str) -> dict:
  from vlbert_tf.evaluation import vcr

  return vcr.evaluate_results(results, annotations).as_dict()


def _only(results: list[str]) -> str:
  if len(results) != 1:
    raise ValueError(
      'This benchmark takes one file of --results. '
      f'Received: {", ".join(results)}.'
    )
  return results[0]


_JUDGES = {
  'vqa': _judge_answers,
  'refcoco': _judge_regions,
  'vcr': _judge_choices,
}


def _model_metrics() -> dict:
  # TensorFlow takes seconds to import, and --help should not pay for it.
  from vlbert_tf.tasks import inference

  task = model_flags.load_task(_SPLIT.value)
  model = model_flags.restore_model(task)
  metrics = inference.evaluate(task, model, task.task_config.validation_data)
  if _REPORT.value:
    _write_report(task, model)
  return metrics


def _write_report(task, model) -> None:
  from vlbert_tf.evaluation import report
  from vlbert_tf.tasks import detections, judging, pictures, saved

  data, count = task.task_config.validation_data, _REPORT_CASES.value
  if task.task_config.name == saved.DETECTION:
    sections = detections.judge(task, model, data)
    places = report.places(sections, count)
    drawn = detections.draw_places(task, model, data, places)
  else:
    sections = judging.judge(task, model, data)
    shown = {}
    if task.open_split(data).contents.image:
      places = report.places(sections, count)
      shown = pictures.illustrate_places(task, model, data, places)
    drawn = {place: _png(example) for place, example in shown.items()}
  title = f'{model_flags.MODEL_DIR.value}, split {_SPLIT.value}'
  path = report.write(_REPORT.value, title, sections, count, drawn)
  logging.info('Report written to %s.', path)


def _png(question) -> bytes:
  from vlbert_tf import visualization

  file = io.BytesIO()
  visualization.draw_answers([question], file, columns=1)
  return file.getvalue()


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
