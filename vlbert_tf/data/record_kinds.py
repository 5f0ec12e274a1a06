"""Kinds of records: what each stores of the texts that belong to an image."""

from collections.abc import Sequence

import tensorflow as tf

from vlbert_tf.data.annotations import ImageAnnotations, TaggedText

CAPTIONS = 'captions'
QUESTIONS = 'questions'
EXPRESSIONS = 'expressions'
CHOICES = 'choices'
IMAGES = 'images'  # RoIs alone, without texts
OBJECTS = 'objects'

CANDIDATES = 4  # answers, and rationales, of a multiple-choice question

Layout = dict[str, tuple[tf.DType, tuple[int | None, ...]]]

# Ragged on disk as well: values of all questions, and how many each has.
FLAT_VALUES = 'ragged_flat_values'
ROW_LENGTHS = 'ragged_row_lengths_0'
_ANSWERS = {'answer/text': tf.string, 'answer/count': tf.int64}

_STRINGS = (tf.string, (None,))
_NUMBERS = (tf.int64, (None,))
_TEXTS_OF_CANDIDATES = (tf.string, (None, CANDIDATES))
_LAYOUTS: dict[str, Layout] = {
  IMAGES: {},
  CAPTIONS: {'caption/text': _STRINGS},
  QUESTIONS: {
    'question/id': _NUMBERS,
    'question/text': _STRINGS,
    'question/type': _STRINGS,
    'question/answer_type': _STRINGS,
  },
  EXPRESSIONS: {
    'expression/id': _NUMBERS,
    'expression/text': _STRINGS,
    'expression/box': (tf.float32, (None, 4)),
  },
  CHOICES: {
    'roi/tag': _NUMBERS,
    'roi/polygons': _STRINGS,
    'choice/id': _STRINGS,
    'choice/question': _STRINGS,
    'choice/question_tags': _STRINGS,
    'choice/answers': _TEXTS_OF_CANDIDATES,
    'choice/answer_tags': _TEXTS_OF_CANDIDATES,
    'choice/rationales': _TEXTS_OF_CANDIDATES,
    'choice/rationale_tags': _TEXTS_OF_CANDIDATES,
    'choice/answer_label': _NUMBERS,
    'choice/rationale_label': _NUMBERS,
  },
  OBJECTS: {},
}
_ATTRIBUTES = 'roi/attribute'
_RAGGED: dict[str, dict[str, tf.DType]] = {
  QUESTIONS: _ANSWERS,
  OBJECTS: {_ATTRIBUTES: tf.int64},
}
KINDS = tuple(_LAYOUTS)

# The feature that has one value for each annotation; images without texts
# have one value for each image.
COUNTED = {
  IMAGES: 'image/id',
  CAPTIONS: 'caption/text',
  QUESTIONS: 'question/id',
  EXPRESSIONS: 'expression/id',
  CHOICES: 'choice/id',
  OBJECTS: 'image/id',
}


def layout(kind: str) -> Layout:
  """Type and shape of what a kind adds to the image and its RoIs.

  Args:
    kind: of `KINDS`.

  Returns:
    Dense features by name.

  Raises:
    ValueError: the kind is unknown.
  """
  if kind not in _LAYOUTS:
    raise ValueError(f'Records are of {", ".join(KINDS)}. Received: {kind!r}.')
  return _LAYOUTS[kind]


def ragged(kind: str) -> dict[str, tf.DType]:
  """Types of ragged features; each is two dense ones on disk."""
  return _RAGGED.get(kind, {})


def features(kind: str, annotations: ImageAnnotations) -> dict[str, list]:
  """Values of all that `layout` and `ragged` name.

  Args:
    kind: of `KINDS`.
    annotations: of the image; regions clipped to it.

  Returns:
    Flat lists by feature name.
  """
  return _WRITERS[kind](annotations)


def _captions(annotations):
  return {'caption/text': [caption.text for caption in annotations.captions]}


def _questions(annotations):
  questions = annotations.questions
  written = {
    'question/id': [question.question_id for question in questions],
    'question/text': [question.text for question in questions],
    'question/type': [question.question_type for question in questions],
    'question/answer_type': [question.answer_type for question in questions],
  }
  for key, column in zip(_ANSWERS, (0, 1), strict=True):
    written[f'{key}/{FLAT_VALUES}'] = [
      answer[column] for question in questions for answer in question.answers
    ]
    written[f'{key}/{ROW_LENGTHS}'] = [
      len(question.answers) for question in questions
    ]
  return written


def _expressions(annotations):
  expressions = annotations.expressions
  return {
    'expression/id': [each.expression_id for each in expressions],
    'expression/text': [each.text for each in expressions],
    'expression/box': [float(x) for each in expressions for x in each.box],
  }


def _choices(annotations):
  choices = annotations.choices
  answers = [text for each in choices for text in each.answers]
  rationales = [text for each in choices for text in each.rationales]
  questions = [each.question for each in choices]
  return {
    'roi/tag': [region.tag for region in annotations.regions],
    'roi/polygons': [region.polygons for region in annotations.regions],
    'choice/id': [each.question_id for each in choices],
    'choice/answer_label': [each.answer_label for each in choices],
    'choice/rationale_label': [each.rationale_label for each in choices],
    **_tagged('choice/question', 'choice/question_tags', questions),
    **_tagged('choice/answers', 'choice/answer_tags', answers),
    **_tagged('choice/rationales', 'choice/rationale_tags', rationales),
  }


def _tagged(
  words: str, tags: str, texts: Sequence[TaggedText]
) -> dict[str, list[str]]:
  """Words and their tags, as many, with spaces between them."""
  return {
    words: [' '.join(text.words) for text in texts],
    tags: [' '.join(map(str, text.tags)) for text in texts],
  }


def _objects(annotations):
  regions = annotations.regions
  return {
    f'{_ATTRIBUTES}/{FLAT_VALUES}': [
      attribute for region in regions for attribute in region.attributes
    ],
    f'{_ATTRIBUTES}/{ROW_LENGTHS}': [
      len(region.attributes) for region in regions
    ],
  }


_WRITERS = {
  IMAGES: lambda annotations: {},
  CAPTIONS: _captions,
  QUESTIONS: _questions,
  EXPRESSIONS: _expressions,
  CHOICES: _choices,
  OBJECTS: _objects,
}
