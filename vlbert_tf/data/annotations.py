"""What readers make of official files, before an image has been opened.

A reader yields one `ImageAnnotations` an image, and one `Drop` for every item
that it sets aside. Nothing disappears without a `Drop`.
"""

import dataclasses


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
    answers: distinct human answers as found, with how often each was given;
      the most frequent first, then by text. Empty where they are not public.
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
  """

  image_id: str
  image_path: str
  regions: tuple[Region, ...] = ()
  captions: tuple[Caption, ...] = ()
  questions: tuple[Question, ...] = ()

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
