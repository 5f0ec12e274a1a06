"""A stream of images, handled in batches of one shape."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from beam_jobs.image_files import LoadedImage, UnusableImageError

Image = TypeVar('Image', bound=LoadedImage)
Found = TypeVar('Found')


@dataclasses.dataclass
class _Waiting:
  loaded: LoadedImage | UnusableImageError
  found: object = None


def in_order(
  ask: Callable[[Sequence[Image]], Sequence[Found | UnusableImageError]],
  images: Iterator[Image | UnusableImageError],
  batch_size: int,
  most_waiting: int = 48,
) -> Iterator[tuple[Image | UnusableImageError, Found | UnusableImageError]]:
  """Asks about a stream of images, in batches of one shape.

  Landscape and portrait images go in calls of their own. Which images share a
  call follows from the stream alone, and so do the numbers that come out.

  Args:
    ask: maps a batch to what is found on each image.
    images: in the order of the records.
    batch_size: images of one call, at most.
    most_waiting: images held at a time, so that memory does not grow with the
      stream: the images after one whose batch is not full.

  Yields:
    Each image with what was found, or with why there is nothing; in the same
    order.
  """
  waiting: list[_Waiting] = []
  batches: dict[bool, list[_Waiting]] = {False: [], True: []}

  def run(batch):
    found = ask([each.loaded for each in batch]) if batch else ()
    for each, result in zip(batch, found, strict=True):
      each.found = result
    batch.clear()

  for loaded in images:
    each = _Waiting(loaded)
    waiting.append(each)
    if isinstance(loaded, UnusableImageError):
      each.found = loaded
    else:
      batch = batches[loaded.height <= loaded.width]
      batch.append(each)
      if len(batch) == batch_size:
        run(batch)
    if len(waiting) >= most_waiting:
      for batch in batches.values():
        run(batch)
    while waiting and waiting[0].found is not None:
      done = waiting.pop(0)
      yield done.loaded, done.found
  for batch in batches.values():
    run(batch)
  for each in waiting:
    yield each.loaded, each.found
