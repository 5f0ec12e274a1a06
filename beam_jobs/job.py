"""The whole job: read, plan, build the shards by Beam, publish."""

import argparse
import dataclasses
import difflib
import logging as python_logging
import shlex
import time
from typing import Any

import apache_beam as beam
from absl import logging
from apache_beam.options.pipeline_options import PipelineOptions

from beam_jobs import detector, plans, progress, publish, shards, sources
from beam_jobs import output as outputs

# DirectRunner looks for Prism on the internet first, and where it finds it
# runs on another runner than elsewhere.
_REFUSED_RUNNERS = ('DirectRunner', 'SwitchingDirectRunner', 'PrismRunner')
_DEFAULT_FLAGS = {
  'runner': 'FnApiRunner',
  'direct_running_mode': 'in_memory',
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """What the command line asks for; see `build_examples`."""

  dataset: str
  name: str
  output_dir: str
  splits: tuple[str, ...]
  images_per_shard: int = 512
  max_rois: int = 100
  max_pixels: int = 64_000_000
  max_drop_fraction: float = 0.05
  min_answer_occurrences: int = 1
  detector: str = ''
  overwrite: bool = False
  beam_flags: tuple[str, ...] = ()

  def command(self) -> str:
    """The command line that asks for the same records."""
    fields = {
      'dataset': self.dataset,
      'name': self.name,
      'output_dir': self.output_dir,
      'images_per_shard': self.images_per_shard,
      'max_rois': self.max_rois,
      'max_megapixels': self.max_pixels / 1e6,
      'max_drop_fraction': self.max_drop_fraction,
      'min_answer_occurrences': self.min_answer_occurrences,
    }
    if self.detector:
      fields['detector'] = self.detector
    words = [f'--{key}={value}' for key, value in fields.items()]
    words += [f'--split={split}' for split in self.splits]
    return shlex.join(['vlbert-build-examples', *words])


def run(request: Request) -> dict[str, Any]:
  """Builds records.

  Args:
    request: of the user.

  Returns:
    The manifest.

  Raises:
    ValueError: a flag or a file is not usable, or too much was set aside.
    RuntimeError: Beam ended without all shards.
  """
  start = time.monotonic()
  options = beam_options(request.beam_flags)
  sources.check_name('data set', request.name)
  asked = [
    sources.parse_split(request.dataset, text, bool(request.detector))
    for text in request.splits
  ]
  names = [source.split for source in asked]
  if len(set(names)) < len(names):
    raise ValueError(f'Each --split needs a name of its own. Received: {names}')
  found = detector.find(request.detector) if request.detector else None
  settings = plans.Settings(
    name=request.name,
    kind=sources.KINDS[request.dataset],
    max_rois=request.max_rois,
    max_pixels=request.max_pixels,
    detector=found.path if found else '',
    detector_fingerprint=found.fingerprint if found else '',
  )
  output = outputs.Output(f'{request.output_dir.rstrip("/")}/{request.name}')
  output.check_free(request.overwrite)
  categories = found.categories if found else ()
  read = [sources.read(source, categories) for source in asked]
  _check_categories(read)
  output.prepare()
  splits = [
    _plan(items, settings, request.images_per_shard, output) for items in read
  ]
  _build(splits, options, output)
  manifest = publish.publish(
    publish.Publication(
      settings=settings,
      categories=read[0].categories,
      command=request.command(),
      max_drop_fraction=request.max_drop_fraction,
      min_answer_occurrences=request.min_answer_occurrences,
      attributes=read[0].attributes,
    ),
    splits,
    output,
  )
  logging.info('%s: %.1f s.', output.final, time.monotonic() - start)
  return manifest


def beam_options(given: tuple[str, ...]) -> PipelineOptions:
  """Beam's options, with our defaults.

  Args:
    given: flags as on the command line.

  Returns:
    The options.

  Raises:
    ValueError: Beam does not know a flag, or the runner is refused.
  """
  parser = argparse.ArgumentParser(
    add_help=False,
    allow_abbrev=False,
    conflict_handler='resolve',
    exit_on_error=False,
  )
  for options in PipelineOptions.__subclasses__():
    options._add_argparse_args(parser)
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
  if known.runner in _REFUSED_RUNNERS:
    raise ValueError(
      'On one machine the runner must be FnApiRunner, the default: others '
      'download Prism where they can, and differ between machines. '
      f'Received: {known.runner}.'
    )
  defaults = [
    f'--{name}={value}'
    for name, value in _DEFAULT_FLAGS.items()
    if not any(flag.split('=')[0] == f'--{name}' for flag in given)
  ]
  return PipelineOptions([*given, *defaults])


def _plan(
  items: sources.SplitItems,
  settings: plans.Settings,
  images_per_shard: int,
  output: outputs.Output,
) -> publish.SplitWork:
  cut = plans.cut(items.images, items.split, settings, images_per_shard)
  logging.info(
    '%s: %d images with %d %s in %d shards.',
    items.split,
    len(items.images),
    sum(image.count for image in items.images),
    settings.kind,
    len(cut),
  )
  return publish.SplitWork(
    split=items.split,
    tasks=tuple(plans.write(plan, output) for plan in cut),
    drops=tuple(items.drops),
  )


def _check_categories(read: list[sources.SplitItems]) -> None:
  first, *others = read
  for other in others:
    if other.categories != first.categories:
      described = ', and '.join(
        f'{items.split} with {len(items.categories)}, '
        f'{", ".join(items.categories[:3])}...'
        for items in (first, other)
      )
      raise ValueError(
        f'All splits must have the same categories. Received: {described}'
      )


def _build(
  splits: list[publish.SplitWork],
  options: PipelineOptions,
  output: outputs.Output,
) -> None:
  """Builds what an earlier job has not finished."""
  tasks = [task for work in splits for task in work.tasks]
  missing = [task for task in tasks if not shards.finished(task, output)]
  output.remove_leftovers(_kept_files(tasks, missing, output))
  if len(missing) < len(tasks):
    logging.info(
      '%d of %d shards are there from an earlier job.',
      len(tasks) - len(missing),
      len(tasks),
    )
  if not missing:
    return
  # Beam tells of each of its own steps at this level.
  python_logging.getLogger('apache_beam').setLevel(python_logging.WARNING)
  pipeline = beam.Pipeline(options=options)
  _ = (
    pipeline
    | 'Shards' >> beam.Create(missing)
    | 'Spread' >> beam.Reshuffle()
    | 'BuildShard' >> beam.ParDo(shards.BuildShard(output))
  )
  with progress.shown([task.result_path for task in missing]):
    pipeline.run().wait_until_finish()


def _kept_files(
  tasks: list[plans.ShardTask],
  missing: list[plans.ShardTask],
  output: outputs.Output,
) -> set[str]:
  kept = {task.plan_path for task in tasks}
  for task in set(tasks) - set(missing):
    plan = plans.read(task.plan_path)
    kept.add(task.result_path)
    kept.add(plan.records_path(output.building))
    kept.add(plan.texts_path(output.building) or '')
  return kept
