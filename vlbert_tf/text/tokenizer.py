"""WordPiece in graph: the same ops in tf.data and inside a SavedModel."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

PAD, UNKNOWN, CLS, SEP, MASK = '[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'


class WordPieceTokenizer:
  """Splits text into the word pieces of a vocabulary, as BERT's uncased does.

  Attributes:
    vocab_size: V.
    pad_id, cls_id, sep_id, mask_id: ids of the special words.
    goes_on: bool `[V]`, True for pieces that go on a word ('##ing').
  """

  def __init__(self, vocabulary: Sequence[str]):
    """Builds the tokenizer; the vocabulary becomes part of its graph.

    Args:
      vocabulary: word pieces, id = place; see `vocabulary.read_vocabulary`.
    """
    self.vocab_size = len(vocabulary)
    ids = {word: i for i, word in enumerate(vocabulary)}
    self.pad_id, self.cls_id = ids[PAD], ids[CLS]
    self.sep_id, self.mask_id = ids[SEP], ids[MASK]
    self.goes_on = np.array([word.startswith('##') for word in vocabulary])
    self._tokenizer = tf_text.FastBertTokenizer(
      vocab=list(vocabulary),
      token_out_type=tf.int32,
      unknown_token=UNKNOWN,
      lower_case_nfd_strip_accents=True,
    )

  def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
    """Tokenizes.

    Args:
      texts: string `[B]`, UTF-8. A literal "[MASK]" is split like any text:
        special words enter by id only.

    Returns:
      int32 `[B, (n)]`.
    """
    return self._tokenizer.tokenize(texts)
