"""The plan of the study: each row has its run, and differs in one thing."""

import collections

import pytest
import yaml

from vlbert_tf import recipes
from vlbert_tf.study import runs, tables

_FEATURES = (
  'task.model.visual_features=precomputed',
  'task.model.appearance_size=128',
)


def _of(name):
  return runs.BY_NAME[name]


def _differing(one, other):
  """What two runs do not share of settings and of everything else."""
  fields = ('task', 'records', 'sees', 'start')
  settings = [set(runs.settings(run, runs.FULL, 0)) for run in (one, other)]
  return (
    {f for f in fields if getattr(one, f) != getattr(other, f)},
    settings[0] ^ settings[1],
  )


def test_names_are_unique_and_a_start_stands_before_who_starts_from_it():
  names = [run.name for run in runs.RUNS]

  assert not [n for n, count in collections.Counter(names).items() if count > 1]
  for number, run in enumerate(runs.RUNS):
    assert not run.start or run.start in names[:number]
    assert not run.start or _of(run.start).task == runs.PRETRAINING


def test_every_row_of_the_tables_has_its_run():
  named = {row.run for row in tables.LEFT_OUT}
  named |= {row.base for row in tables.LEFT_OUT if row.base}
  named |= {claim.run for claim in tables.CLAIMS}
  named |= {f'{claim.run}_alone' for claim in tables.CLAIMS}

  assert named <= runs.BY_NAME.keys()
  # And no run is trained for nothing.
  named |= {f'{claim.run}_longer' for claim in tables.CLAIMS}
  used = named | {_of(name).start for name in named}
  assert runs.BY_NAME.keys() - used == set()


@pytest.mark.parametrize(
  ('task', 'rate'),
  [
    # Random weights want a larger rate.
    ('vqa', {'trainer.learning_rate=0.001'}),
    ('vcr', set()),
    ('refcoco_annotated', set()),
    ('refcoco_detected', set()),
  ],
)
def test_without_pre_training_nothing_else_differs(task, rate):
  fields, settings = _differing(_of(task), _of(f'{task}_alone'))

  assert fields == {'start'}
  assert _of(f'{task}_alone').start == ''
  assert settings == rate
  assert _of(task).hide
  assert _of(f'{task}_alone').hide


@pytest.mark.parametrize(
  ('name', 'base', 'settings', 'later'),
  [
    (
      'no_relationship',
      'features',
      {
        *('task.relationship_weight=0.0', 'task.swap_probability=0.0'),
        *('task.relationship_weight=1.0', 'task.swap_probability=0.5'),
      },
      set(),
    ),
    (
      'no_masked_words',
      'features',
      {'task.masked_word_weight=0.0', 'task.word_mask_rate=0.0'},
      set(),
    ),
    (
      'no_masked_rois',
      'features',
      {'task.masked_roi_weight=0.0', 'task.roi_mask_rate=0.0'},
      set(),
    ),
    ('no_geometry', 'features', {'task.model.geometry=false'}, None),
    (
      'no_image_for_words',
      'features',
      {'task.model.words_see_image=false'},
      None,
    ),
    (
      'numbered_rois',
      'features',
      {'task.model.shared_roi_position=false'},
      None,
    ),
    ('not_zeroed', 'pixels', {'task.model.zeroed_pixels=false'}, set()),
    ('joint', 'pixels', {'task.model.frozen_stages=0'}, None),
  ],
)
def test_what_is_left_out_is_the_only_difference(name, base, settings, later):
  fields, found = _differing(
    _of(f'pretraining_{name}'), _of(f'pretraining_{base}')
  )
  assert fields == set()
  assert found == settings

  # A part of the model is left out after pre-training as well.
  tuned = (
    'refcoco_detected' if base == 'features' else 'refcoco_detected_pixels'
  )
  fields, found = _differing(_of(f'refcoco_detected_{name}'), _of(tuned))
  assert fields == {'start'}
  assert _of(f'refcoco_detected_{name}').start == f'pretraining_{name}'
  assert found == (settings if later is None else later)


def test_features_in_place_of_joint_training_change_what_the_model_sees():
  fields, settings = _differing(
    _of('refcoco_detected'), _of('refcoco_detected_joint')
  )

  assert fields == {'sees', 'start'}
  assert settings == {*_FEATURES, 'task.model.frozen_stages=0'}


def test_the_recipes_freeze_the_visual_network_that_joint_training_frees():
  for task in ('pretrain', 'refcoco'):
    recipe = yaml.safe_load((recipes.FOLDER / task / 'tiny.yaml').read_text())
    assert recipe['task']['model']['frozen_stages'] == 5


def test_all_three_tasks_of_the_paper_are_on_whatever_the_recipe_says():
  on = {'task.relationship_weight=1.0', 'task.swap_probability=0.5'}
  for name in ('features', 'pixels'):
    assert on <= set(_of(f'pretraining_{name}').changes)
  recipe = yaml.safe_load(
    (recipes.FOLDER / 'pretrain' / 'tiny.yaml').read_text()
  )
  assert recipe['task'].get('masked_roi_weight', 1.0) == 1.0
  assert recipe['task'].get('masked_word_weight', 1.0) == 1.0


@pytest.mark.parametrize(
  ('name', 'fields'),
  [
    *((name, {'start'}) for name in ('vqa', 'vcr', 'refcoco_detected')),
    ('pretraining_pixels', set()),
  ],
)
def test_longer_runs_differ_in_steps_of_pre_training_alone(name, fields):
  longer = _of(f'{name}_longer')

  found, settings = _differing(longer, _of(name))

  assert found == fields
  if fields:
    assert longer.start == f'{_of(name).start}_longer'
    assert settings == set()
  else:
    assert settings == {
      *('trainer.train_steps=12000', 'trainer.warmup_steps=1200'),
      *('trainer.train_steps=3000', 'trainer.warmup_steps=300'),
    }


def test_the_quick_study_has_no_longer_runs():
  for scale, wanted in ((runs.FULL, True), (runs.QUICK, False)):
    planned = [r for _, batch in runs.batches(runs.RUNS, scale) for r in batch]
    assert any(run.longer for run in planned) == wanted
    assert _of('refcoco_detected_joint') in planned


def test_seed_and_steps_are_set_and_the_quick_study_is_smaller():
  run = _of('vqa')

  assert 'task.train_data.seed=2' in runs.settings(run, runs.FULL, 2)
  assert f'trainer.train_steps={runs.QUICK.vqa_steps}' in runs.settings(
    run, runs.QUICK, 0
  )
  assert (runs.FULL.seeds, runs.QUICK.seeds) == (3, 1)
  assert runs.FULL.easy_vqa > runs.QUICK.easy_vqa
  # Captions are plentiful and labels scarce.
  for scale in (runs.FULL, runs.QUICK):
    assert scale.caption_images >= 8 * scale.labelled_images


def test_the_claims_are_no_ablations_and_all_other_runs_are():
  claims = {claim.run for claim in tables.CLAIMS}
  with_and_without = claims | {f'{run}_alone' for run in claims}
  starts = {_of(name).start for name in with_and_without} - {''}

  assert {
    run.name for run in runs.RUNS if not run.ablation
  } == with_and_without | starts
  assert runs.FULL.ablation_seeds <= runs.FULL.seeds


def test_chosen_runs_bring_what_they_start_from_and_unknown_ones_are_refused():
  names = [run.name for run in runs.chosen(['vqa', 'vqa_alone'])]

  assert names == ['pretraining_features', 'vqa', 'vqa_alone']
  assert runs.chosen([]) == runs.RUNS
  with pytest.raises(ValueError, match='Received: vqa2'):
    runs.chosen(['vqa2'])
