"""The walk through every task: one pre-training, four fine-tunings, a table.

FOLDER/data        scenes in the official formats of all data sets
FOLDER/records     of captions, questions, references, choices
FOLDER/{pretraining,vqa,refcoco,vcr_answer,vcr_rationale}
FOLDER/results_*   what the models predict, with images and without
"""

import os
import pathlib

from vlbert_tf import recipes
from vlbert_tf.data.readers import coco, refcoco
from vlbert_tf.evaluation import refcoco as grounding
from vlbert_tf.evaluation import vcr, vqa
from vlbert_tf.walkthrough import programs
from vlbert_tf.walkthrough.steps import Step, Walk

_REFERENCES, _CHOICES = 'scenes_refcoco', 'scenes_vcr'
_GROUNDING_SPLIT = 'testA'
# There is more time than in the walk of questions alone.
_PRETRAINING_STEPS = 'trainer.train_steps=2000'
_QUESTION_STEPS = 'trainer.train_steps=2500'
# Of four candidates; Q→AR is right where both choices are.
_CHANCE_OF_CHOICE, _CHANCE_OF_BOTH = 25.0, 6.25


def every_task(folder: str) -> None:
  """Scenes: each task of the paper from one pre-trained model.

  Args:
    folder: for everything that is written.
  """
  walk = Walk(folder)
  root = walk.folder
  data, records = root / 'data', root / 'records'
  captions, questions = records / 'scenes_captions', records / 'scenes_vqa'
  walk.run(
    programs.make_scenes(data, images=4000, with_regions=True),
    programs.export('export detector', recipes.DETECTOR, root / 'detector'),
  )
  detector = f'--detector={root}/detector'
  walk.run(
    programs.learn_vocabulary(
      root,
      1500,
      data / 'captions' / 'train.tsv',
      programs.questions_file(data, 'train'),
    ),
    programs.build_captions(data, records, 'scenes_captions', [detector]),
    programs.build_questions(data, records, 'scenes_vqa', [detector]),
  )
  half = max(1, (os.cpu_count() or 2) // 2)
  walk.run(
    programs.pretrain(
      root,
      captions,
      half,
      [f'task.init_detector={recipes.DETECTOR}', _PRETRAINING_STEPS],
    ),
    programs.build_references(data, records, _REFERENCES, [_GROUNDING_SPLIT]),
    programs.build_choices(data, records, _CHOICES),
  )
  start = f'task.init_checkpoint={root}/pretraining'
  longer = [start, _QUESTION_STEPS]
  # Two runs of half the cores each do more than one of all after another.
  walk.run(
    programs.train_vqa(
      'train on questions', 'vqa', root, questions, longer, threads=half
    ),
    _train('refcoco', root, records / _REFERENCES, [start], half),
  )
  walk.run(
    *(
      _train(
        f'vcr_{sub_task}',
        root,
        records / _CHOICES,
        [start, f'task.sub_task={sub_task}'],
        half,
      )
      for sub_task in ('answer', 'rationale')
    )
  )
  for hide in (False, True):
    steps = [
      _predict(root, 'vqa', 'json', 'test', hide),
      _predict(root, 'refcoco', 'json', _GROUNDING_SPLIT, hide),
      _predict(root, 'vcr_answer', 'csv', 'test', hide),
      _predict(root, 'vcr_rationale', 'csv', 'test', hide),
    ]
    walk.run(*steps[:2])
    walk.run(*steps[2:])


def table(folder: str) -> str:
  """The metrics on the test splits, in Markdown.

  Args:
    folder: of a finished walk.

  Returns:
    A row for each metric: ours, ours without the image, and chance.
  """
  root = pathlib.Path(folder)
  data = root / 'data'
  rows = [
    _answers_row(root, data),
    _grounding_row(root, data),
    *_choices_rows(root, data),
  ]
  lines = [
    '| test metric, % | our model | image hidden | chance |',
    '|---|---|---|---|',
  ]
  lines += [
    f'| {name} | ' + ' | '.join(f'{value:.1f}' for value in values) + ' |'
    for name, *values in rows
  ]
  return '\n'.join(lines)


def _answers_row(root, data):
  test = str(programs.annotations_file(data, 'test'))
  train = str(programs.annotations_file(data, 'train'))
  blind = str(root / 'results_blind.json')
  vqa.write_results(blind, vqa.most_frequent_answers(train, test))
  files = [*_results(root, 'vqa', 'json'), blind]
  values = [vqa.evaluate_results(file, test).overall for file in files]
  return ('VQA accuracy (chance: most frequent answers)', *values)


def _grounding_row(root, data):
  folder = data / 'refcoco+'
  instances = coco.read_instances(str(folder / 'instances.json'))
  targets = {
    expression_id: grounding.Target(
      box, [region.box for region in instances.of_id(image_id).regions]
    )
    for expression_id, image_id, box in refcoco.read_targets(
      str(folder / 'refs(unc).p'), _GROUNDING_SPLIT, instances
    )
  }
  ours, hidden = (
    grounding.evaluate_results(file, targets)
    for file in _results(root, 'refcoco', 'json')
  )
  return ('RefCOCO+ accuracy', ours.accuracy, hidden.accuracy, ours.chance)


def _choices_rows(root, data):
  test = str(data / 'vcr' / 'test.jsonl')
  answers = _results(root, 'vcr_answer', 'csv')
  rationales = _results(root, 'vcr_rationale', 'csv')
  ours, hidden = (
    vcr.evaluate_results(list(files), test)
    for files in zip(answers, rationales, strict=True)
  )
  yield 'VCR Q→A', ours.answer, hidden.answer, _CHANCE_OF_CHOICE
  yield 'VCR QA→R', ours.rationale, hidden.rationale, _CHANCE_OF_CHOICE
  yield 'VCR Q→AR', ours.both, hidden.both, _CHANCE_OF_BOTH


def _results(root: pathlib.Path, name: str, suffix: str) -> tuple[str, str]:
  """Result files with the image, and without."""
  return (
    f'{root}/results_{name}.{suffix}',
    f'{root}/results_{name}_hidden.{suffix}',
  )


def _train(
  into: str,
  root: pathlib.Path,
  records: pathlib.Path,
  override: list[str],
  threads: int,
) -> Step:
  experiment = into.partition('_')[0]
  return programs.train(
    f'train {into}',
    experiment,
    f'{experiment}/tiny.yaml',
    root,
    [*programs.data_override(root, records), *override],
    into,
    threads,
  )


def _predict(
  root: pathlib.Path, model: str, suffix: str, split: str, hide: bool
) -> Step:
  name = f'predict {model}' + (' without images' if hide else '')
  return Step(
    name,
    'vlbert-predict',
    [
      f'--model_dir={root / model}',
      f'--split={split}',
      f'--output={_results(root, model, suffix)[hide]}',
      f'--hide_images={hide}',
    ],
  )
