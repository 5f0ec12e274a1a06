"""Trains and tests the runs of the study, each once, and keeps its results.

FOLDER/data, records, detector, vocab.txt   what all runs read
FOLDER/models/RUN-SEED                      checkpoints
FOLDER/predictions/RUN-SEED*                what was predicted for the test
FOLDER/results/RUN-SEED.json                settings, metrics, seconds
FOLDER/results.json                         all of these
FOLDER/results.md                           tables of them
"""

import concurrent.futures
import json
import os
import pathlib

from absl import logging

from vlbert_tf import recipes
from vlbert_tf.study import materials, measures, runs, tables
from vlbert_tf.walkthrough import plans, programs
from vlbert_tf.walkthrough.steps import Step, Walk

_RECIPES = {task: f'{task}/tiny.yaml' for task in ('vqa', 'vcr', 'refcoco')}
_RECIPES[runs.PRETRAINING] = 'pretrain/tiny.yaml'
_SUB_TASKS = ('answer', 'rationale')
_HIDDEN = '_hidden'


def study(
  folder: str, scale: runs.Scale, workers: int, chosen: tuple[runs.Run, ...]
) -> str:
  """Does all that is not done, and writes results and tables.

  Args:
    folder: for everything that is written.
    scale: how much is trained.
    workers: runs at a time, which share the cores.
    chosen: of `runs.RUNS`, in their order, with all that they start from.

  Returns:
    The tables, in Markdown.

  Raises:
    ValueError: the folder has results of other settings.
    RuntimeError: a step failed.
  """
  walk = Walk(folder)
  for part in ('models', 'predictions', 'results'):
    (walk.folder / part).mkdir(parents=True, exist_ok=True)
  _Runner(walk, scale, 0).check(chosen)
  materials.prepare(walk, scale)
  threads = max(1, (os.cpu_count() or workers) // workers)
  runner = _Runner(walk, scale, threads)
  for seed, batch in runs.batches(chosen, scale):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
      pending = {}
      for run in batch:
        # It stands before: under way at least, or of an earlier batch.
        first = pending.get(run.start)
        pending[run.name] = pool.submit(runner.run, run, seed, first)
      try:
        for future in concurrent.futures.as_completed(pending.values()):
          future.result()
      except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    _publish(walk.folder)
  if scale.easy_vqa:
    runner.easy_vqa()
  return _publish(walk.folder)


class _Runner:
  """Trains, tests and keeps one run after the other, in any thread."""

  def __init__(self, walk: Walk, scale: runs.Scale, threads: int):
    self._walk = walk
    self._root = walk.folder
    self._data = self._root / 'data'
    self._scale = scale
    self._threads = threads

  def check(self, chosen: tuple[runs.Run, ...]) -> None:
    """Fails where there are results of the same name and other settings."""
    for run in chosen:
      for seed in range(self._scale.seeds):
        path = self._result(run.name, seed)
        if path.exists():
          record = json.loads(path.read_text())
          wanted = self._wanted(run, seed)
          found = {key: record.get(key) for key in wanted}
          if found != wanted:
            raise ValueError(
              'A folder holds results of one size of the study. Received: '
              f'{path}, with {found}, where {wanted} are wanted. Pass another '
              '--output_dir.'
            )

  def run(
    self, run: runs.Run, seed: int, first: concurrent.futures.Future | None
  ) -> None:
    """Does one run, after the one that it starts from."""
    if first is not None:
      first.result()
    if self._result(run.name, seed).exists():
      logging.info('%s, seed %d: has its result.', run.name, seed)
      return
    name = _file(run.name, seed)
    steps = self._trainings(run, seed)
    self._each(steps)
    trained = {step.name: self._walk.seconds[step.name] for step in steps}
    if run.task == runs.PRETRAINING:
      metrics = self._evaluated(name)
    else:
      metrics = self._tested(run, name)
    self._keep(
      {
        'run': run.name,
        'seed': seed,
        'task': run.task,
        'records': run.records,
        'start': run.start,
        **self._wanted(run, seed),
        'metrics': metrics,
        'seconds': {k: round(v, 1) for k, v in trained.items()},
      }
    )

  def easy_vqa(self) -> None:
    """easy-VQA by its own recipe, which pre-trains nothing."""
    path = self._result(runs.EASY_VQA, 0)
    if path.exists():
      return
    folder = self._root / runs.EASY_VQA
    plans.easy_vqa(str(folder))
    hidden = folder / 'results_hidden.json'
    self._walk.run(
      self._prediction('easy_vqa', folder / 'vqa', 'test', hidden, True)
    )
    data = folder / 'data'
    nothing = measures.HeldOut.of(data)
    metrics = {
      of: measures.answers(str(file), data, nothing)[measures.ALL]
      for of, file in (
        (measures.ALL, folder / 'results_ours.json'),
        (measures.IMAGE_HIDDEN, hidden),
      )
    }
    blind = measures.blind_answers(data, str(folder / 'results_blind.json'))
    metrics[measures.BLIND] = {'accuracy': blind}
    self._keep(
      {
        'run': runs.EASY_VQA,
        'seed': 0,
        'task': runs.VQA,
        'records': runs.EASY_VQA,
        'start': '',
        'settings': ['configs/vqa/easy_vqa.yaml'],
        'metrics': metrics,
        'seconds': {},
      }
    )

  def _wanted(self, run: runs.Run, seed: int) -> dict:
    """What decides the result of a run."""
    return {
      'settings': list(runs.settings(run, self._scale, seed)),
      'images': {
        'with captions': self._scale.caption_images,
        'labelled': self._scale.labelled_images,
        'to test': self._scale.test_images,
      },
    }

  def _trainings(self, run: runs.Run, seed: int) -> list[Step]:
    """The one training of a run, or those of both halves of VCR."""
    name = _file(run.name, seed)
    override = [
      *programs.data_override(self._root, self._root / 'records' / run.records),
      *runs.settings(run, self._scale, seed),
    ]
    if run.task == runs.VQA:
      answers = self._root / 'records' / run.records / '1.0.0' / 'answers.txt'
      override.append(f'task.answers_file={answers}')
    if run.start:
      start = self._root / 'models' / _file(run.start, seed)
      override.append(f'task.init_checkpoint={start}')
    elif run.sees == runs.PIXELS:
      override.append(f'task.init_detector={recipes.DETECTOR}')
    return [
      programs.train(
        f'train {name}{suffix}',
        run.task,
        _RECIPES[run.task],
        self._root,
        [*override, *more],
        f'models/{name}{suffix}',
        self._threads,
      )
      for suffix, more in _halves(run.task)
    ]

  def _evaluated(self, name: str) -> measures.Metrics:
    """Accuracies on captions that were not trained on, in per cent."""
    path = self._root / 'predictions' / f'{name}.json'
    self._each(
      [
        Step(
          f'evaluate {name}',
          'vlbert-evaluate',
          [
            f'--model_dir={self._root / "models" / name}',
            '--split=val',
            f'--output={path}',
          ],
          self._threads,
        )
      ]
    )
    # Of a task that asks nothing the accuracy says nothing.
    left_out = name.rpartition('-')[0].partition('_no_')[2].removesuffix('s')
    found = json.loads(path.read_text())
    values = {
      key: 100 * value
      for key, value in found.items()
      if key.endswith('accuracy') and key != f'{left_out}_accuracy'
    }
    return {measures.ALL: {**values, 'examples': found['examples']}}

  def _tested(self, run: runs.Run, name: str) -> measures.Metrics:
    held_out = measures.HeldOut.of(self._data)
    metrics = self._judged(run, name, False, held_out)
    if run.hide:
      hidden = self._judged(run, name, True, held_out)
      metrics[measures.IMAGE_HIDDEN] = hidden[measures.ALL]
    if run.task == runs.VQA:
      scratch = str(self._root / 'predictions' / f'{name}_blind.json')
      blind = measures.blind_answers(self._data, scratch)
      metrics[measures.BLIND] = {'accuracy': blind}
    return metrics

  def _judged(self, run, name, hide, held_out) -> measures.Metrics:
    folder = self._root / 'predictions'
    splits = measures.GROUNDING_SPLITS if run.task == runs.REFCOCO else ['test']
    kind = 'csv' if run.task == runs.VCR else 'json'
    files, steps = [], []
    for suffix, _ in _halves(run.task):
      for split in splits:
        label = f'{name}{suffix}_{split}{_HIDDEN if hide else ""}'
        files.append(str(folder / f'{label}.{kind}'))
        model = self._root / 'models' / f'{name}{suffix}'
        steps.append(self._prediction(label, model, split, files[-1], hide))
    self._each(steps)
    scratch = str(folder / f'{name}_part.{"jsonl" if kind == "csv" else kind}')
    if run.task == runs.VQA:
      return measures.answers(files[0], self._data, held_out)
    judge = measures.boxes if run.task == runs.REFCOCO else measures.choices
    return judge(files, self._data, held_out, scratch)

  def _prediction(self, label, model, split, output, hide) -> Step:
    return Step(
      f'predict {label}',
      'vlbert-predict',
      [
        f'--model_dir={model}',
        f'--split={split}',
        f'--output={output}',
        f'--hide_images={hide}',
      ],
      self._threads,
    )

  def _each(self, steps: list[Step]) -> None:
    for step in steps:
      self._walk.run(step)

  def _keep(self, record: dict) -> None:
    """Writes a result, whole or not at all."""
    path = self._result(record['run'], record['seed'])
    partial = path.with_suffix('.partial')
    partial.write_text(json.dumps(record, indent=2))
    partial.rename(path)
    logging.info('%s: %s', path.stem, record['metrics'][measures.ALL])

  def _result(self, name: str, seed: int) -> pathlib.Path:
    return self._root / 'results' / f'{_file(name, seed)}.json'


def _halves(task: str) -> list[tuple[str, list[str]]]:
  """Ends of file names, and settings, of the models that a task takes."""
  if task != runs.VCR:
    return [('', [])]
  return [(f'_{half}', [f'task.sub_task={half}']) for half in _SUB_TASKS]


def _file(name: str, seed: int) -> str:
  return f'{name}-{seed}'


def _publish(root: pathlib.Path) -> str:
  """Joins the results there are, and writes tables of them."""
  records = [
    json.loads(path.read_text()) for path in (root / 'results').glob('*.json')
  ]
  order = {name: number for number, name in enumerate(runs.BY_NAME)}
  records.sort(key=lambda r: (order.get(r['run'], len(order)), r['seed']))
  (root / 'results.json').write_text(json.dumps(records, indent=1) + '\n')
  page = tables.page(records)
  (root / 'results.md').write_text(page)
  return page
