"""Real vlbert-train processes: killed and started again, and two at once."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import typing

import numpy as np
import pytest

from tests.data import record_folder
from tests.training import small_run
from vlbert_tf.data.record_contents import Contents
from vlbert_tf.training import experiments, runner

FEATURES = Contents(image=False, appearance_size=14)
MINUTES = 10 * 60  # that a loaded machine may take for a process

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def records(tmp_path_factory):
  """Six images in one file, so that two workers take turns at its examples."""
  folder = tmp_path_factory.mktemp('files')
  (folder / 'vocab.txt').write_text('\n'.join(small_run.WORDS) + '\n')
  return record_folder.write_captions(
    folder / 'captions', images=6, contents=FEATURES, shards=1
  )


def _override(records, **trainer):
  """Settings of a run whose steps take little time."""
  return {
    'task': {
      'vocab_file': str(records.parents[2] / 'vocab.txt'),
      'model': {
        'size': 'tiny',
        'visual_features': 'precomputed',
        'appearance_size': FEATURES.appearance_size,
        'max_text_length': 8,
        'max_rois': 3,
        'dropout_rate': trainer.pop('dropout_rate'),
        'xla': 'none',
      },
      'train_data': {'path': str(records), 'global_batch_size': 4},
    },
    'trainer': {
      'learning_rate': 1e-2,
      'warmup_steps': 0,
      'steps_per_loop': 1,
      'summary_interval': 1,
      **trainer,
    },
  }


class Run:
  """A process of vlbert-train, whose log is read as it comes."""

  started: typing.ClassVar[list[subprocess.Popen]] = []

  def __init__(self, settings, model_dir, environment=None):
    self.process = subprocess.Popen(
      [
        sys.executable, '-m', 'vlbert_tf.train',
        '--experiment=vlbert/pretraining', f'--model_dir={model_dir}',
        f'--params_override={settings}',
      ],
      env={**os.environ, **(environment or {})},
      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    self.started.append(self.process)
    self.log = ''
    self._lines = queue.Queue()
    # Read to its end whether anybody waits or not: a full pipe would hold up
    # this worker, and with it the other.
    threading.Thread(target=self._read, daemon=True).start()

  def _read(self):
    for line in self.process.stderr:
      self._lines.put(line)
    self._lines.put('')

  def wait_for(self, text):
    """Waits for a line of the log, or fails when the run ends before."""
    while True:
      line = self._lines.get(timeout=MINUTES)
      self.log += line
      if text in line:
        return
      assert line, f'No "{text}":\n{self.log[-3000:]}'

  def end(self):
    """Waits for the end.

    Returns:
      The exit code.
    """
    code = self.process.wait(timeout=MINUTES)
    while line := self._lines.get(timeout=MINUTES):
      self.log += line
    return code

  def end_well(self):
    assert self.end() == 0, self.log[-3000:]


@pytest.fixture(autouse=True)
def _nothing_is_left_running():
  """After a failure as well, when one worker may still wait for the other."""
  yield
  while Run.started:
    Run.started.pop().kill()


def _assert_equal(parts, whole):
  parts, whole = small_run.weights(parts), small_run.weights(whole)
  assert parts.keys() == whole.keys()
  for name, value in whole.items():
    np.testing.assert_array_equal(parts[name], value, err_msg=name)


def test_a_run_that_is_killed_twice_ends_with_the_weights_of_a_whole_run(
  records, tmp_path
):
  settings = _override(
    records, train_steps=12, checkpoint_interval=3, dropout_rate=0.1
  )
  whole = Run(settings, tmp_path / 'whole')
  stopped = Run(settings, tmp_path / 'parts')
  stopped.wait_for('step 2 of 12')
  stopped.process.send_signal(signal.SIGTERM)
  assert stopped.end() == 128 + signal.SIGTERM, stopped.log[-3000:]
  assert 'Stopped by SIGTERM; saved' in stopped.log

  killed = Run(settings, tmp_path / 'parts')
  killed.wait_for('Resuming at step')
  killed.wait_for('step 8 of 12')
  killed.process.kill()
  killed.end()
  resumed = Run(settings, tmp_path / 'parts')
  resumed.wait_for('Resuming at step')
  resumed.end_well()

  whole.end_well()
  _assert_equal(tmp_path / 'parts', tmp_path / 'whole')


def _free_ports():
  sockets = [socket.socket() for _ in range(2)]
  for each in sockets:
    each.bind(('localhost', 0))
  ports = [each.getsockname()[1] for each in sockets]
  for each in sockets:
    each.close()
  return ports


def _start_two(settings, model_dir):
  workers = [f'localhost:{port}' for port in _free_ports()]
  return [
    Run(
      settings,
      model_dir,
      {
        'TF_CONFIG': json.dumps(
          {
            'cluster': {'worker': workers},
            'task': {'type': 'worker', 'index': index},
          }
        )
      },
    )
    for index in range(2)
  ]


def test_two_workers_train_as_one_machine_and_outlive_preemption_of_one(
  records, tmp_path
):
  steps = 40  # more than may go by until both have saved
  settings = _override(
    records,
    train_steps=steps,
    checkpoint_interval=10 * steps,
    dropout_rate=0.0,
    # Adam would make large steps of what is mere rounding.
    optimizer='sgd',
  )
  for each in _start_two(settings, tmp_path / 'whole'):
    each.end_well()

  first, second = _start_two(settings, tmp_path / 'parts')
  second.wait_for(f'step 3 of {steps}')
  second.process.send_signal(signal.SIGTERM)
  first.wait_for('Checkpoint finished at path')
  second.process.kill()
  second.end()
  # The one that is left cannot go on, and says so.
  assert first.end() not in (0, None)
  first, second = _start_two(settings, tmp_path / 'parts')
  first.wait_for('Resuming at step')
  # Not the one of the first step, which was the only one that was due.
  assert 'ckpt-1.' not in first.log
  first.end_well()
  second.end_well()

  _assert_equal(tmp_path / 'parts', tmp_path / 'whole')
  params = experiments.load_experiment('vlbert/pretraining', [], str(settings))
  two = small_run.two_devices()
  runner.train(params, 'train', str(tmp_path / 'mirrored'), two)
  mirrored = small_run.weights(tmp_path / 'mirrored')
  for name, value in small_run.weights(tmp_path / 'whole').items():
    # float32 rounding of sums in another order.
    np.testing.assert_allclose(value, mirrored[name], atol=1e-5, err_msg=name)
