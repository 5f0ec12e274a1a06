"""The whole job: read, plan, build the shards by Beam, publish."""

import dataclasses
import itertools
import json
import os
import shlex
import time
from collections.abc import Iterable, Iterator
from typing import Any

from absl import logging
from apache_beam.io.filesystems import FileSystems

from beam_jobs import (
  appearance,
  archives,
  detector,
  found_earlier,
  lock,
  plans,
  progress,
  publish,
  report,
  runners,
  shards,
  shuffle,
  sources,
  storage,
)
from beam_jobs import output as outputs
from vlbert_tf.data.annotations import Drop, ImageAnnotations
from vlbert_tf.data.readers import files


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """What the command line asks for; see `build_examples`."""

  program: str = 'vlbert-build-examples'
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
  keep: str = 'image'
  rois: str = ''
  appearance: str = ''
  overwrite: bool = False
  beam_flags: tuple[str, ...] = ()

  @property
  def finds_boxes(self) -> bool:
    """Whether boxes come from a detector, now or earlier."""
    return bool(self.detector or self.rois)

  def command(self) -> str:
    """The command line that asks for the same records."""
    fields = {} if self.dataset == sources.IMAGES else {'dataset': self.dataset}
    fields |= {
      'name': self.name,
      'output_dir': self.output_dir,
      'images_per_shard': self.images_per_shard,
      'max_rois': self.max_rois,
      'max_megapixels': self.max_pixels / 1e6,
      'max_drop_fraction': self.max_drop_fraction,
      'min_answer_occurrences': self.min_answer_occurrences,
    }
    if self.finds_boxes:
      source = 'detector' if self.detector else 'rois'
      fields |= {source: getattr(self, source), 'keep': self.keep}
    if self.appearance:
      fields |= {'appearance': self.appearance, 'keep': self.keep}
    words = [f'--{key}={value}' for key, value in fields.items()]
    words += [f'--split={split}' for split in self.splits]
    return shlex.join([self.program, *words])


def run(request: Request) -> dict[str, Any]:
  """Builds records.

  Args:
    request: of the user.

  Returns:
    The manifest; empty after a dry run.

  Raises:
    ValueError: a flag or a file is not usable, or too much was set aside.
    RuntimeError: Beam ended without all shards.
  """
  start = time.monotonic()
  options = runners.options(request.beam_flags)
  FileSystems.set_options(options)
  sources.check_name('data set', request.name)
  asked = [
    sources.parse_split(request.dataset, text, request.finds_boxes)
    for text in request.splits
  ]
  names = [source.split for source in asked]
  if len(set(names)) < len(names):
    raise ValueError(f'Each --split needs a name of its own. Received: {names}')
  output = _output(request)
  images = [path for source in asked for path in source.paths['images']]
  models = request.detector, request.rois, request.appearance
  shared = [output.root, *models, *images]
  runners.check_shared(options, shared)
  output.check_free(request.overwrite)
  with lock.held(output.partial):
    # Another job may have held it until now.
    output.check_free(request.overwrite)
    manifest = _run(request, asked, output)
  logging.info('%s: %.1f s.', output.final, time.monotonic() - start)
  return manifest


def run_with_page(request: Request) -> str:
  """Builds records as `run` does; the page of text that a user reads."""
  if not run(request):
    return ''
  folder = _output(request).final
  content = json.loads(storage.read(os.path.join(folder, report.NAME)))
  return report.page(folder, content) + '\n'


def _output(request: Request) -> outputs.Output:
  return outputs.Output(f'{request.output_dir.rstrip("/")}/{request.name}')


def _run(
  request: Request,
  asked: list[sources.SplitSource],
  output: outputs.Output,
) -> dict[str, Any]:
  """Does the work, in a folder that is held."""
  earlier = found_earlier.open_folder(request.rois) if request.rois else None
  found = earlier.detector if earlier else None
  if request.detector:
    found = detector.find(request.detector)
  if request.appearance:
    found = appearance.find(request.appearance)
  settings = _settings(request, found)
  categories = found.categories if request.finds_boxes else ()
  images = [path for source in asked for path in source.paths['images']]
  with archives.opened(images) as tars, files.through(tars):
    read = [_read(source, categories, tars, earlier) for source in asked]
    _check_categories(read)
    splits = [
      plan_split(items, settings, request.images_per_shard, output)
      for items in read
    ]
  output.prepare()
  if not _build(splits, request, output):
    logging.info('Nothing was submitted: that was a dry run.')
    return {}
  return publish.publish(
    publish.Publication(
      settings=settings,
      categories=read[0].categories,
      command=request.command(),
      max_drop_fraction=request.max_drop_fraction,
      min_answer_occurrences=request.min_answer_occurrences,
      attributes=(
        found.attributes if request.finds_boxes else read[0].attributes
      ),
    ),
    splits,
    output,
  )


def _read(
  source: sources.SplitSource,
  categories: tuple[str, ...],
  tars: archives.Archives,
  earlier: found_earlier.EarlierRois | None,
) -> sources.SplitItems:
  """The items of a split, with the places of their images and RoIs."""
  read = sources.read(source, categories)
  damaged = [tars.damaged[p.rstrip('/')] for p in source.paths['images']]
  items = itertools.chain(*damaged, tars.located(read.items))
  if earlier:
    items = _joined(items, earlier)
  return dataclasses.replace(read, items=items)


def _joined(
  items: Iterable[ImageAnnotations | Drop],
  earlier: found_earlier.EarlierRois,
) -> Iterator[ImageAnnotations | Drop]:
  """Says for each image where its RoIs are."""
  for item in items:
    if isinstance(item, ImageAnnotations):
      item = dataclasses.replace(item, rois=earlier.places.get(item.image_id))
    yield item


def _settings(
  request: Request, found: detector.DetectorFile | None
) -> plans.Settings:
  settings = plans.Settings(
    name=request.name,
    kind=sources.KINDS[request.dataset],
    max_rois=request.max_rois,
    max_pixels=request.max_pixels,
  )
  asked = [
    f'--{name}'
    for name in ('detector', 'rois', 'appearance')
    if getattr(request, name)
  ]
  if len(asked) > 1:
    raise ValueError(
      'Boxes come from one source: a detector, --rois, or annotations, whose '
      f'--appearance is told. Received: {" and ".join(asked)}.'
    )
  if found is None:
    if request.keep != 'image':
      raise ValueError(
        'Features are those that a detector computes. Received: '
        f'--keep={request.keep} without --detector, --rois or --appearance.'
      )
    return settings
  if request.appearance and request.keep == 'image':
    raise ValueError(
      '--appearance is kept as features. Received: --keep=image. Say '
      '--keep=features or both.'
    )
  return dataclasses.replace(
    settings,
    appearance=found.path if request.appearance else '',
    detector=found.path if request.detector else '',
    detector_fingerprint=found.fingerprint,
    contents=found.contents(request.keep),
    earlier=found.offers if request.rois else None,
  )


def plan_split(
  split: sources.SplitItems,
  settings: plans.Settings,
  images_per_shard: int,
  output: outputs.Output,
) -> publish.SplitWork:
  """Reads a split and writes what each of its shards will be."""
  with shuffle.shuffled(split.items) as images:
    cut = plans.cut(images, split.split, settings, images_per_shard)
    tasks = tuple(plans.write(plan, output) for plan in cut)
  logging.info(
    '%s: %d images with %d %s in %d shards.',
    split.split,
    images.count,
    sum(task.annotations for task in tasks),
    settings.kind,
    len(tasks),
  )
  return publish.SplitWork(
    split=split.split, tasks=tasks, drops=tuple(images.drops)
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
  request: Request,
  output: outputs.Output,
) -> bool:
  """Builds what an earlier job has not finished; False when nothing ran."""
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
    return True
  images = sum(task.images for task in missing)
  computes = bool(request.detector or request.appearance)
  options = runners.options(request.beam_flags, images, computes)
  with progress.shown({task.result_path: task.images for task in missing}):
    graph = runners.build_graph(options, missing, output)
    runners.run(graph, lambda: shards.begun(output))
  return not runners.is_dry_run(options)


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
