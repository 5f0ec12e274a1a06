"""Pre-trained weights as they are exported: against the released code."""

import numpy as np
import pytest
import tensorflow as tf

from serving import candidates, publishing
from tests.checkpoints import golden, numpy_vl_bert
from tests.serving import golden_words
from vlbert_tf.checkpoints import sources
from vlbert_tf.tasks import trained


@pytest.fixture(scope='module')
def signatures(tmp_path_factory):
  """Those of the SavedModel of converted weights."""
  folder = tmp_path_factory.mktemp('weights')
  path = golden.write_model(
    folder / 'released.model', golden.state_dict('pretrain_tiny')
  )
  output = str(folder / 'ours')
  options = sources.Options(num_heads=4)
  sources.convert('official_vlbert', path, output, options)
  request = trained.Request(
    path=output,
    vocab_file=golden_words.write(folder)['vocab_file'],
    text_buckets=(14,),
    roi_buckets=(8,),
  )
  published = publishing.publish(
    candidates.make(request, [3]), str(folder / 'export')
  )
  loaded = tf.saved_model.load(published)
  return loaded, loaded.signatures


@pytest.fixture(scope='module')
def shown():
  """The stored inputs without masked RoIs, which no request can ask for."""
  arrays = golden.arrays('pretrain_tiny', 'inputs')
  return {**arrays, 'roi_masked': np.zeros_like(arrays['roi_masked'])}


def _released(shown):
  """What the released model says of them, by a reference in NumPy.

  The reference is held against the stored vectors, masked RoIs and all, in
  `tests/checkpoints/test_released_tasks.py`.

  Returns:
    Logits of the relationship and of the masked words.
  """
  model = numpy_vl_bert.VlBert(golden.state_dict('pretrain_tiny'))
  related, words = zip(
    *map(model.pretrain, numpy_vl_bert.examples(shown)), strict=True
  )
  return np.stack(related), np.concatenate(words)


def _request(shown, name):
  # A request holds neither [CLS] nor [SEP].
  texts = golden_words.texts(shown['text_ids'][:, 1:], shown['text_len'] - 2)
  return {
    name: tf.constant(texts),
    **{
      key: tf.constant(value)
      for key, value in golden_words.regions(shown).items()
    },
  }


def _softmax(logits):
  e = np.exp(logits - logits.max(axis=-1, keepdims=True))
  return e / e.sum(axis=-1, keepdims=True)


def test_masked_words_are_named_as_released(signatures, shown):
  released = _released(shown)
  found = signatures[1]['fill_mask'](**_request(shown, 'text'))

  probabilities = _softmax(released[1])  # one masked word in each text
  best = np.argsort(-probabilities, axis=-1)[:, :5]
  assert found['words'].numpy()[:, 0].tolist() == [
    [golden_words.WORDS[k].encode() for k in row] for row in best
  ]
  np.testing.assert_allclose(
    found['scores'][:, 0],
    np.take_along_axis(probabilities, best, axis=-1),
    # Logits within 1e-4: among 2,000 words probabilities are small.
    rtol=1e-4,
  )


def test_captions_match_as_released(signatures, shown):
  # A caption is words alone: in it, "[MASK]" is no special word.
  mask, word = golden_words.WORDS.index('[MASK]'), 500
  ids = shown['text_ids']
  shown = {**shown, 'text_ids': np.where(ids == mask, word, ids)}
  released = _released(shown)
  found = signatures[1]['match'](**_request(shown, 'caption'))

  np.testing.assert_allclose(
    found['score'], _softmax(released[0])[:, 1], atol=1e-4
  )
