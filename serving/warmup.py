"""Requests of every shape that a server will meet, for it to get warm."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from serving import signatures
from serving.calls import Arrays, Call
from vlbert_tf.data import batching
from vlbert_tf.text.tokenizer import MASK
from vlbert_tf.vision import image as images

# TensorFlow Serving reads no more of them.
MAX_REQUESTS = 1000

_SPECIAL_WORDS = {'question': 4, 'expression': 2, 'caption': 2, 'text': 2}
# One letter is one word piece of any vocabulary, itself or [UNK].
_WORD = 'a'

Predict = Callable[[str, Mapping[str, tf.Tensor]], Mapping[str, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class _Size:
  """What the requests of one shape have.

  Attributes:
    batch: B.
    text: elements of the text bucket.
    rois: of the RoI bucket.
    canvas: height and width of the images of each row in turn.
  """

  batch: int
  text: int
  rois: int
  canvas: tuple[tuple[int, int], ...]


def requests(
  contracts: Mapping[str, signatures.Signature],
  shape: batching.BatchShape,
  batch_sizes: Sequence[int],
  appearance_size: int = 0,
) -> list[Call]:
  """Calls of all signatures for every batch size and bucket.

  Args:
    contracts: by the key of the signature.
    shape: the buckets.
    batch_sizes: that the server merges requests into.
    appearance_size: A, where appearance is an input.

  Returns:
    Calls without what they must answer; in each, all rows are alike, but
    where images of both orientations make a square batch.

  Raises:
    ValueError: there would be more than a server reads.
  """
  calls = [
    Call(signature=name, inputs=_inputs(contract, size, appearance_size))
    for name, contract in contracts.items()
    if contract.inputs
    for size in _sizes(contract, shape, batch_sizes)
  ]
  if len(calls) > MAX_REQUESTS:
    raise ValueError(
      f'A server replays at most {MAX_REQUESTS} requests before it answers. '
      f'Received: {len(calls)}, for batches of {list(batch_sizes)} and '
      f'{len(shape.text_buckets)} lengths of texts and '
      f'{len(shape.roi_buckets)} numbers of RoIs. Pass fewer --batch_sizes or '
      'buckets.'
    )
  return calls


def with_answers(calls: Sequence[Call], predict: Predict) -> list[Call]:
  """Adds what the calls must answer.

  A batch of equal rows is predicted from one of them, so that a graph that
  mixed rows up would be found out.

  Args:
    calls: of `requests`.
    predict: outputs of a signature.

  Returns:
    The calls; those of mixed images are left without.
  """
  known: dict[tuple, Arrays] = {}
  answered = []
  for call in calls:
    first = {name: value[:1] for name, value in call.inputs.items()}
    rows = len(next(iter(call.inputs.values())))
    mixed = any(
      not np.array_equal(np.repeat(first[name], rows, axis=0), value)
      for name, value in call.inputs.items()
    )
    if mixed:
      answered.append(call)
      continue
    key = (call.signature, *(_contents(first[name]) for name in sorted(first)))
    if key not in known:
      outputs = predict(call.signature, _tensors(first))
      known[key] = {k: np.asarray(v) for k, v in outputs.items()}
    expected = {k: np.repeat(v, rows, axis=0) for k, v in known[key].items()}
    answered.append(dataclasses.replace(call, expected=expected))
  return answered


def _tensors(arrays: Arrays) -> dict[str, tf.Tensor]:
  return {name: tf.constant(value) for name, value in arrays.items()}


def _contents(array: np.ndarray) -> bytes:
  """The same for equal arrays; the bytes of one of texts are addresses."""
  if array.dtype == object:
    return repr(array.tolist()).encode()
  return array.tobytes()


def _sizes(
  contract: signatures.Signature,
  shape: batching.BatchShape,
  batch_sizes: Sequence[int],
) -> Iterator[_Size]:
  landscape, portrait, _ = images.canvas_sizes(
    shape.short_side, shape.long_side
  )
  has_text = set(contract.inputs) & {*_SPECIAL_WORDS, 'candidates'}
  for batch in batch_sizes:
    canvases = [()]
    if 'image' in contract.inputs:
      canvases = [(landscape,), (portrait,)]
      if batch > 1:
        canvases.append((landscape, portrait))
    for text in shape.text_buckets if has_text else (0,):
      for rois in shape.roi_buckets if 'boxes' in contract.inputs else (0,):
        for canvas in canvases:
          yield _Size(batch, text, rois, canvas)


def _inputs(
  contract: signatures.Signature, size: _Size, appearance_size: int
) -> Arrays:
  height, width = size.canvas[0] if size.canvas else (600, 1000)
  boxes = _boxes(size.rois, min(height, width))
  question = max(1, (size.text - 3) // 2)
  rows = {
    'boxes': boxes,
    'outlines': [_corner(box) for box in boxes.tolist()],
    'image_size': np.array([height, width], np.float32),
    'appearance': _waves(size.rois, appearance_size),
    'image_appearance': _waves(1, appearance_size)[0],
    'question_tags': '',
    # Equal ones would be as probable whatever the model made of them.
    'candidates': [
      _words(size.text - 3 - question - shorter)
      for shorter in reversed(range(signatures.CANDIDATES))
    ],
    'candidate_tags': [''] * signatures.CANDIDATES,
  }
  for name, special in _SPECIAL_WORDS.items():
    rows[name] = _words(size.text - special)
  if 'candidates' in contract.inputs:
    rows['question'] = _words(question)
  if 'words' in contract.outputs:
    rows['text'] = ' '.join([MASK, *[_WORD] * (size.text - 3)])
  inputs = {}
  for name, field in contract.inputs.items():
    if name == 'image':
      pictures = [_picture(*canvas) for canvas in size.canvas]
      values = [pictures[k % len(pictures)] for k in range(size.batch)]
    else:
      values = [rows[name]] * size.batch
    kind = object if field.dtype == 'string' else field.dtype
    inputs[name] = np.array(values, kind)
  return inputs


def _words(count: int) -> str:
  return ' '.join([_WORD] * max(1, count))


def _boxes(count: int, side: int) -> np.ndarray:
  """Boxes of different places and sizes in a square of `side` pixels."""
  place = np.linspace(0.0, 0.5 * side, max(count, 1))[:count]
  extent = np.linspace(0.5 * side, 0.25 * side, max(count, 1))[:count]
  corners = np.stack([place, place[::-1]], axis=1)
  return np.concatenate([corners, corners + extent[:, None]], 1).astype('f4')


def _corner(box: Sequence[float]) -> str:
  """The outline of the upper left half of a box."""
  left, top, right, bottom = box
  return json.dumps([[[left, top], [right, top], [left, bottom]]])


def _waves(rows: int, columns: int) -> np.ndarray:
  """Numbers between -1 and 1, none of which repeats."""
  return np.sin(np.arange(1, rows * columns + 1.0)).reshape(rows, columns)


def _picture(height: int, width: int) -> bytes:
  """A JPEG of waves of three colors, without a line of symmetry."""
  y, x = np.mgrid[0:height, 0:width].astype(np.float32)
  phase = (x / 23 + y / 47, x / 61 - y / 31, x / 17 + y / 101)
  pixels = 127.5 + 127.5 * np.sin(np.stack(phase, axis=-1))
  return tf.io.encode_jpeg(pixels.astype(np.uint8)).numpy()
