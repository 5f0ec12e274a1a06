"""Steps side by side, each once; the programs are real processes."""

import contextlib
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


def _wait_until_nobody_reads(pipe):
  with contextlib.suppress(OSError):
    while True:
      os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))


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
  pipe = tmp_path / 'pipe'
  os.mkfifo(pipe)
  endless = _step('endless', f'open({str(pipe)!r}).read()')
  broken = _step('go wrong', 'raise SystemExit(3)')
  walk = Walk(str(tmp_path))

  with pytest.raises(
    RuntimeError, match=r'Step "go wrong" ended with code 3\. .*go_wrong\.log'
  ):
    walk.run(endless, broken)

  assert not (tmp_path / 'done' / 'endless').exists()
  # Nobody reads the pipe any more, once the program has ended.
  _wait_until_nobody_reads(pipe)
