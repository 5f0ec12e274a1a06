"""What is run, with which flags, and what is not run again."""

import dataclasses
import json

import pytest

from vlbert_tf.study import execution, materials, measures, runs

_SCALE = dataclasses.replace(runs.QUICK, seeds=2, ablation_seeds=1)


class _Walk:
  """Writes down steps in place of running programs."""

  steps: list = []

  def __init__(self, folder):
    self.folder = folder
    self.seconds = {}

  def run(self, *steps):
    for step in steps:
      self.steps.append(step)
      self.seconds[step.name] = 1.25
      if step.program == 'vlbert-evaluate':
        with open(_flag(step, 'output'), 'w') as file:
          json.dump({'masked_roi_accuracy': 0.25, 'examples': 4}, file)


def _flag(step, name):
  (value,) = [
    text.partition('=')[2]
    for text in step.arguments
    if text.startswith(f'--{name}=')
  ]
  return value


@pytest.fixture
def walked(monkeypatch):
  """Steps that a study asks for; every test is 60 % right."""
  _Walk.steps = []
  monkeypatch.setattr(execution, 'Walk', _Walk)
  monkeypatch.setattr(execution.materials, 'prepare', lambda *_: None)
  monkeypatch.setattr(measures.HeldOut, 'of', lambda data: None)
  found = {'all': {'accuracy': 60.0, 'examples': 10}}
  for name in ('answers', 'boxes', 'choices'):
    monkeypatch.setattr(
      measures, name, lambda *_: json.loads(json.dumps(found))
    )
  monkeypatch.setattr(measures, 'blind_answers', lambda *_: 20.0)
  return _Walk.steps


def test_each_set_of_records_is_a_step_of_its_own(tmp_path):
  _Walk.steps = []

  materials.prepare(_Walk(tmp_path), _SCALE)

  # A step is done once, by its name.
  names = [step.name for step in _Walk.steps]
  assert len(set(names)) == len(names)
  built = {
    _flag(step, 'name'): step.arguments
    for step in _Walk.steps
    if step.program == 'vlbert-build-examples'
  }
  detector = f'--detector={tmp_path}/detector'
  kept = {name: '--keep=both' in flags for name, flags in built.items()}
  assert kept == {
    runs.CAPTIONS: True,
    runs.CHOICES: False,
    runs.QUESTIONS: False,
    runs.ANNOTATED: False,
    runs.DETECTED: True,
  }
  found = {name for name, flags in built.items() if detector in flags}
  assert found == {runs.CAPTIONS, runs.QUESTIONS, runs.DETECTED}
  for name in (runs.ANNOTATED, runs.DETECTED):
    splits = [f.partition(',')[0] for f in built[name] if 'refs(unc).p' in f]
    assert splits == [
      f'--split={s}' for s in ('train', 'val', 'testA', 'testB')
    ]


def _study(folder, *names, scale=_SCALE):
  return execution.study(folder, scale, 2, runs.chosen(names))


def _train(steps, name):
  (step,) = [each for each in steps if each.name == f'train {name}']
  return step


def test_each_seed_starts_from_the_pre_training_of_its_seed(walked, tmp_path):
  _study(tmp_path, 'vqa', 'vqa_alone')

  names = [step.name for step in walked]
  for seed in (0, 1):
    settings = _flag(_train(walked, f'vqa-{seed}'), 'params_override').split(
      ','
    )
    start = tmp_path / 'models' / f'pretraining_features-{seed}'
    assert f'task.init_checkpoint={start}' in settings
    assert f'task.train_data.seed={seed}' in settings
    first = names.index(f'train pretraining_features-{seed}')
    assert first < names.index(f'train vqa-{seed}')
    alone = _flag(_train(walked, f'vqa_alone-{seed}'), 'params_override')
    # On features there is no visual network to start either.
    assert 'init_' not in alone


def test_what_is_left_out_comes_last_and_has_seeds_of_its_own(walked, tmp_path):
  _study(
    tmp_path, 'refcoco_detected_no_geometry', 'refcoco_detected_pixels', 'vqa'
  )

  trained = [s.name for s in walked if s.name.startswith('train')]
  claims = {
    f'train {name}-{seed}'
    for name in ('pretraining_features', 'pretraining_pixels', 'vqa')
    for seed in (0, 1)
  }
  assert set(trained[: len(claims)]) == claims
  assert set(trained[len(claims) :]) == {
    'train pretraining_no_geometry-0',
    'train refcoco_detected_no_geometry-0',
    'train refcoco_detected_pixels-0',
  }


def test_pixels_without_pre_training_start_from_the_detector(walked, tmp_path):
  _study(tmp_path, 'vcr', 'vcr_alone')

  for half in ('answer', 'rationale'):
    step = _train(walked, f'vcr_alone-0_{half}')
    settings = _flag(step, 'params_override').split(',')
    assert f'task.sub_task={half}' in settings
    assert any(s.startswith('task.init_detector=') for s in settings)
    assert not any(s.startswith('task.init_checkpoint=') for s in settings)


def test_a_result_has_settings_metrics_and_seconds(walked, tmp_path):
  _study(tmp_path, 'vqa')

  first, *_ = json.loads((tmp_path / 'results.json').read_text())
  assert (first['run'], first['seed']) == ('pretraining_features', 0)
  assert first['metrics'] == {
    'all': {'masked_roi_accuracy': 25.0, 'examples': 4}
  }
  record = json.loads((tmp_path / 'results' / 'vqa-1.json').read_text())
  assert record['seconds'] == {'train vqa-1': 1.2}
  assert record['settings'] == list(
    runs.settings(runs.BY_NAME['vqa'], _SCALE, 1)
  )
  assert record['metrics'] == {
    'all': {'accuracy': 60.0, 'examples': 10},
    'image_hidden': {'accuracy': 60.0, 'examples': 10},
    'blind': {'accuracy': 20.0},
  }
  assert '60.0 ± 0.0' in (tmp_path / 'results.md').read_text()


def test_a_task_that_was_left_out_has_no_accuracy(walked, tmp_path):
  _study(tmp_path, 'pretraining_no_masked_rois', 'pretraining_no_geometry')

  found = {
    record['run']: record['metrics']['all']
    for record in json.loads((tmp_path / 'results.json').read_text())
  }
  assert found == {
    'pretraining_no_masked_rois': {'examples': 4},
    'pretraining_no_geometry': {'masked_roi_accuracy': 25.0, 'examples': 4},
  }


def test_what_has_a_result_is_not_run_again(walked, tmp_path):
  _study(tmp_path, 'vqa')
  (tmp_path / 'results' / 'vqa-1.json').unlink()
  walked.clear()

  _study(tmp_path, 'vqa')

  assert {step.name.split()[1].split('_')[0] for step in walked} == {'vqa-1'}


def test_results_of_other_settings_are_refused_before_anything_runs(
  walked, tmp_path
):
  _study(tmp_path, 'vqa')
  walked.clear()

  with pytest.raises(ValueError, match='one size of the study.*another'):
    _study(tmp_path, 'vqa', scale=dataclasses.replace(_SCALE, vqa_steps=7))

  assert not walked


def test_a_run_that_fails_ends_the_study_and_keeps_the_others(
  walked, tmp_path, monkeypatch
):
  run = _Walk.run

  def failing(self, *steps):
    if any(step.name == 'train vqa-0' for step in steps):
      raise RuntimeError('Step "train vqa-0" ended with code 1.')
    run(self, *steps)

  monkeypatch.setattr(_Walk, 'run', failing)

  with pytest.raises(RuntimeError, match='train vqa-0'):
    _study(tmp_path, 'vqa')

  assert (tmp_path / 'results' / 'pretraining_features-0.json').exists()
  assert not (tmp_path / 'results' / 'vqa-0.json').exists()
