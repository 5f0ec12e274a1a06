"""Which devices a run uses: one, those of a machine, those of several."""

import json
import os
from collections.abc import Callable

import tensorflow as tf

# Strategies of several devices that this process has made, by the devices.
_made: dict[str, tf.distribute.Strategy] = {}


def cluster_size() -> int:
  """Machines of the run: workers that the variable TF_CONFIG names, or 1.

  Raises:
    ValueError: TF_CONFIG is no JSON object.
  """
  text = os.environ.get('TF_CONFIG', '')
  if not text:
    return 1
  try:
    cluster = json.loads(text).get('cluster', {})
    return max(1, sum(len(cluster.get(k, ())) for k in ('chief', 'worker')))
  except (ValueError, AttributeError) as error:
    raise ValueError(
      'TF_CONFIG must be JSON as {"cluster": {"worker": ["host:port", ...]}, '
      '"task": {"type": "worker", "index": 0}}. '
      f'Received: {text}.'
    ) from error


def make_strategy(timeout_seconds: float) -> tf.distribute.Strategy:
  """The strategy for the devices that there are.

  Over the machines of TF_CONFIG where it names several; else mirrored over the
  GPUs of this machine, or over its logical CPUs without any. Has to be called
  before TensorFlow computes anything when there are several machines.

  A process gets the same strategy each time. A second one over the same devices
  would number its reductions from the start again, and TensorFlow takes equal
  numbers for parts of one reduction: the second model of the process would end
  with "Shape mismatch in the collective instance".

  Args:
    timeout_seconds: how long machines wait for each other. Longer than the
      longest that one of them may keep the others waiting: compiling the
      first step, or writing a checkpoint. The first call of a process decides.

  Returns:
    The strategy.
  """
  if cluster_size() > 1:
    return _once('machines', lambda: _over_machines(timeout_seconds))
  devices = tf.config.list_logical_devices('GPU')
  devices = devices or tf.config.list_logical_devices('CPU')
  names = [device.name for device in devices]
  if len(names) == 1:
    return tf.distribute.OneDeviceStrategy(names[0])
  return _once(','.join(names), lambda: tf.distribute.MirroredStrategy(names))


def _once(
  devices: str, make: Callable[[], tf.distribute.Strategy]
) -> tf.distribute.Strategy:
  if devices not in _made:
    _made[devices] = make()
  return _made[devices]


def _over_machines(timeout_seconds: float) -> tf.distribute.Strategy:
  # Without a time-out the others wait for ever for a worker that hangs.
  options = tf.distribute.experimental.CommunicationOptions(
    timeout_seconds=timeout_seconds
  )
  return tf.distribute.MultiWorkerMirroredStrategy(
    communication_options=options
  )


def is_chief(strategy: tf.distribute.Strategy) -> bool:
  """Whether this process writes what the run leaves behind."""
  return strategy.extended.should_checkpoint
