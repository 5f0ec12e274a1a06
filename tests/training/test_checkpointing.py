"""Checkpoints: torn ones, full disks, the last ones and the best one."""

import json
import resource

import numpy as np
import pytest
import tensorflow as tf

from tests.training import small_run
from vlbert_tf.training import checkpointing


class _Run:
  """A step and some weights, saved as the trainer does."""

  def __init__(self, folder, chief=True, max_to_keep=2, resume_from=''):
    self.step = tf.Variable(0, dtype=tf.int64)
    self.weights = tf.Variable(tf.zeros([50_000]))
    self.initialized = False
    self.checkpoint = tf.train.Checkpoint(
      global_step=self.step, weights=self.weights
    )
    self.checkpoints = checkpointing.Checkpoints(
      self.checkpoint,
      str(folder),
      chief=chief,
      max_to_keep=max_to_keep,
      interval=2,
      global_step=self.step,
      resume_from=resume_from,
      initialize=self._initialize,
    )

  def _initialize(self):
    self.initialized = True

  def save_at(self, step, **arguments):
    self.step.assign(step)
    # Incompressible, so that every byte of the file counts.
    self.weights.assign(tf.random.stateless_normal([50_000], [step, 0]))
    return self.checkpoints.save(**arguments)


def _step_of(path):
  return int(path.rpartition('-')[2])


def _data_file(folder, step):
  (path,) = folder.glob(f'ckpt-{step}.data-*')
  return path


def test_the_newest_checkpoints_are_kept_and_found(tmp_path):
  run = _Run(tmp_path)
  saved = [run.save_at(step) for step in (1, 2, 3, 5, 6)]

  # Every two steps from the first on; two are kept.
  assert [path is not None for path in saved] == [
    True,
    False,
    True,
    True,
    False,
  ]
  assert len(list(tmp_path.glob('*.index'))) == 2
  assert _step_of(checkpointing.newest_whole(str(tmp_path))) == 5
  assert run.save_at(6, check_interval=False) is not None
  assert run.save_at(6, check_interval=False) is None
  assert checkpointing.newest_whole(str(tmp_path / 'none')) == ''


def test_the_step_of_several_replicas_names_a_checkpoint(tmp_path):
  run = _Run(tmp_path)
  with small_run.two_devices().scope():
    step = tf.Variable(7, dtype=tf.int64)

  # As the handler of preemption asks for it.
  saved = run.save_at(7, checkpoint_number=step, check_interval=False)

  assert _step_of(saved) == 7


@pytest.mark.parametrize('damage', ['cut', 'changed', 'missing', 'index'])
def test_a_torn_checkpoint_is_skipped_with_a_warning(tmp_path, caplog, damage):
  run = _Run(tmp_path)
  run.save_at(2)
  before = run.weights.numpy()
  run.save_at(4)
  data = _data_file(tmp_path, 4)
  content = data.read_bytes()
  if damage == 'cut':
    data.write_bytes(content[: len(content) // 2])
  elif damage == 'changed':
    middle = len(content) // 2
    data.write_bytes(content[:middle] + b'torn' + content[middle + 4 :])
  elif damage == 'missing':
    data.unlink()
  else:
    (tmp_path / 'ckpt-4.index').write_bytes(b'')

  path = checkpointing.newest_whole(str(tmp_path))
  again = _Run(tmp_path, resume_from=path)

  assert _step_of(path) == 2
  assert 'ckpt-4 is torn and is skipped' in caplog.text
  assert again.checkpoints.restore_or_initialize() == path
  np.testing.assert_array_equal(again.weights, before)
  assert not again.initialized
  # The torn one is written anew when the run gets there.
  assert again.save_at(4) is not None
  assert _step_of(checkpointing.newest_whole(str(tmp_path))) == 4


def test_torn_checkpoints_alone_are_an_error_and_none_a_start(tmp_path):
  run = _Run(tmp_path)
  assert run.checkpoints.restore_or_initialize() is None
  assert run.initialized
  run.save_at(2)
  _data_file(tmp_path, 2).write_bytes(b'')

  with pytest.raises(ValueError, match=r'of steps \[2\] are all torn'):
    checkpointing.newest_whole(str(tmp_path))


def test_a_full_disk_leaves_the_checkpoint_before_and_nothing_else(tmp_path):
  run = _Run(tmp_path)
  run.save_at(2)
  files = sorted(path.name for path in tmp_path.iterdir())
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  # A limit on the size of files is a full disk for whoever writes them.
  resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
  try:
    with pytest.raises(ValueError, match='A checkpoint needs room in'):
      run.save_at(4)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)

  assert sorted(path.name for path in tmp_path.iterdir()) == files
  assert _step_of(checkpointing.newest_whole(str(tmp_path))) == 2
  assert _step_of(run.save_at(4)) == 4


def test_a_worker_that_is_not_the_chief_leaves_no_files(tmp_path):
  _Run(tmp_path / 'run', chief=False).save_at(2)

  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  ('better', 'kept'), [('higher', (4, 0.75)), ('lower', (2, 0.5))]
)
def test_the_best_checkpoint_is_kept_beyond_a_restart(tmp_path, better, kept):
  run = _Run(tmp_path)
  values = {2: 0.5, 4: 0.75, 6: 0.7, 8: float('nan')}
  for step, value in values.items():
    # As after a restart: nothing is known but what is on disk.
    best = checkpointing.BestCheckpoint(str(tmp_path), 'accuracy', better, True)
    run.step.assign(step)
    logs = {'accuracy': tf.constant(value), 'loss': 1.0}
    best.maybe_export_checkpoint(run.checkpoint, logs, step)

  step, value = kept
  result = json.loads((tmp_path / 'best' / 'result.json').read_text())
  assert (result['step'], result['accuracy']) == (step, value)
  (index,) = (tmp_path / 'best').glob('*.index')
  assert index.name == f'ckpt-{step}.index'
  reader = tf.train.load_checkpoint(str(tmp_path / 'best'))
  name = 'global_step/.ATTRIBUTES/VARIABLE_VALUE'
  assert reader.get_tensor(name) == step


def test_an_unknown_metric_or_order_is_refused(tmp_path):
  run = _Run(tmp_path)
  best = checkpointing.BestCheckpoint(str(tmp_path), 'acuracy', 'higher', True)

  with pytest.raises(ValueError, match='metric of the evaluation: accuracy'):
    best.maybe_export_checkpoint(run.checkpoint, {'accuracy': 1.0}, 2)
  with pytest.raises(ValueError, match="Received: 'best'"):
    checkpointing.BestCheckpoint(str(tmp_path), 'accuracy', 'best', True)
