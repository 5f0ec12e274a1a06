"""Measures a trained model on a split, or a result file on annotations.

Examples:
  vlbert-evaluate --model_dir=runs/vqa --records=records/vqa --split=val
  vlbert-evaluate --results=results.json \\
      --annotations=v2_mscoco_val2014_annotations.json

The second form needs no model: it is the official VQA accuracy, over all
questions, by type of answer and by type of question. Both print JSON.
"""

import json

from absl import flags

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
_SPLIT = flags.DEFINE_string('split', 'val', 'Split to evaluate on.')
_SWAP_IMAGES = flags.DEFINE_bool(
  'swap_images', False, 'Show each question with another image.'
)
_RESULTS = flags.DEFINE_string(
  'results', None, 'Result file, [{"question_id": …, "answer": …}].'
)
_ANNOTATIONS = flags.DEFINE_string(
  'annotations', None, 'Annotations of the same questions, official format.'
)


def main(argv: list[str]) -> None:
  """Reads flags, measures, prints JSON."""
  del argv
  if _RESULTS.value or _ANNOTATIONS.value:
    program.require(results=_RESULTS.value, annotations=_ANNOTATIONS.value)
    metrics = _official_accuracy(_RESULTS.value, _ANNOTATIONS.value)
  else:
    program.require(model_dir=_MODEL_DIR.value)
    metrics = _model_metrics()
  print(json.dumps(metrics, indent=2))


def _official_accuracy(results: str, annotations: str) -> dict:
  from vlbert_tf.evaluation import vqa

  return vqa.evaluate_results(results, annotations).as_dict()


def _model_metrics() -> dict:
  # TensorFlow takes seconds to import, and --help should not pay for it.
  from vlbert_tf.tasks import inference, saved

  task = saved.load_task_on(
    _MODEL_DIR.value, _SPLIT.value, _RECORDS.value, _SWAP_IMAGES.value
  )
  model = saved.restore_trained(task, _MODEL_DIR.value, _CHECKPOINT.value)
  return inference.evaluate(task, model, task.task_config.validation_data)


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
