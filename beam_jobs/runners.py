"""Where Beam runs a job: its options, what is refused, and its graph."""

import argparse
import contextlib
import difflib
import logging as python_logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence

import apache_beam as beam
from absl import logging
from apache_beam.options.pipeline_options import (
  DirectOptions,
  PipelineOptions,
  SetupOptions,
  StandardOptions,
  TestOptions,
  WorkerOptions,
)
from apache_beam.runners.portability import portable_runner

from beam_jobs import output as outputs
from beam_jobs import plans, shards, storage

LOCAL = 'FnApiRunner'
DATAFLOW = 'DataflowRunner'
# DirectRunner looks for Prism on the internet first, and where it finds it
# runs on another runner than elsewhere.
_DOWNLOADING = ('DirectRunner', 'SwitchingDirectRunner', 'PrismRunner')
_ONE_PROCESS = {'direct_running_mode': 'in_memory'}
# Processes take half a minute to start, most of it imports.
_SECONDS_WORTH_PROCESSES = 120.0
_SECONDS_UNTIL_A_SHARD_BEGINS = 600.0
_LONGEST_REASON = 500  # characters of a message
# Of one core, guessed low: nothing but a choice of processes hangs on them.
_SECONDS_OF_AN_IMAGE = {False: 0.005, True: 0.3}


def options(
  given: Sequence[str], images: int = 0, detects: bool = False
) -> PipelineOptions:
  """Beam's options, with our defaults.

  Args:
    given: flags as on the command line.
    images: of the job; a long job on this machine gets all cores, unless the
      flags say otherwise.
    detects: whether a detector runs.

  Returns:
    The options.

  Raises:
    ValueError: Beam does not know a flag, or the runner is refused.
  """
  known = _parse(given)
  runner = known.runner or LOCAL
  _check_runner(runner)
  defaults = {'runner': LOCAL}
  if runner.endswith(LOCAL):
    defaults |= _local_defaults(images, detects)
  flags = [
    f'--{name}={value}'
    for name, value in defaults.items()
    if not any(flag.split('=')[0] == f'--{name}' for flag in given)
  ]
  made = PipelineOptions([*given, *flags])
  if runner.endswith(DATAFLOW):
    _check_dataflow(made)
  return made


def is_dry_run(made: PipelineOptions) -> bool:
  """Whether nothing is to be submitted; Dataflow alone knows that."""
  return bool(made.view_as(TestOptions).dry_run)


def check_shared(made: PipelineOptions, paths: Sequence[str]) -> None:
  """Fails when workers elsewhere could not reach a path.

  Args:
    made: of `options`.
    paths: that workers read or write.

  Raises:
    ValueError: a path is on this machine, and the workers are not.
  """
  runner = made.view_as(StandardOptions).runner
  here = [path for path in paths if path and not storage.is_remote(path)]
  if runner.endswith(DATAFLOW) and here:
    raise ValueError(
      f"Dataflow's workers read and write gs://. Received: {', '.join(here)}, "
      'on this machine. Copy it to a bucket with gcloud storage cp.'
    )


def build_graph(
  made: PipelineOptions,
  tasks: Sequence[plans.ShardTask],
  output: outputs.Output,
) -> beam.Pipeline:
  """The pipeline that builds shards.

  Args:
    made: of `options`.
    tasks: shards to be built.
    output: where they go.

  Returns:
    The pipeline, which has not run.
  """
  pipeline = beam.Pipeline(options=made)
  _ = (
    pipeline
    | 'Shards' >> beam.Create(list(tasks))
    | 'Spread' >> beam.Reshuffle()
    | 'BuildShard' >> beam.ParDo(shards.BuildShard(output))
    # The local runner notices that a worker is gone when it waits for what
    # the worker would send: without a step that asks for it, it waits for ever.
    | 'Count' >> beam.combiners.Count.Globally()
  )
  return pipeline


def run(
  pipeline: beam.Pipeline,
  begun: Callable[[], bool],
  patience: float = _SECONDS_UNTIL_A_SHARD_BEGINS,
) -> None:
  """Runs a pipeline to its end.

  Args:
    pipeline: of `build_graph`.
    begun: whether a worker has begun a shard.
    patience: seconds that a pool of workers has for it.

  Raises:
    RuntimeError: it ended early.
  """
  # Beam tells of each of its own steps at this level.
  python_logging.getLogger('apache_beam').setLevel(python_logging.WARNING)
  try:
    with _cores_shared(pipeline.options):
      result = pipeline.run()
      if not is_dry_run(pipeline.options):
        _wait(result, begun, patience)
  except Exception as error:
    reason = ' '.join(str(error).split()) or type(error).__name__
    if len(reason) > _LONGEST_REASON:
      # Where Beam quotes a traceback, the cause is at its end.
      reason = f'{reason[:100]} ... {reason[100 - _LONGEST_REASON :]}'
    raise RuntimeError(
      'All shards must be built before records appear. A worker failed, or '
      f'was killed: {reason}. What is finished stays: repair the cause, and '
      'give the same command again.'
    ) from error


def _wait(result, begun: Callable[[], bool], patience: float) -> None:
  """Waits for the end; a pool whose workers never come would have none."""
  if not isinstance(result, portable_runner.PipelineResult):
    result.wait_until_finish()
    return
  ended, given_up = threading.Event(), threading.Event()

  def watch():
    if not ended.wait(patience) and not begun():
      given_up.set()
      result.cancel()

  thread = threading.Thread(target=watch, daemon=True)
  thread.start()
  try:
    result.wait_until_finish()
  finally:
    ended.set()
    if given_up.is_set():
      raise TimeoutError(
        f'no worker began a shard in {patience:.0f} s. `python` on the PATH '
        "of the pool must have this package; the pool's own log says more"
      )


def _parse(given: Sequence[str]) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    add_help=False,
    allow_abbrev=False,
    conflict_handler='resolve',
    exit_on_error=False,
  )
  for each in PipelineOptions.__subclasses__():
    each._add_argparse_args(parser)
  try:
    known, unknown = parser.parse_known_args(list(given))
  except (argparse.ArgumentError, SystemExit) as error:
    raise ValueError(
      f"Beam's flags must have values it can read. Received: {error}."
    ) from error
  if unknown:
    names = [
      flag for action in parser._actions for flag in action.option_strings
    ]
    near = difflib.get_close_matches(unknown[0].partition('=')[0], names, 1)
    hint = f' Did you mean {near[0]}?' if near else ''
    raise ValueError(
      'A flag must be one of this program (see --help) or of Beam. '
      f'Received: {" ".join(unknown)}.{hint}'
    )
  return known


def _check_runner(runner: str) -> None:
  name = runner.rpartition('.')[2]
  if name in _DOWNLOADING:
    raise ValueError(
      f'On one machine the runner must be {LOCAL}, the default: others '
      'download Prism where they can, and differ between machines. '
      f'Received: {runner}.'
    )
  if name == 'DaskRunner':
    raise ValueError(
      "Beam's runner for Dask loses records without an error: it runs the last "
      'step alone, and drops what ends a bundle. '
      f'Received: {runner}. Use {LOCAL}, {DATAFLOW}, or PortableRunner with '
      'the job server of Flink or Spark.'
    )


def _local_defaults(images: int, detects: bool) -> dict[str, str]:
  cores = len(os.sched_getaffinity(0))
  seconds = images * _SECONDS_OF_AN_IMAGE[detects]
  if cores == 1 or seconds < _SECONDS_WORTH_PROCESSES:
    return _ONE_PROCESS
  return {
    'direct_running_mode': 'multi_processing',
    'direct_num_workers': str(cores),
  }


def _check_dataflow(made: PipelineOptions) -> None:
  setup = made.view_as(SetupOptions)
  image = made.view_as(WorkerOptions).sdk_container_image
  if not (image or setup.setup_file or setup.extra_packages):
    raise ValueError(
      "Dataflow's workers need this package. Received: neither "
      '--sdk_container_image (of beam_jobs/Dockerfile; with '
      '--sdk_location=container), nor --extra_package, nor --setup_file.'
    )


@contextlib.contextmanager
def _cores_shared(made: PipelineOptions) -> Iterator[None]:
  """Gives each worker process its share of the cores, not all of them."""
  direct = made.view_as(DirectOptions)
  name = 'TF_NUM_INTRAOP_THREADS'
  if direct.direct_running_mode != 'multi_processing' or name in os.environ:
    yield
    return
  cores = len(os.sched_getaffinity(0))
  workers = direct.direct_num_workers or cores
  logging.info('%d worker processes start, which takes a while.', workers)
  os.environ[name] = str(max(1, cores // workers))
  try:
    yield
  finally:
    del os.environ[name]
