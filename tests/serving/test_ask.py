"""vlbert-ask as users run it."""

import subprocess
import sys

import pytest

from tests.serving import toy_model


@pytest.fixture
def image(tmp_path):
  path = tmp_path / 'gray.png'
  path.write_bytes(toy_model.png(27, 5))
  return str(path)


def run(*arguments):
  return subprocess.run(
    [sys.executable, '-m', 'serving.ask', *arguments],
    capture_output=True,
    text=True,
    timeout=60,
    check=False,
  )


def test_answers_are_printed_with_right_aligned_percentages(address, image):
  done = run(image, 'what color?', f'--server={address}', '--model_name=toy')

  # 27 pixels wide, 3 words.
  assert (done.returncode, done.stderr) == (0, '')
  assert done.stdout == ' 90.0 %  27x5\n 10.0 %  3 words\n'


def test_boxes_outside_the_rule_end_the_program_with_one_line(address, image):
  done = run(image, 'what?', f'--server={address}', '--boxes=0,0,0,9')

  assert done.returncode == 1
  assert done.stdout == ''
  assert done.stderr.startswith('Error: A box must be four finite numbers')
  assert done.stderr.count('\n') == 1


def test_a_missing_question_is_told(image):
  done = run(image)

  assert done.returncode == 1
  assert 'takes an image and a text. Received: 1 arg' in done.stderr
