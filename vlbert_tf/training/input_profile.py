"""How fast the input is, alone, and against the training step."""

import dataclasses
import time

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import train_utils
from official.modeling import performance

from vlbert_tf.tasks import saved
from vlbert_tf.training.strategies import make_strategy
from vlbert_tf.training.trainer import TimedTrainer

_WARM_UP = 3
_BATCHES = 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputProfile:
  """Seconds of one global batch.

  Attributes:
    batch_size: examples of it.
    input_seconds: to make it, when nothing else runs.
    step_seconds: to train on it, when it is there already.
  """

  batch_size: int
  input_seconds: float
  step_seconds: float

  @property
  def limit(self) -> str:
    """`input` or `step`, whichever takes longer."""
    return 'input' if self.input_seconds > self.step_seconds else 'step'

  def report(self) -> str:
    """A few lines for a person."""
    slow = max(self.input_seconds, self.step_seconds)
    fast = min(self.input_seconds, self.step_seconds)
    return '\n'.join(
      [
        f'input alone: {1 / self.input_seconds:.2f} batches/s, '
        f'{self.batch_size / self.input_seconds:.0f} examples/s',
        f'step alone:  {1 / self.step_seconds:.2f} batches/s, '
        f'{self.batch_size / self.step_seconds:.0f} examples/s',
        f'The {self.limit} is the limit: it takes {slow / fast:.2f} times as '
        'long as the other.',
      ]
    )


def measure(
  params: cfg.ExperimentConfig,
  strategy: tf.distribute.Strategy | None = None,
) -> InputProfile:
  """Runs the input without steps, then steps on one and the same batch.

  Args:
    params: of `experiments.load_experiment`.
    strategy: of tf.distribute; by default all devices of this machine.

  Returns:
    Means of 30 batches and steps, after three that are not counted.
  """
  strategy = strategy or make_strategy(params.trainer.worker_timeout_seconds)
  if params.runtime.mixed_precision_dtype:
    performance.set_mixed_precision_policy(params.runtime.mixed_precision_dtype)
  _, task_class = saved.TASKS[params.task.name]
  with strategy.scope():
    task = task_class(params.task)
    trainer = train_utils.create_trainer(
      params, task, train=True, evaluate=False, trainer_cls=TimedTrainer
    )
    batches = iter(trainer.train_dataset)
    input_seconds = _mean_seconds(lambda: next(batches))
    batch = next(batches)
    step = tf.function(
      lambda: strategy.run(
        task.train_step,
        args=(batch, trainer.model, trainer.optimizer, trainer.train_metrics),
      )
    )
    step_seconds = _mean_seconds(step)
  return InputProfile(
    batch_size=params.task.train_data.global_batch_size,
    input_seconds=input_seconds,
    step_seconds=step_seconds,
  )


def _mean_seconds(work) -> float:
  for _ in range(_WARM_UP):
    work()
  start = time.perf_counter()
  for _ in range(_BATCHES):
    work()
  return (time.perf_counter() - start) / _BATCHES
