"""Settings: recipes, overrides, and messages for what is wrong."""

import pathlib

import pytest

from vlbert_tf.training import experiments

CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'


def test_pretraining_masks_and_swaps_as_often_as_the_paper():
  task = experiments.load_experiment(
    'vlbert/pretraining', [str(CONFIGS / 'pretrain' / 'base.yaml')]
  ).task

  assert (task.word_mask_rate, task.roi_mask_rate) == (0.15, 0.15)
  assert task.swap_probability == 0.5
  assert task.model.max_rois == 100


@pytest.mark.parametrize(
  # What vlbert-publish wrote is a trained model, not a recipe.
  'path',
  sorted(set(CONFIGS.rglob('*.yaml')) - set(CONFIGS.rglob('params.yaml'))),
)
def test_every_recipe_is_understood_and_names_its_command(path):
  text = path.read_text()
  experiment = text.partition('--experiment=')[2].split()[0]

  experiments.load_experiment(experiment, [str(path)])

  assert '# vlbert-train' in text


@pytest.mark.parametrize(
  'override',
  [
    'task.model.size=tiny,trainer.train_steps=7000',
    '{task: {model: {size: tiny}}, trainer: {train_steps: 7000}}',
  ],
)
def test_overrides_come_as_pairs_or_as_yaml(override):
  params = experiments.load_experiment('vlbert/vqa', [], override)

  assert params.task.model.size == 'tiny'
  assert params.trainer.train_steps == 7000


@pytest.mark.parametrize(
  ('experiment', 'override', 'message'),
  [
    ('vlbert/vqq', '', 'Did you mean vlbert/vqa?'),
    (
      'vlbert/vqa',
      'task.model.sise=tiny',
      'task.model.sise. Did you mean task.model.size?',
    ),
    ('vlbert/vqa', 'task.answer_list=a', 'Received: task.answer_list'),
    ('vlbert/vqa', 'task', '--params_override takes a.b=1'),
    ('vlbert/vqa', '{task: [', 'Settings are written in YAML'),
    (
      'vlbert/vqa',
      'trainer.train_steps=10,trainer.warmup_steps=10',
      'trainer.warmup_steps must be at least 0 and below train_steps',
    ),
    (
      'vlbert/vcr',
      '{trainer: {rate_drops: [500, 9000]}}',
      'trainer.rate_drops must increase, and lie after the warm-up',
    ),
    (
      'vlbert/vcr',
      'trainer.optimizer=adam',
      "trainer.optimizer must be one of adamw, sgd. Received: 'adam'",
    ),
  ],
)
def test_what_is_wrong_is_said_with_what_to_do(experiment, override, message):
  with pytest.raises(ValueError, match='.') as error:
    experiments.load_experiment(experiment, [], override)

  assert message in str(error.value)
