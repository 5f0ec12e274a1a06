"""Versions appear when they are right, and not at all otherwise."""

import json

import numpy as np
import pytest
import tensorflow as tf

from serving import calls, publishing
from serving.calls import Call
from serving.publishing import Candidate


class Doubling:
  """A module whose answers one can foretell."""

  def __init__(self):
    self.root = tf.Module()
    self.root.factor = tf.Variable(2.0)
    self.signatures = {
      'double': tf.function(
        lambda x: {'y': self.root.factor * x},
        input_signature=[tf.TensorSpec([None], tf.float32, 'x')],
      )
    }


def _candidate(expected=6.0):
  x = np.array([3.0], np.float32)
  answer = {'y': np.array([expected], np.float32)}
  call = Call(signature='double', inputs={'x': x}, expected=answer)
  return Candidate(
    module=Doubling(),
    warmup=[call],
    checks=[call],
    card={'task': 'doubling'},
    dtype='float32',
  )


def test_a_version_holds_what_warms_a_server_and_says_what_it_is(tmp_path):
  base = tmp_path / 'export'
  (base / '9').mkdir(parents=True)
  (base / '10.partial').mkdir()  # left by a process that was killed

  folder = publishing.publish(_candidate(), str(base))

  assert folder == f'{base}/10'
  assert sorted(path.name for path in base.iterdir()) == ['10', '9']
  (warm,) = calls.read(f'{folder}/{publishing.WARMUP_FILE}')
  assert (warm.signature, warm.expected) == ('double', {})
  assert warm.inputs['x'].tolist() == [3.0]
  card = json.loads((base / '10' / publishing.CARD_FILE).read_text())
  assert card == {'task': 'doubling'}


def test_an_export_that_answers_otherwise_leaves_nothing(tmp_path):
  with pytest.raises(ValueError, match=r'y at \(0,\) is 6\.0, not 7\.0'):
    publishing.publish(_candidate(expected=7.0), str(tmp_path / 'export'))

  assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_older_versions_alone(tmp_path, monkeypatch):
  def fail(*arguments):
    raise KeyboardInterrupt

  monkeypatch.setattr(publishing.validation, 'validate', fail)
  (tmp_path / '1').mkdir()

  with pytest.raises(KeyboardInterrupt):
    publishing.publish(_candidate(), str(tmp_path))

  assert [path.name for path in tmp_path.iterdir()] == ['1']


def test_a_version_is_never_overwritten(tmp_path):
  (tmp_path / '9').mkdir()

  with pytest.raises(ValueError, match='--version=9, which'):
    publishing.publish(_candidate(), str(tmp_path), 9)
  assert publishing.next_version(str(tmp_path), 0) == 10
  assert publishing.next_version(str(tmp_path / 'none'), 0) == 1
