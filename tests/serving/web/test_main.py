"""vlbert-web as users run it; its page is tested in test_application."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
  ('flags', 'sentence'),
  [
    (['stray'], 'vlbert-web takes flags only. Received: stray.'),
    (['--model_names='], 'This program needs --model_names.'),
    (['--photos=/nowhere'], 'A folder of photographs must hold images.'),
  ],
)
def test_wrong_flags_end_the_program_with_one_line(flags, sentence):
  done = subprocess.run(
    [sys.executable, '-m', 'serving.web.main', *flags],
    capture_output=True,
    text=True,
    timeout=60,
    check=False,
  )

  assert done.returncode == 1
  assert done.stderr.startswith(f'Error: {sentence}')
  assert done.stderr.count('\n') == 1
