"""What readers make of official files, before an image has been opened.

A reader yields one `ImageAnnotations` an image, and one `Drop` for every item
that it sets aside. Nothing disappears without a `Drop`.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from vlbert_tf import boxes


@dataclasses.dataclass(frozen=True)
class Region:
  """A box on an image and what is in it.

  Attributes:
    box: (x1, y1, x2, y2), pixels of the image; see `vlbert_tf.boxes`.
    category: 1 for the first name of the category list; 0 is background.
    score: of a detector; 1 for people's annotations.
  """

  box: tuple[float, float, float, float]
  category: int
  score: float = 1.0


@dataclasses.dataclass(frozen=True)
class Caption:
  """A sentence about an image."""

  text: str


@dataclasses.dataclass(frozen=True)
class Question:
  """A question about an image.

  Attributes:
    question_id: unique in its data set.
    text: the question.
    question_type: such as 'how many'; '' where not known.
    answer_type: 'yes/no', 'number', 'other'; '' where not known.
    answers: distinct human answers, normalised as VQA's evaluation does, with
      how often each was given; the most frequent first, then by text. Empty
      where they are not public.
  """

  question_id: int
  text: str
  question_type: str = ''
  answer_type: str = ''
  answers: tuple[tuple[str, int], ...] = ()


@dataclasses.dataclass(frozen=True)
class ImageAnnotations:
  """All that is known of an image; either captions or questions.

  Attributes:
    image_id: unique in its split.
    image_path: of the file, complete.
    regions: boxes in the order of the file, as found: not yet clipped.
    captions: of the image.
    questions: about the image.
    size: height and width that the boxes are measured in, pixels; None where
      the file does not say.
  """

  image_id: str
  image_path: str
  regions: tuple[Region, ...] = ()
  captions: tuple[Caption, ...] = ()
  questions: tuple[Question, ...] = ()
  size: tuple[int, int] | None = None

  @property
  def count(self) -> int:
    """Captions and questions."""
    return len(self.captions) + len(self.questions)


@dataclasses.dataclass(frozen=True, order=True)
class Drop:
  """Something that was set aside.

  Attributes:
    item: names it, such as 'question 458752000'.
    reason: one of few words, to be counted, such as 'image_missing'.
    detail: a sentence for the one who looks into it; the same in every run.
    images: images lost by it: 1 where the item is an image, else 0.
    annotations: captions or questions lost by it; those of an image, 1 where
      the item is such a one, 0 where it is a box.
  """

  item: str
  reason: str
  detail: str = ''
  images: int = 0
  annotations: int = 0


def clip_regions(
  image_id: str, regions: Sequence[Region], height: int, width: int
) -> tuple[tuple[Region, ...], list[Drop]]:
  """Cuts regions to their image.

  Args:
    image_id: of the image, for messages.
    regions: on it.
    height: of the image, pixels.
    width: of the image, pixels.

  Returns:
    The regions that have an area in the image, with float32 coordinates; and
    a `Drop` for each of the others.
  """
  given = np.array([region.box for region in regions], np.float32)
  clipped = boxes.clip(given.reshape(-1, 4), height, width)
  kept, drops = [], []
  for number, (region, box) in enumerate(zip(regions, clipped, strict=True)):
    # A coordinate that is no number compares as False and is dropped here.
    if box[0] < box[2] and box[1] < box[3]:
      kept.append(dataclasses.replace(region, box=tuple(box.tolist())))
    else:
      drops.append(
        Drop(
          f'region {number} of image {image_id}',
          'region_without_area',
          f'{list(region.box)} in {height} rows of {width} pixels.',
        )
      )
  return tuple(kept), drops
