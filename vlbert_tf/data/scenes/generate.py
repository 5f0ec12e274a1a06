"""Generates the data set of scenes.

An image depends on the seed, its split and its number in the split, and on
nothing else: not on the sizes of the splits, nor on how many processes work.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from absl import logging

from vlbert_tf.data.scenes import (
  official_files,
  references,
  region_files,
  render,
  scene_entries,
)
from vlbert_tf.data.scenes.captions import write_captions
from vlbert_tf.data.scenes.world import (
  CATEGORIES,
  Scene,
  held_out_combinations,
  sample_scene,
)

# A change of what is generated for a seed changes this.
VERSION = 2
DESCRIPTION = 'Rendered scenes of simple objects, with captions and questions'
_SPLITS = ('train', 'val', 'test', 'captions_train', 'captions_val')
_MAX_SPLIT_IMAGES = 1_000_000  # ids of a split stay clear of the next one's
_PORTRAIT_SHARE = 0.25
_CHUNK = 25  # images handed to a process at a time

# Independent streams of random numbers of one image.
_WORLD, _PAINT, _WORDS, _PEOPLE, _REFERENCES, _CHOICES = range(6)


@dataclasses.dataclass(frozen=True)
class Sizes:
  """How much to generate.

  Attributes:
    train_images, val_images, test_images: images with questions.
    caption_train_images, caption_val_images: other images, with captions.
    captions_per_image: captions of each of those.
    long_side, short_side: of the images, in pixels; a quarter is portrait.
  """

  train_images: int = 2500
  val_images: int = 150
  test_images: int = 400
  caption_train_images: int = 2500
  caption_val_images: int = 150
  captions_per_image: int = 2
  long_side: int = 160
  short_side: int = 120

  def of_split(self, split: str) -> int:
    """Number of images of a split such as 'val' or 'captions_train'."""
    name = split.replace('captions_', 'caption_')
    return getattr(self, f'{name}_images')


@dataclasses.dataclass(frozen=True)
class GeneratedImage:
  """One image with all that is written about it; official JSON entries."""

  file_name: str
  jpeg: bytes
  image: dict[str, object]
  instances: list[dict[str, object]]
  questions: list[dict[str, object]]
  annotations: list[dict[str, object]]
  captions: list[str]
  references: list[dict[str, object]]
  choices: list[dict[str, object]]
  metadata: dict[str, object]


def generate(
  folder: Path,
  sizes: Sizes,
  seed: int = 7,
  num_workers: int = 1,
  with_regions: bool = False,
  held_out: int = 0,
) -> None:
  """Writes the data set, or finds that it is already there.

  Args:
    folder: where it appears when complete.
    sizes: numbers of images.
    seed: the same seed gives the same bytes.
    num_workers: processes; the output does not depend on it.
    with_regions: whether RefCOCO+ and VCR files are written as well, about
      the images with questions; the other files stay the same.
    held_out: combinations of color and shape that the split test alone has,
      listed in `held_out.txt`.

  Raises:
    ValueError: sizes out of range, or the folder holds something else.
  """
  _check_sizes(sizes)
  settings = {
    'dataset': 'scenes',
    'version': VERSION,
    'seed': seed,
    **dataclasses.asdict(sizes),
  }
  if with_regions:
    settings['with_regions'] = True
  if held_out:
    settings['held_out'] = held_out
  combinations = held_out_combinations(seed, held_out)
  if official_files.is_complete(folder, settings):
    logging.info('%s is complete already; nothing to do', folder)
    return
  with official_files.published(folder, settings, _about(settings)) as partial:
    regions = region_files.RegionFiles(partial) if with_regions else None
    if combinations:
      text = ''.join(f'{name}\n' for name in combinations)
      (partial / official_files.HELD_OUT).write_text(text)
    for split, images in _generated(
      sizes, seed, num_workers, frozenset(combinations)
    ):
      if split.startswith('captions_'):
        _write_caption_split(partial, split, images)
      else:
        _write_question_split(partial, split, images, regions)
    if regions:
      regions.write(CATEGORIES, DESCRIPTION)


def make_scene(
  seed: int,
  split: str,
  index: int,
  sizes: Sizes,
  held_out: frozenset[str] = frozenset(),
) -> Scene:
  """The scene of an image, without painting it; see `make_image`."""
  rng = _stream(seed, split, index, _WORLD)
  portrait = rng.random() < _PORTRAIT_SHARE
  width, height = sizes.long_side, sizes.short_side
  if portrait:
    width, height = height, width
  if split == 'test':
    held_out = frozenset()
  return sample_scene(rng, width, height, held_out)


def make_image(
  seed: int,
  split: str,
  sizes: Sizes,
  index: int,
  held_out: frozenset[str] = frozenset(),
) -> GeneratedImage:
  """Generates one image of a split and what is written about it.

  Args:
    seed: of the data set.
    split: 'train', 'val', 'test', 'captions_train' or 'captions_val'.
    sizes: of the images, and captions of each.
    index: of the image in the split, from 0.
    held_out: categories that no split but test shows or names.
  """
  scene = make_scene(seed, split, index, sizes, held_out)
  image_id = _SPLITS.index(split) * _MAX_SPLIT_IMAGES + index + 1
  file_name = official_files.image_name(split, image_id)
  pixels = render.render(scene, _stream(seed, split, index, _PAINT))
  words = _stream(seed, split, index, _WORDS)
  instances = scene_entries.instance_entries(scene, image_id)
  image = official_files.image_entry(
    image_id, file_name, scene.width, scene.height
  )
  questions, annotations, captions = [], [], []
  said, choices = [], []
  if split.startswith('captions_'):
    captions = write_captions(scene, words, sizes.captions_per_image)
  else:
    people = _stream(seed, split, index, _PEOPLE)
    questions, annotations = scene_entries.vqa_entries(
      scene, image_id, words, people
    )
    referring = _stream(seed, split, index, _REFERENCES)
    said = references.refer(scene, referring)
    choices = references.choose(scene, _stream(seed, split, index, _CHOICES))
  return GeneratedImage(
    file_name=file_name,
    jpeg=render.encode_jpeg(pixels),
    image=image,
    instances=instances,
    questions=questions,
    annotations=annotations,
    captions=captions,
    references=region_files.reference_entries(split, image, instances, said),
    choices=region_files.choice_entries(split, file_name, scene, choices),
    metadata=region_files.metadata_entry(scene),
  )


def _stream(seed, split, index, purpose):
  entropy = (seed, _SPLITS.index(split), index, purpose)
  return np.random.default_rng(np.random.SeedSequence(entropy))


def _generated(
  sizes: Sizes, seed: int, num_workers: int, held_out: frozenset[str]
) -> Iterator[tuple[str, Iterator[GeneratedImage]]]:
  """Every split with its images in order."""
  with _mapping(num_workers) as mapped:
    for split in _SPLITS:
      count = sizes.of_split(split)
      make = functools.partial(
        make_image, seed, split, sizes, held_out=held_out
      )
      yield split, _reported(mapped(make, range(count)), split, count)


@contextlib.contextmanager
def _mapping(num_workers: int) -> Iterator[Callable]:
  """Yields `map`, over processes if there are to be several."""
  if num_workers <= 1:
    yield map
    return
  # Spawned, not forked: the caller may have threads of TensorFlow running.
  context = multiprocessing.get_context('spawn')
  pool = concurrent.futures.ProcessPoolExecutor(num_workers, context)
  with pool:
    yield functools.partial(pool.map, chunksize=_CHUNK)


def _reported(images, split, count):
  started = time.monotonic()
  for done, image in enumerate(images, 1):
    yield image
    if done % 500 == 0 or done == count:
      rate = done / max(time.monotonic() - started, 1e-6)
      logging.info('%s: %d of %d images, %.0f/s', split, done, count, rate)


def _write_question_split(folder, split, images, regions):
  entries, instances, generated = [], [], []
  questions, annotations = [], []
  for each in _with_saved_pixels(folder, split, images):
    entries.append(each.image)
    instances += each.instances
    questions += each.questions
    annotations += each.annotations
    generated.append(dataclasses.replace(each, jpeg=b''))
  if regions:
    regions.add_split(split, generated)
  official_files.write_vqa(folder, split, questions, annotations, DESCRIPTION)
  official_files.write_instances(
    folder, split, entries, instances, CATEGORIES, DESCRIPTION
  )


def _write_caption_split(folder, split, images):
  entries, instances = [], []
  rows, paths = [], {}
  for each in _with_saved_pixels(folder, split, images):
    entries.append(each.image)
    instances += each.instances
    rows += [(caption, each.file_name) for caption in each.captions]
    paths[each.file_name] = f'{split}/{each.file_name}'
  official_files.write_captions(
    folder, split.removeprefix('captions_'), rows, paths
  )
  official_files.write_instances(
    folder, split, entries, instances, CATEGORIES, DESCRIPTION
  )


def _with_saved_pixels(folder, split, images):
  target = folder / 'images' / split
  target.mkdir(parents=True)
  for each in images:
    (target / each.file_name).write_bytes(each.jpeg)
    yield each


def _check_sizes(sizes):
  for split in _SPLITS:
    count = sizes.of_split(split)
    if not 0 <= count < _MAX_SPLIT_IMAGES:
      raise ValueError(
        f'A split has from 0 to {_MAX_SPLIT_IMAGES - 1} images. '
        f'Received: {count} for {split}.'
      )
  if sizes.captions_per_image < 1:
    raise ValueError(
      'An image has at least one caption. '
      f'Received: captions_per_image={sizes.captions_per_image}.'
    )
  if not 100 <= sizes.short_side <= sizes.long_side:
    raise ValueError(
      'Images need a short side of at least 100 pixels for their objects, '
      f'and a long side no shorter. Received: {sizes.long_side} x '
      f'{sizes.short_side}.'
    )


def _about(settings):
  return (
    f'{DESCRIPTION}, in the official formats of VQA v2, Conceptual Captions '
    f'and COCO instances.\nGenerated, not photographed. Seed '
    f'{settings["seed"]}. Made by: vlbert-make-scenes --dataset=scenes '
    '--output_dir=..., with the sizes below.'
  )
