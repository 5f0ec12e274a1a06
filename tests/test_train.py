"""The program vlbert-train: what it says before it starts to work."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ([], 'This program needs --experiment.'),
    (['--experiment=vlbert/vqa'], 'This program needs --model_dir.'),
    (
      ['--experiment=vlbert/vqa', '--model_dir=m', '--profile_steps=7'],
      '--profile_steps takes two steps, FIRST,LAST. Received: 7.',
    ),
  ],
)
def test_flags_are_checked_before_anything_is_loaded(arguments, message):
  ended = subprocess.run(
    [sys.executable, '-m', 'vlbert_tf.train', *arguments],
    capture_output=True,
    text=True,
    check=False,
  )

  assert ended.returncode == 1
  assert ended.stderr.startswith(f'Error: {message}')
