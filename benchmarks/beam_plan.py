"""Memory and time of the launching process, by the number of captions.

  python -m benchmarks.beam_plan --captions=1000000

Writes a table of captions and an index in the form of Conceptual Captions,
without images, and plans the shards of `vlbert-build-examples`, as it does
before the first image is read. Prints the largest resident memory before and
after, and the seconds. With --per_image=N, N captions belong to each image.
"""

import pathlib
import resource
import tempfile
import time

from absl import app, flags, logging

from beam_jobs import job, output, plans, sources, storage
from vlbert_tf.data.readers import files

_CAPTIONS = flags.DEFINE_integer('captions', 100_000, 'Rows of the table.', 1)
_PER_IMAGE = flags.DEFINE_integer('per_image', 1, 'Captions of an image.', 1)


def main(_):
  with tempfile.TemporaryDirectory(prefix='bench_beam_plan') as name:
    folder = pathlib.Path(name)
    _write(folder, _CAPTIONS.value, _PER_IMAGE.value)
    before, start = _largest(), time.monotonic()
    work = _plan(folder)
    seconds = time.monotonic() - start
    images = sum(task.images for task in work.tasks)
    print(
      f'{_CAPTIONS.value} captions of {images} images in {len(work.tasks)} '
      f'shards: {seconds:.1f} s; largest resident memory {before:.0f} MiB '
      f'before, {_largest():.0f} MiB after'
    )


def _plan(folder: pathlib.Path):
  source = sources.parse_split(
    'captions',
    f'train,captions={folder}/captions.tsv,images={folder},'
    f'image_index={folder}/index.tsv',
    detected=True,
  )
  settings = plans.Settings(
    name='bench', kind='captions', max_rois=100, max_pixels=64_000_000
  )
  with files.through(storage.ForReaders()):
    items = sources.read(source, ('object',))
    place = output.Output(f'{folder}/out')
    return job.plan_split(items, settings, 512, place)


def _write(folder: pathlib.Path, captions: int, per_image: int) -> None:
  """URLs in an order of their own, captions of about ten words."""
  images = -(-captions // per_image)
  step = 7_368_787  # A prime: each image comes, far from its neighbors.
  with (
    open(folder / 'captions.tsv', 'w', encoding='utf-8') as rows,
    open(folder / 'index.tsv', 'w', encoding='utf-8') as index,
  ):
    for k in range(captions):
      image = k * step % images
      url = f'https://pictures.example.org/2026/{image:09d}/photograph.jpg'
      rows.write(
        f'a person number {k} walks along the beach with a dog\t{url}\n'
      )
      if k < images:
        index.write(f'{url}\t{image % 1000:03d}/{image:09d}.jpg\n')


def _largest() -> float:
  """Largest resident memory of this process, MiB."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == '__main__':
  logging.set_verbosity(logging.WARNING)
  app.run(main)
