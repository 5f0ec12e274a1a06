"""Real vlbert-train processes: killed and started again, and two at once."""

import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.training import small_run
from vlbert_tf.training import runner

STEPS = 12

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def files(tmp_path_factory):
  return small_run.write_files(tmp_path_factory.mktemp('files'))


def _start(files, model_dir, index=None, ports=(), **model):
  """Starts vlbert-train, as one of two workers where `index` is given."""
  settings = small_run.override(files, train_steps=STEPS, checkpoint_interval=3)
  settings['task']['model'].update(model)
  environment = dict(os.environ)
  if index is not None:
    workers = [f'localhost:{port}' for port in ports]
    environment['TF_CONFIG'] = json.dumps(
      {
        'cluster': {'worker': workers},
        'task': {'type': 'worker', 'index': index},
      }
    )
  return subprocess.Popen(
    [
      sys.executable, '-m', 'vlbert_tf.train',
      '--experiment=vlbert/pretraining', f'--model_dir={model_dir}',
      f'--params_override={settings}',
    ],
    env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    text=True,
  )  # fmt: skip


def _follow(process, step):
  """Reads what a run logs until it has done so many steps."""
  lines = []
  for line in process.stderr:
    lines.append(line)
    if f'step {step} of {STEPS}' in line:
      return
  pytest.fail('The run ended early:\n' + ''.join(lines[-20:]))


def _finish(*processes):
  """Waits for runs that should end well."""
  for process in processes:
    _, text = process.communicate(timeout=600)
    assert process.returncode == 0, text[-3000:]


def _assert_equal(parts, whole):
  parts, whole = small_run.weights(parts), small_run.weights(whole)
  assert parts.keys() == whole.keys()
  for name, value in whole.items():
    np.testing.assert_array_equal(parts[name], value, err_msg=name)


def test_a_run_that_is_killed_twice_ends_with_the_weights_of_a_whole_run(
  files, tmp_path
):
  _finish(_start(files, tmp_path / 'whole'))

  stopped = _start(files, tmp_path / 'parts')
  _follow(stopped, 2)
  stopped.send_signal(signal.SIGTERM)
  _, text = stopped.communicate(timeout=600)
  assert stopped.returncode == 143, text[-3000:]
  assert 'Stopped by SIGTERM; saved' in text
  killed = _start(files, tmp_path / 'parts')
  _follow(killed, 8)
  killed.kill()
  killed.communicate(timeout=600)
  _finish(_start(files, tmp_path / 'parts'))

  _assert_equal(tmp_path / 'parts', tmp_path / 'whole')


def _free_ports():
  sockets = [socket.socket() for _ in range(2)]
  for each in sockets:
    each.bind(('localhost', 0))
  ports = [each.getsockname()[1] for each in sockets]
  for each in sockets:
    each.close()
  return ports


def _start_two(files, model_dir):
  ports = _free_ports()
  return [
    _start(files, model_dir, index, ports, dropout_rate=0.0)
    for index in range(2)
  ]


def test_two_workers_train_as_one_machine_and_outlive_the_loss_of_one(
  files, tmp_path
):
  _finish(*_start_two(files, tmp_path / 'whole'))

  first, second = _start_two(files, tmp_path / 'parts')
  _follow(second, 5)
  second.kill()
  second.communicate(timeout=600)
  # The one that is left cannot go on, and says so.
  first.communicate(timeout=600)
  assert first.returncode not in (0, None)
  _finish(*_start_two(files, tmp_path / 'parts'))

  _assert_equal(tmp_path / 'parts', tmp_path / 'whole')
  model = small_run.settings(files).task.model.as_dict()
  params = small_run.settings(
    files, train_steps=STEPS, task={'model': {**model, 'dropout_rate': 0.0}}
  )
  two = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
  runner.train(params, 'train', str(tmp_path / 'mirrored'), two)
  mirrored = small_run.weights(tmp_path / 'mirrored')
  for name, value in small_run.weights(tmp_path / 'whole').items():
    # Adam moves a weight whose gradient is mere rounding by up to the rate.
    np.testing.assert_allclose(value, mirrored[name], atol=STEPS * 1e-3)
