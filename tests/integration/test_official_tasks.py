"""Official files → records → training → result file → our evaluation."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf

from beam_jobs import job
from vlbert_tf.data.readers import refcoco
from vlbert_tf.training import experiments, runner

STEPS = 2
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def photos(fixtures, tmp_path_factory):
  """The folder that VCR's image names start from."""
  folder = tmp_path_factory.mktemp('photos')
  os.symlink(fixtures / 'coco' / 'images', folder / 'samples')
  return folder


def _build(output_dir, dataset, *splits):
  return job.run(
    job.Request(
      dataset=dataset, name=dataset, output_dir=str(output_dir), splits=splits
    )
  )


def _train(folder: pathlib.Path, fixtures, experiment, split, **task):
  records = folder / experiment.partition('/')[2]
  data = {'path': str(records), 'split': split, 'global_batch_size': 2}
  override = {
    'task': {
      'vocab_file': str(fixtures / 'bert' / 'vocab.txt'),
      'model': {
        'size': 'tiny',
        'max_text_length': 64,
        'max_rois': 100,
        'image_short_side': 60,
        'image_long_side': 80,
        'xla': 'none',
      },
      'train_data': data,
      'validation_data': {**data, 'global_batch_size': 16},
      **task,
    },
    'trainer': {
      'train_steps': STEPS,
      'warmup_steps': 0,
      'steps_per_loop': 1,
      'checkpoint_interval': STEPS,
      'summary_interval': STEPS,
      'rate_drops': [],
    },
  }
  model_dir = folder / f'model_{task.get("sub_task", "")}'
  params = experiments.load_experiment(experiment, [], str(override))
  one_device = tf.distribute.OneDeviceStrategy('CPU:0')
  runner.train(params, 'train', str(model_dir), one_device)
  return str(model_dir)


def _predict(**values) -> None:
  _program('vlbert_tf.predict', **values)


def _evaluate(**values) -> dict:
  return json.loads(_program('vlbert_tf.evaluate', **values))


def _program(module: str, **values) -> str:
  arguments = [f'--{name}={value}' for name, value in values.items()]
  done = subprocess.run(
    [sys.executable, '-m', module, *arguments],
    check=True,
    capture_output=True,
    text=True,
  )
  return done.stdout


def test_refcoco_plus_goes_all_the_way(fixtures, tmp_path):
  folder = fixtures / 'refcoco+'
  refs, instances = folder / 'refs(unc).p', folder / 'instances.json'
  sources = f'refs={refs},instances={instances},images={fixtures}/coco/images'
  manifest = _build(tmp_path, 'refcoco', f'train,{sources}', f'testB,{sources}')
  rows = refcoco.read_plain_pickle(str(refs))
  for split in ('train', 'testB'):
    sentences = sum(
      len(row['sentences']) for row in rows if row['split'] == split
    )
    counts = manifest['splits'][split]
    assert counts['annotations'] + counts['dropped_annotations'] == sentences

  model_dir = _train(tmp_path, fixtures, 'vlbert/refcoco', 'train')
  results = f'{tmp_path}/testB.json'
  _predict(model_dir=model_dir, split='testB', output=results)
  judged = _evaluate(
    benchmark='refcoco',
    split='testB',
    results=results,
    annotations=str(refs),
    instances=str(instances),
  )
  inside = _evaluate(model_dir=model_dir, split='testB')

  assert judged['expressions'] == manifest['splits']['testB']['annotations']
  # Two ways to the same number: boxes in a file, and the task's own metric.
  assert judged['accuracy'] == pytest.approx(100 * inside['accuracy'], abs=0.01)
  assert judged['chance'] == pytest.approx(100 * inside['chance'], abs=0.01)


def test_vcr_goes_all_the_way(fixtures, photos, tmp_path):
  splits = [
    f'{split},questions={fixtures}/vcr/{split}.jsonl,images={photos},'
    f'metadata={fixtures}/vcr/vcr1images'
    for split in ('val', 'test')
  ]
  manifest = _build(tmp_path, 'vcr', *splits)
  assert manifest['splits']['val']['annotations'] == 36
  assert manifest['splits']['test']['annotations'] == 6

  files, inside = {}, {}
  for sub_task in ('answer', 'rationale'):
    model_dir = _train(
      tmp_path, fixtures, 'vlbert/vcr', 'val', sub_task=sub_task
    )
    files[sub_task] = f'{tmp_path}/{sub_task}.csv'
    _predict(model_dir=model_dir, split='val', output=files[sub_task])
    inside[sub_task] = _evaluate(model_dir=model_dir, split='val')
  judged = _evaluate(
    benchmark='vcr',
    results=','.join(files.values()),
    annotations=f'{fixtures}/vcr/val.jsonl',
  )
  # Without labels as well, with the columns of both models.
  answers, submission = f'{tmp_path}/test_a.csv', f'{tmp_path}/submission.csv'
  _predict(
    model_dir=f'{tmp_path}/model_answer',
    split='test',
    output=answers,
  )
  _predict(
    model_dir=f'{tmp_path}/model_rationale',
    split='test',
    output=submission,
    join=answers,
  )

  assert judged['questions'] == 36
  for name, sub_task in (('Q->A', 'answer'), ('QA->R', 'rationale')):
    assert judged[name] == pytest.approx(
      100 * inside[sub_task]['accuracy'], abs=0.01
    )
  lines = pathlib.Path(submission).read_text().splitlines()
  assert len(lines) == 7
  assert {len(line.split(',')) for line in lines} == {21}
