"""Flags of the program, its own and Beam's."""

import subprocess
import sys

import pytest
from absl import flags

from beam_jobs import build_examples, job_flags, runners, sources  # noqa: F401


def test_flags_are_parted_with_their_values():
  ours, others = job_flags.split_flags(
    [
      '--name=a',
      '--region',
      'us',
      '--split',
      'train,images=i',
      '--nooverwrite',
      '--no_auth',
      '--verbosity=1',
      '-h',
    ]
  )
  assert ours == [
    '--name=a',
    '--split',
    'train,images=i',
    '--nooverwrite',
    '--verbosity=1',
  ]
  assert others == ['--region', 'us', '--no_auth', '-h']


def test_every_kind_of_texts_can_be_asked_for():
  known = flags.FLAGS['dataset'].parser.enum_values

  # Images alone are for vlbert-extract-rois.
  assert sorted(known) == sorted(set(sources.KINDS) - {sources.IMAGES})


def test_the_local_runner_is_the_default():
  options = runners.options(('--direct_num_workers=2',)).get_all_options()
  assert options['runner'] == 'FnApiRunner'
  assert options['direct_running_mode'] == 'in_memory'
  assert options['direct_num_workers'] == 2


def test_beams_flags_pass_through():
  options = runners.options(
    (
      *('--runner=DataflowRunner', '--region', 'us', '--machine_type=n1'),
      '--sdk_container_image=image',
    )
  ).get_all_options()
  assert options['runner'] == 'DataflowRunner'
  assert options['region'] == 'us'
  assert options['machine_type'] == 'n1'


@pytest.mark.parametrize(
  ('flag', 'sentence'),
  [
    ('--imagesper_shard=3', 'or of Beam. Received: --imagesper_shard=3'),
    ('--regio=us', 'Did you mean --region?'),
    ('--runner=DirectRunner', 'must be FnApiRunner'),
    ('--runner=PrismRunner', 'must be FnApiRunner'),
    ('--runner=apache_beam.runners.dask.dask_runner.DaskRunner', 'loses'),
    ('--runner=DataflowRunner', 'Received: neither --sdk_container_image'),
    ('--direct_num_workers=two', 'values it can read'),
  ],
)
def test_flags_that_would_do_nothing_or_harm_are_refused(flag, sentence):
  with pytest.raises(ValueError, match='Received') as caught:
    runners.options((flag,))
  assert sentence in str(caught.value)


def _program(*arguments):
  return subprocess.run(
    [sys.executable, '-m', 'beam_jobs.build_examples', *arguments],
    capture_output=True,
    text=True,
    timeout=60,
  )


def test_help_shows_examples_and_imports_nothing_heavy():
  program = (
    'import sys; from beam_jobs import build_examples; '
    'print([m for m in ("tensorflow", "apache_beam") if m in sys.modules])'
  )
  done = subprocess.run(
    [sys.executable, '-c', program], capture_output=True, text=True, timeout=60
  )
  assert done.stdout == '[]\n'
  shown = _program('--help')
  assert '--split=train,questions=' in shown.stdout
  assert '--max_drop_fraction' in shown.stdout


def test_missing_flags_are_one_line_and_exit_code_1():
  done = _program('--name=x')
  assert done.returncode == 1
  (line,) = done.stderr.splitlines()
  assert '--dataset, --output_dir, --split' in line
