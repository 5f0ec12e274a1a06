"""Experiments by name, and the settings that a run is made of.

Each is registered with Model Garden's `exp_factory` and starts from the
paper's numbers; YAML files under `configs/` change what a recipe changes.
"""

import dataclasses
import difflib

import yaml
from official.core import config_definitions as cfg
from official.core import exp_factory
from official.modeling import optimization

from vlbert_tf import recipes
from vlbert_tf.tasks import saved

OPTIMIZERS = ('adamw', 'sgd')
_STEP_FACTOR = 0.1  # of the learning rate at each of `rate_drops`
# By the name of the variable: biases, and scales and offsets of norms.
_NOT_DECAYED = ['/bias', '/beta', '/gamma', '/scale', '/offset']


@dataclasses.dataclass
class TrainerConfig(cfg.TrainerConfig):
  """Model Garden's trainer settings, and optimizer and schedule in short.

  The schedules of VL-BERT §4: linear warm-up, then linear decay to 0 at
  `train_steps`, or a tenth at each of `rate_drops`; `optimizer_config` is
  filled in from it.

  Attributes:
    optimizer: `adamw` or `sgd`.
    learning_rate: at the end of the warm-up.
    warmup_steps: steps over which it rises from 0.
    rate_drops: steps from which the rate is a tenth of what it was; empty for
      linear decay.
    weight_decay: of all parameters but biases and norms; decoupled with
      `adamw`, part of the gradient with `sgd`.
    decay_all: whether biases and norms decay as well.
    momentum: of `sgd`.
    epsilon: of `adamw`.
    clip_norm: bound of the global gradient norm over all replicas; 0 is none.
    max_skipped_steps: steps in a row without finite gradients, which are
      skipped, after which the run ends. In float16 the loss scale needs about
      15 of them to find its size.
    worker_timeout_seconds: how long machines wait for each other.
  """

  optimizer: str = 'adamw'
  learning_rate: float = 1e-4
  warmup_steps: int = 0
  rate_drops: list[int] = dataclasses.field(default_factory=list)
  weight_decay: float = 1e-4
  decay_all: bool = False
  momentum: float = 0.9
  epsilon: float = 1e-7
  clip_norm: float = 10.0
  max_skipped_steps: int = 40
  worker_timeout_seconds: float = 1800.0


def _experiment(
  name: str,
  learning_rate: float,
  warmup_steps: int,
  train_steps: int,
  **trainer,
) -> cfg.ExperimentConfig:
  config_class, _ = saved.TASKS[name]
  return cfg.ExperimentConfig(
    task=config_class(name=name),
    trainer=TrainerConfig(
      learning_rate=learning_rate,
      warmup_steps=warmup_steps,
      train_steps=train_steps,
      validation_steps=-1,
      # Steps with a NaN are skipped, and counted; see `interruption`.
      recovery_max_trials=-1,
      **trainer,
    ),
    runtime=cfg.RuntimeConfig(distribution_strategy='mirrored'),
    restrictions=['task.train_data.is_training != None'],
  )


@exp_factory.register_config_factory(saved.PRETRAINING)
def pretraining() -> cfg.ExperimentConfig:
  """VL-BERT §4.1: 3.3 M pairs, 10 epochs of batch 256."""
  return _experiment(saved.PRETRAINING, 1e-4, 8_000, 128_906)


@exp_factory.register_config_factory(saved.VQA)
def vqa() -> cfg.ExperimentConfig:
  """VL-BERT §4.2.2: 444 k questions, 20 epochs of batch 256."""
  return _experiment(saved.VQA, 1e-4, 2_000, 34_688)


@exp_factory.register_config_factory(saved.REFCOCO)
def refcoco() -> cfg.ExperimentConfig:
  """VL-BERT §4.2.3: 120 k expressions to train on, 20 epochs of batch 256."""
  return _experiment(saved.REFCOCO, 2e-4, 500, 9_390)


@exp_factory.register_config_factory(saved.VCR)
def vcr() -> cfg.ExperimentConfig:
  """VL-BERT §4.2.1: 213 k questions, 20 epochs of 256; ×0.1 at 14 and 18."""
  return _experiment(
    saved.VCR, 2e-3, 1_000, 16_641, optimizer='sgd', rate_drops=[11_648, 14_977]
  )


@exp_factory.register_config_factory(saved.DETECTION)
def detection() -> cfg.ExperimentConfig:
  """Visual Genome as in Anderson et al., 2018; AdamW in place of SGD."""
  return _experiment(saved.DETECTION, 1e-4, 1_000, 190_000)


def load_experiment(
  name: str, config_files: list[str], params_override: str = ''
) -> cfg.ExperimentConfig:
  """The settings of a run.

  Args:
    name: of a registered experiment.
    config_files: YAML files, applied in order; see `recipes.find`.
    params_override: YAML text applied last, e.g.
      `{task: {train_data: {path: records}}}`, or `a.b=1,a.c=2`.

  Returns:
    The settings, with the optimizer filled in, locked.

  Raises:
    FileNotFoundError: a file is missing.
    ValueError: the experiment or a field is unknown, or a file is no YAML.
  """
  if name not in saved.TASKS:
    near = difflib.get_close_matches(name, saved.TASKS, n=1)
    hint = f'Did you mean {near[0]}?' if near else ''
    raise ValueError(
      f'--experiment must be one of {", ".join(saved.TASKS)}. '
      f'Received: {name}. {hint}'
    )
  params = exp_factory.get_exp_config(name)
  for path in config_files:
    with open(recipes.find(path), encoding='utf-8') as file:
      saved.override(params, _parse(file.read(), path))
  saved.override(params, _parse_override(params_override))
  _fill_in_optimizer(params.trainer)
  params.lock()
  return params


def _parse(text: str, source: str) -> dict:
  try:
    values = yaml.safe_load(text) or {}
  except yaml.YAMLError as error:
    raise ValueError(
      f'Settings are written in YAML. Received: {source}, and {error}'
    ) from error
  if not isinstance(values, dict):
    raise ValueError(
      f'Settings are nested fields. Received: {source}, with '
      f'{type(values).__name__} at its top.'
    )
  return values


def _parse_override(text: str) -> dict:
  if not text or text.lstrip().startswith('{'):
    return _parse(text, '--params_override')
  values: dict = {}
  for pair in text.split(','):
    path, separator, value = pair.partition('=')
    if not separator:
      raise ValueError(
        '--params_override takes a.b=1,a.c=2, or YAML in braces. '
        f'Received: {text}.'
      )
    *parents, field = path.strip().split('.')
    place = values
    for parent in parents:
      place = place.setdefault(parent, {})
    place[field] = yaml.safe_load(value)
  return values


def _fill_in_optimizer(trainer: TrainerConfig) -> None:
  if not 0 <= trainer.warmup_steps < max(trainer.train_steps, 1):
    raise ValueError(
      'trainer.warmup_steps must be at least 0 and below train_steps. '
      f'Received: {trainer.warmup_steps} of {trainer.train_steps}.'
    )
  if trainer.optimizer not in OPTIMIZERS:
    raise ValueError(
      f'trainer.optimizer must be one of {", ".join(OPTIMIZERS)}. '
      f'Received: {trainer.optimizer!r}.'
    )
  trainer.optimizer_config = optimization.OptimizationConfig(
    {
      'optimizer': _OPTIMIZERS[trainer.optimizer](trainer),
      'learning_rate': _learning_rate(trainer),
      'warmup': {
        'type': 'linear',
        'linear': {
          'warmup_steps': trainer.warmup_steps,
          'warmup_learning_rate': 0.0,
        },
      },
    }
  )


def _adamw(trainer: TrainerConfig) -> dict:
  return {
    'type': 'adamw',
    'adamw': {
      'epsilon': trainer.epsilon,
      'weight_decay_rate': trainer.weight_decay,
      'exclude_from_weight_decay': [] if trainer.decay_all else _NOT_DECAYED,
      # That one clips each replica's gradient before the sum.
      'gradient_clip_norm': 0.0,
      'global_clipnorm': trainer.clip_norm or None,
    },
  }


def _sgd(trainer: TrainerConfig) -> dict:
  # Without its adaptation of layers, LARS is SGD with momentum and weight
  # decay; Model Garden's own SGD has no weight decay.
  return {
    'type': 'lars',
    'lars': {
      'momentum': trainer.momentum,
      'weight_decay_rate': trainer.weight_decay,
      'exclude_from_weight_decay': [] if trainer.decay_all else _NOT_DECAYED,
      'exclude_from_layer_adaptation': ['.*'],
      'global_clipnorm': trainer.clip_norm or None,
    },
  }


_OPTIMIZERS = {'adamw': _adamw, 'sgd': _sgd}


def _learning_rate(trainer: TrainerConfig) -> dict:
  rate, drops = trainer.learning_rate, list(trainer.rate_drops)
  if not drops:
    return {
      'type': 'polynomial',
      'polynomial': {
        'initial_learning_rate': rate,
        'end_learning_rate': 0.0,
        'offset': trainer.warmup_steps,
        'decay_steps': trainer.train_steps - trainer.warmup_steps,
      },
    }
  if drops != sorted(set(drops)) or drops[0] <= trainer.warmup_steps:
    raise ValueError(
      'trainer.rate_drops must increase, and lie after the warm-up. '
      f'Received: {drops}, with {trainer.warmup_steps} warm-up steps.'
    )
  return {
    'type': 'stepwise',
    'stepwise': {
      # The rate changes after the boundary.
      'boundaries': [step - 1 for step in drops],
      'values': [rate * _STEP_FACTOR**k for k in range(len(drops) + 1)],
    },
  }
