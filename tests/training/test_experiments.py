"""Settings: recipes, overrides, and messages for what is wrong."""

import pathlib

import pytest
from official.modeling import optimization

from vlbert_tf.training import experiments

CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'


def _learning_rate(params):
  return optimization.OptimizerFactory(
    params.trainer.optimizer_config
  ).build_learning_rate()


@pytest.mark.parametrize(
  ('experiment', 'config', 'peak', 'warmup', 'steps', 'batch'),
  [
    # VL-BERT §4.1: 3.3 M pairs, 10 epochs of 256 pairs.
    (
      'vlbert/pretraining',
      'pretrain/base.yaml',
      1e-4,
      8000,
      10 * 3_300_000 / 256,
      256,
    ),
    # VL-BERT §4.2.2: 444 k questions, 20 epochs of 256.
    ('vlbert/vqa', 'vqa/base.yaml', 1e-4, 2000, 20 * 444_000 / 256, 256),
  ],
)
def test_recipes_follow_the_schedule_of_the_paper(
  experiment, config, peak, warmup, steps, batch
):
  params = experiments.load_experiment(experiment, [str(CONFIGS / config)])

  rate = _learning_rate(params)
  total = params.trainer.train_steps
  assert abs(total - steps) < 1
  assert params.task.train_data.global_batch_size == batch
  assert float(rate(0)) == 0.0
  assert float(rate(warmup // 2)) == pytest.approx(peak / 2)
  assert float(rate(warmup)) == pytest.approx(peak)
  middle = (total + warmup) // 2
  assert float(rate(middle)) == pytest.approx(peak / 2, rel=1e-3)
  assert float(rate(total)) == pytest.approx(0.0, abs=1e-12)
  adam = params.trainer.optimizer_config.optimizer.adamw
  assert (adam.beta_1, adam.beta_2) == (0.9, 0.999)
  assert adam.weight_decay_rate == pytest.approx(1e-4)


def test_pretraining_masks_and_swaps_as_often_as_the_paper():
  task = experiments.load_experiment(
    'vlbert/pretraining', [str(CONFIGS / 'pretrain' / 'base.yaml')]
  ).task

  assert (task.word_mask_rate, task.roi_mask_rate) == (0.15, 0.15)
  assert task.swap_probability == 0.5
  assert task.model.max_rois == 100


@pytest.mark.parametrize('path', sorted(CONFIGS.rglob('*.yaml')), ids=str)
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
  ],
)
def test_what_is_wrong_is_said_with_what_to_do(experiment, override, message):
  with pytest.raises(ValueError, match='.') as error:
    experiments.load_experiment(experiment, [], override)

  assert message in str(error.value)
