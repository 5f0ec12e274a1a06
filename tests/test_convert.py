"""vlbert-convert as a program."""

import os
import subprocess
import sys

from tests.checkpoints import golden
from vlbert_tf.checkpoints import torch_files


def _run(*flags):
  return subprocess.run(
    [sys.executable, '-m', 'vlbert_tf.convert', *flags],
    capture_output=True,
    text=True,
    env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'},
    check=False,
  )


def test_weights_go_in_and_come_out_again(tmp_path):
  manifest = golden.FOLDER / 'refcoco_tiny' / 'manifest.json'
  # Tells the number of heads.
  (tmp_path / 'manifest.json').write_text(manifest.read_text())
  weights = golden.state_dict('refcoco_tiny')
  path = golden.write_model(tmp_path / 'released.model', weights, 'module.')
  ours, again = f'{tmp_path}/ours', f'{tmp_path}/again.model'

  there = _run('--from=official_vlbert', f'--input={path}', f'--output={ours}')
  back = _run('--to=official_vlbert', f'--input={ours}', f'--output={again}')

  assert there.returncode == 0, there.stderr
  assert '41 variables filled from 49 tensors.' in there.stdout
  assert back.returncode == 0, back.stderr
  written = torch_files.read(again)
  assert all((written[k].read() == weights[k]).all() for k in written.keys()
             & weights.keys())  # fmt: skip
  assert len(written.keys() & weights.keys()) == len(weights) - 2


def test_bad_flags_and_files_end_with_one_line(tmp_path):
  broken = tmp_path / 'broken.model'
  broken.write_bytes(b'no weights')
  place = [f'--input={broken}', f'--output={tmp_path}/ours']
  for flags, message in (
    (['--from=caffe', *place], '--from must be one of official_vlbert'),
    (place, 'Either --from or --to must be given'),
    (['--from=official_vlbert', *place], 'must be complete'),
  ):
    done = _run(*flags)

    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
  assert os.listdir(tmp_path) == ['broken.model']
