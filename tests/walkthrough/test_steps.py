"""Steps side by side, each once; the programs are real processes."""

import fcntl
import os

import pytest

from vlbert_tf.walkthrough.steps import Step, Walk


def _step(name, code):
  return Step(name, 'python', ['-c', code])


def _meeting(folder):
  """Two programs, neither of which ends before the other has started."""
  pipe = folder / 'pipe'
  os.mkfifo(pipe)
  return (
    _step('say', f'open({str(pipe)!r}, "w").write("met")'),
    _step('hear', f'print(open({str(pipe)!r}).read())'),
  )


def test_steps_run_side_by_side_and_their_output_is_kept(tmp_path):
  Walk(str(tmp_path)).run(*_meeting(tmp_path))

  assert (tmp_path / 'logs' / 'hear.log').read_text() == 'met\n'


def test_steps_run_beside_what_happens_meanwhile(tmp_path):
  say, hear = _meeting(tmp_path)
  walk = Walk(str(tmp_path))

  with walk.beside(hear):
    walk.run(say)

  assert (tmp_path / 'logs' / 'hear.log').read_text() == 'met\n'


def test_a_finished_step_is_not_run_again(tmp_path):
  count = _step('count', f'open({str(tmp_path / "runs")!r}, "a").write("1")')
  Walk(str(tmp_path)).run(count)
  again = Walk(str(tmp_path))
  again.run(count)

  assert (tmp_path / 'runs').read_text() == '1'
  assert again.seconds['count'] >= 0.0


def test_a_failure_is_told_with_its_log_and_stops_the_others(tmp_path):
  lock, pipe, survived = (tmp_path / k for k in ('lock', 'pipe', 'survived'))
  os.mkfifo(pipe)
  running = _step(
    'run on',
    f"""
import fcntl
import time
file = open({str(lock)!r}, 'w')
fcntl.flock(file, fcntl.LOCK_EX)
open({str(pipe)!r}, 'w').close()
time.sleep(60)
open({str(survived)!r}, 'w')
""",
  )
  broken = _step('go wrong', f'open({str(pipe)!r}).read(); raise SystemExit(3)')

  with pytest.raises(
    RuntimeError, match=r'Step "go wrong" ended with code 3\. .*go_wrong\.log'
  ):
    Walk(str(tmp_path)).run(running, broken)

  # The lock is free as soon as the other program has ended, however it did.
  with open(lock) as file:
    fcntl.flock(file, fcntl.LOCK_EX)
  assert not survived.exists()
  assert not (tmp_path / 'done' / 'run_on').exists()
