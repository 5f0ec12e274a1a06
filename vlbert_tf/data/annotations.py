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
    tag: number that texts call it by; -1 where texts have no tags.
    polygons: JSON, a list of polygons of [x, y] points in pixels; '' where
      not known.
    attributes: what it is like; 1 for the first name of the attribute list.
  """

  box: tuple[float, float, float, float]
  category: int
  score: float = 1.0
  tag: int = -1
  polygons: str = ''
  attributes: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class DetectedRegion(Region):
  """A region with all that its detector says of it.

  Attributes:
    appearance: float16 `[A]`, as bytes; none where it is not kept.
    top_categories: the likeliest categories, the most probable first ...
    top_probabilities: ... and how probable they are; what is missing to 1
      falls to the other categories and to background.
    attribute: the likeliest attribute; 0 is none ...
    attribute_score: ... and how probable it is.
  """

  appearance: bytes = b''
  top_categories: tuple[int, ...] = ()
  top_probabilities: tuple[float, ...] = ()
  attribute: int = 0
  attribute_score: float = 0.0


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
class Expression:
  """Words that refer to one object of an image.

  Attributes:
    expression_id: unique in its data set.
    text: the words.
    box: (x1, y1, x2, y2) of the object, pixels of the image.
  """

  expression_id: int
  text: str
  box: tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True)
class TaggedText:
  """Words of which some point at regions.

  Attributes:
    words: in order, none of them with a space.
    tags: as many; the `Region.tag` that a word points at, -1 for the others.
  """

  words: tuple[str, ...]
  tags: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class ChoiceQuestion:
  """A question with candidate answers, and candidate reasons for the answer.

  Attributes:
    question_id: unique in its data set.
    question: the question.
    answers: four candidates.
    rationales: four candidates.
    answer_label: place of the right answer; -1 where it is not public.
    rationale_label: place of the right rationale; -1 where not public.
  """

  question_id: str
  question: TaggedText
  answers: tuple[TaggedText, ...]
  rationales: tuple[TaggedText, ...]
  answer_label: int = -1
  rationale_label: int = -1


@dataclasses.dataclass(frozen=True)
class RecordPlace:
  """Where in a file the bytes of a record, or of an image, are.

  Attributes:
    path: of the file.
    start: first byte.
    size: in bytes.
  """

  path: str
  start: int
  size: int


@dataclasses.dataclass(frozen=True)
class ImageAnnotations:
  """All that is known of an image; one kind of texts.

  Attributes:
    image_id: unique in its split.
    image_path: of the file, complete.
    regions: boxes in the order of the file, as found: not yet clipped.
    captions: of the image.
    questions: about the image.
    expressions: that refer to its objects.
    choices: multiple-choice questions about it.
    size: height and width that the boxes are measured in, pixels; None where
      the file does not say.
    detected: whether the regions are those of a detector.
    rois: record of the RoIs that were found earlier, where they were.
    without_text: whether the regions are all there is: the image itself is
      then what is counted.
    file: the part of a file that is the image; None for all of `image_path`.
  """

  image_id: str
  image_path: str
  regions: tuple[Region, ...] = ()
  captions: tuple[Caption, ...] = ()
  questions: tuple[Question, ...] = ()
  expressions: tuple[Expression, ...] = ()
  choices: tuple[ChoiceQuestion, ...] = ()
  size: tuple[int, int] | None = None
  detected: bool = False
  rois: RecordPlace | None = None
  without_text: bool = False
  file: RecordPlace | None = None

  @property
  def count(self) -> int:
    """Texts: captions, questions, expressions and choices."""
    return (
      int(self.without_text)
      + len(self.captions)
      + len(self.questions)
      + len(self.expressions)
      + len(self.choices)
    )


@dataclasses.dataclass(frozen=True, order=True)
class Drop:
  """Something that was set aside.

  Attributes:
    item: names it, such as 'question 458752000'.
    reason: one of few words, to be counted, such as 'image_missing'.
    detail: a sentence for the one who looks into it; the same in every run.
    images: images lost by it: 1 where the item is an image, else 0.
    annotations: captions, questions … lost by it; those of an image, 1 where
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
