"""Requests to get warm with: every shape, and each a good request."""

import io

import numpy as np
import pytest
from PIL import Image

from serving import signatures, warmup
from tests.serving import served
from vlbert_tf.data import batching
from vlbert_tf.text.tokenizer import WordPieceTokenizer

SHAPE = batching.BatchShape(
  text_buckets=(7, 9), roi_buckets=(2, 3), short_side=24, long_side=32
)


def _contracts(function, source):
  contract = signatures.signature(function, source, function)
  return {function: contract}


def test_every_batch_size_meets_every_bucket():
  calls = warmup.requests(_contracts('answer', signatures.BOXES), SHAPE, [1, 4])

  tokenizer = WordPieceTokenizer(served.WORDS)
  seen = set()
  for call in calls:
    sizes = {Image.open(io.BytesIO(data)).size for data in call.inputs['image']}
    words = tokenizer.tokenize(call.inputs['question'].tolist())
    # [CLS] question [SEP] [MASK] [SEP] fills the bucket.
    (length,) = set(words.row_lengths().numpy() + 4)
    batch, rois, _ = call.inputs['boxes'].shape
    seen.add((batch, int(length), rois, frozenset(sizes)))
  landscape, portrait = (32, 24), (24, 32)
  canvases = [{landscape}, {portrait}, {landscape, portrait}]
  assert seen == {
    (batch, text, rois, frozenset(canvas))
    for batch in (1, 4)
    for text in (7, 9)
    for rois in (2, 3)
    for canvas in canvases[: 2 if batch == 1 else 3]
  }
  assert len(calls) == len(seen)


@pytest.mark.parametrize('function', ['choose', 'fill_mask', 'embed'])
def test_texts_of_every_function_fill_their_bucket(function):
  calls = warmup.requests(
    _contracts(function, signatures.FEATURES), SHAPE, [1], 5
  )

  tokenizer = WordPieceTokenizer(served.WORDS)
  for call, length in zip(calls[::2], (7, 9), strict=True):
    inputs = call.inputs
    if function == 'choose':
      texts = [inputs['question'][0], inputs['candidates'][0, 3]]
    else:
      texts = [inputs['text'][0].replace('[MASK]', 'a')]
    pieces = sum(tokenizer.tokenize(texts).row_lengths().numpy())
    assert pieces + len(texts) + 1 == length
    assert inputs['appearance'].shape == (1, 2, 5)


def test_answers_are_predicted_once_for_equal_rows():
  calls = warmup.requests(_contracts('match', signatures.BOXES), SHAPE, [1, 4])
  asked = []

  def predict(name, inputs):
    asked.append(len(inputs['image']))
    return {'score': np.array([len(asked)], np.float32)}

  answered = warmup.with_answers(calls, predict)

  # Two lengths, two numbers of RoIs, two orientations.
  assert asked == [1] * 8
  for call in answered:
    rows, sides = len(call.inputs['image']), len({*call.inputs['image']})
    if sides == 2:
      assert call.expected == {}
    else:
      assert call.expected['score'].shape == (rows,)


def test_more_than_a_server_replays_is_refused():
  many = batching.BatchShape(
    text_buckets=tuple(range(5, 65)), roi_buckets=(1, 2, 3, 4),
    short_side=24, long_side=32,
  )  # fmt: skip

  with pytest.raises(ValueError, match=r'at most 1000.*Received: 1200'):
    warmup.requests(_contracts('embed', signatures.BOXES), many, [1, 2])
