"""vlbert-web as users run it; its page is tested in test_application."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]


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


@pytest.mark.skipif(
  not ((ROOT / 'Makefile').exists() and shutil.which('make')),
  reason='this is no checkout with its Makefile, or there is no make',
)
def test_make_web_without_an_export_says_what_to_run(tmp_path):
  done = subprocess.run(
    # Under another make, as in `make test`, make also names its folders.
    ['make', '--no-print-directory', 'web', f'MODEL_DIR={tmp_path}/export'],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=60,
    check=False,
  )

  assert done.returncode == 2
  assert done.stderr.startswith(
    f'A model is served that was exported. Received: {tmp_path}/export, which '
    'is not there. Run make demo first'
  )
  assert not done.stdout
