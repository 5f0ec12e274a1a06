"""Request and answer of every signature that an export carries.

The one definition: the exporter builds its graph from it, the client its
request, and the tests compare a running server with it. Plain Python, so that
a client needs no TensorFlow.

A signature is a function, such as `answer`, on RoIs from one source. The
function of a task on the rawest source that an export has is its
`serving_default`.

Letters: B requests in a batch, R RoIs, K answers that come back, A size of an
appearance vector, C categories, M masked words, N candidates (4), L layers,
H attention heads, T text elements, D hidden size.
"""

import dataclasses
from collections.abc import Mapping

# Answers that come back for a question, unless the export says otherwise.
TOP_ANSWERS = 5
CANDIDATES = 4

# Every coordinate of a row of `boxes` that only fills the batch up.
PADDING_COORDINATE = -1.0

DEFAULT = 'serving_default'
STATUS = 'status'

# Where RoIs come from: a detector inside the export, the request, without or
# with outlines, or, with their appearance, a detector that was asked before.
DETECTED, BOXES, OUTLINES = 'detected', 'boxes', 'outlines'
FEATURES = 'features'
SOURCES = (DETECTED, BOXES, OUTLINES, FEATURES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorField:
  """One named tensor of a request or an answer.

  Attributes:
    dtype: TensorFlow's name of the element type, such as `float32`.
    shape: None where the size is free (B, R, K).
    meaning: a sentence for documentation and error messages.
  """

  dtype: str
  shape: tuple[int | None, ...]
  meaning: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
  """What goes into and comes out of one call of a SavedModel.

  Attributes:
    name: key in the SavedModel's signatures.
    inputs: all of them are required, and no other is accepted.
    outputs: what comes back unless the request's `output_filter` says less.
      Where `status` is one of them, it says for each row which rule the
      request broke; the row's other outputs are then empty: '', 0, or -1 in
      boxes and places.
  """

  name: str
  inputs: Mapping[str, TensorField]
  outputs: Mapping[str, TensorField]


def _field(dtype: str, shape: tuple, meaning: str) -> TensorField:
  return TensorField(dtype=dtype, shape=shape, meaning=meaning)


_TEXTS = (None,)
_IMAGE = _field('string', (None,), 'bytes of a JPEG, PNG, GIF or BMP, `[B]`')
_STATUS = _field(
  'string', (None,), "'' for an answer, else the rule that was broken, `[B]`"
)
_ROIS = _field(
  'float32',
  (None, None, 4),
  'the RoIs (x1, y1, x2, y2), in pixels of the image as decoded, rows of -1 '
  'are padding, `[B, R, 4]`',
)


def _boxes(image: str) -> TensorField:
  meaning = (
    f'RoIs (x1, y1, x2, y2) in pixels of {image}, `[B, R, 4]` with any R; '
    'rows of -1 are padding'
  )
  return _field('float32', (None, None, 4), meaning)


_ON_IMAGE = {'image': _IMAGE, 'boxes': _boxes('the image as decoded')}
_OUTLINES = _field(
  'string',
  (None, None),
  'of each RoI a JSON list of polygons, lists of [x, y] in the same pixels, '
  "'' where none is known, `[B, R]`",
)
_REGION_INPUTS = {
  DETECTED: {'image': _IMAGE},
  BOXES: _ON_IMAGE,
  OUTLINES: {**_ON_IMAGE, 'outlines': _OUTLINES},
  FEATURES: {
    'image_size': _field(
      'float32', (None, 2), 'height and width of the image, pixels, `[B, 2]`'
    ),
    'boxes': _boxes('that image'),
    'appearance': _field(
      'float32', (None, None, None), 'appearance of the RoIs, `[B, R, A]`'
    ),
    'image_appearance': _field(
      'float32',
      (None, None),
      'appearance of the whole image, `[B, A]`; a row of zeros stands for the '
      'mean of its RoIs',
    ),
  },
}

_PIECES = _field(
  'string',
  (None, None),
  "word pieces with [CLS] and [SEP], '' in padding, `[B, T]`",
)
_QUESTION = {'question': _field('string', _TEXTS, 'UTF-8 text, `[B]`')}
_WORDS = 'UTF-8 words with spaces between them'
_TAGS = (
  'a number a word: the row of the RoIs that it names, from 0, -1 for none; '
  "'' where no word names one"
)

# Name: inputs beside those of RoIs, outputs beside `status`.
_FUNCTIONS = {
  'answer': (
    _QUESTION,
    {
      'answers': _field(
        'string',
        (None, None),
        'UTF-8 texts, the most probable first, `[B, K]`',
      ),
      'scores': _field(
        'float32',
        (None, None),
        'probabilities of `answers`, highest first, `[B, K]`',
      ),
      'boxes': _ROIS,
      'attention': _field(
        'float32',
        (None, None),
        "attention of the [MASK] in the answer's place over the RoIs, last "
        'layer, mean of the heads, 0 on padding, `[B, R]`',
      ),
    },
  ),
  'attend': (
    _QUESTION,
    {
      'boxes': _ROIS,
      'attention': _field(
        'float32',
        (None, None, None, None),
        "attention of the [MASK] in the answer's place over the RoIs, of each "
        'layer and head, 0 on padding, `[B, L, H, R]`',
      ),
      'pieces': _PIECES,
      'word_attention': _field(
        'float32', (None,) * 5, 'each of `pieces` likewise, `[B, L, H, T, R]`'
      ),
    },
  ),
  'ground': (
    {'expression': _field('string', _TEXTS, 'UTF-8 text, `[B]`')},
    {
      'index': _field('int32', (None,), 'row of `boxes` that is meant, `[B]`'),
      'box': _field('float32', (None, 4), 'that row, `[B, 4]`'),
      'scores': _field(
        'float32',
        (None, None),
        'probability of each RoI that it is meant, 0 on padding, `[B, R]`',
      ),
      'boxes': _ROIS,
    },
  ),
  'choose': (
    {
      'question': _field(
        'string',
        _TEXTS,
        f'{_WORDS}, `[B]`; for a model of rationales the question and its '
        'answer',
      ),
      'question_tags': _field('string', _TEXTS, f'{_TAGS}, `[B]`'),
      'candidates': _field('string', (None, 4), f'{_WORDS}, `[B, N]`'),
      'candidate_tags': _field('string', (None, 4), f'{_TAGS}, `[B, N]`'),
    },
    {
      'probabilities': _field(
        'float32', (None, 4), 'of the candidates, `[B, N]`'
      ),
      'boxes': _ROIS,
    },
  ),
  'fill_mask': (
    {
      'text': _field(
        'string', _TEXTS, 'UTF-8 text with [MASK] where a word is asked, `[B]`'
      )
    },
    {
      'words': _field(
        'string',
        (None, None, None),
        "word pieces for each [MASK], the most probable first, '' beyond the "
        "text's last [MASK], `[B, M, K]`",
      ),
      'scores': _field(
        'float32', (None, None, None), 'their probabilities, `[B, M, K]`'
      ),
      'boxes': _ROIS,
    },
  ),
  'match': (
    {'caption': _field('string', _TEXTS, 'UTF-8 text, `[B]`')},
    {
      'score': _field(
        'float32',
        (None,),
        'probability that the caption describes the image, `[B]`',
      ),
      'boxes': _ROIS,
    },
  ),
  'embed': (
    {'text': _field('string', _TEXTS, 'UTF-8 text, `[B]`')},
    {
      'pieces': _PIECES,
      'text_vectors': _field(
        'float32',
        (None, None, None),
        'final states of the pieces, 0 in padding, `[B, T, D]`',
      ),
      'roi_vectors': _field(
        'float32',
        (None, None, None),
        'final states of the RoIs, 0 in padding, `[B, R, D]`',
      ),
      'pooled': _field(
        'float32', (None, None), 'final state of [CLS], `[B, D]`'
      ),
      'boxes': _ROIS,
    },
  ),
}


def signature(function: str, source: str, name: str) -> Signature:
  """The signature of a function on RoIs of a source.

  Args:
    function: `answer`, `attend`, `ground`, `choose`, `fill_mask`, `match` or
      `embed`.
    source: one of `SOURCES`.
    name: its key in the SavedModel.

  Returns:
    The signature; the image comes first, then texts, then what is known of
    the RoIs.
  """
  regions = dict(_REGION_INPUTS[source])
  image = {'image': regions.pop('image')} if 'image' in regions else {}
  texts, outputs = _FUNCTIONS[function]
  return Signature(
    name=name,
    inputs={**image, **texts, **regions},
    outputs={**outputs, STATUS: _STATUS},
  )


def name_on(function: str, source: str, rawest: str) -> str:
  """Key of a function in the SavedModel.

  Args:
    function: see `signature`.
    source: of its RoIs.
    rawest: the rawest source that the export has.

  Returns:
    The function's own name on the rawest source, else `FUNCTION_on_SOURCE`.
  """
  return function if source == rawest else f'{function}_on_{source}'


# The usual one: question answering on the boxes of the request.
VQA = signature('answer', BOXES, DEFAULT)

DETECT = Signature(
  name='detect',
  inputs={'image': _IMAGE},
  outputs={
    'boxes': _field(
      'float32',
      (None, None, 4),
      'RoIs (x1, y1, x2, y2) in pixels of the image as decoded, the most '
      'probable first, `[B, R, 4]`; rows of -1 are padding',
    ),
    'categories': _field(
      'int32',
      (None, None),
      'k for the k-th name of `categories`, 0 in padding, `[B, R]`',
    ),
    'scores': _field(
      'float32',
      (None, None),
      'probabilities of `categories`, 0 in padding, `[B, R]`',
    ),
    'top_categories': _field(
      'int32',
      (None, None, None),
      'likeliest of each RoI first, 0 is background, `[B, R, K]`',
    ),
    'top_probabilities': _field(
      'float32',
      (None, None, None),
      'how probable they are, 0 in padding, `[B, R, K]`',
    ),
    'appearance': _field(
      'float32',
      (None, None, None),
      'appearance of the RoIs, 0 in padding, `[B, R, A]`',
    ),
    'image_appearance': _field(
      'float32', (None, None), 'appearance of the whole image, `[B, A]`'
    ),
    'count': _field('int32', (None,), 'real RoIs of each image, `[B]`'),
    STATUS: _STATUS,
  },
)

CATEGORIES = Signature(
  name='categories',
  inputs={},
  outputs={
    'categories': _field('string', (None,), 'names of the categories, `[C]`'),
  },
)
