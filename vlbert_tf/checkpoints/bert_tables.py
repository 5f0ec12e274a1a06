"""BERT's encoder under the names of other libraries."""

from vlbert_tf.checkpoints import forms
from vlbert_tf.checkpoints.conversion import Table
from vlbert_tf.checkpoints.stored import StoredTensor, Tensors
from vlbert_tf.checkpoints.tables import Row, count, expand, row

EMBEDDING = 'backbone.element_embedding'
_LAYER = '{prefix}encoder.layer.{layer}.'
_OURS = 'backbone.encoder.encoder_layers.{layer}.'
_WORDS = 'masked_word.masked_words'


def linear(theirs: str, ours: str) -> tuple[Row, Row]:
  """Rows of PyTorch's Linear."""
  return (
    row(f'{theirs}.weight', f'{ours}.kernel', forms.TRANSPOSED),
    row(f'{theirs}.bias', f'{ours}.bias'),
  )


def norm(theirs: str, ours: str) -> tuple[Row, Row]:
  """Rows of PyTorch's LayerNorm."""
  return (
    row(f'{theirs}.weight', f'{ours}.gamma'),
    row(f'{theirs}.bias', f'{ours}.beta'),
  )


def _attention_rows(layer: str, kernel: str, form: forms.Form):
  parts = [
    f'{layer}attention.self.{part}' for part in ('query', 'key', 'value')
  ]
  return (
    row(
      ' '.join(f'{part}.{kernel}' for part in parts),
      f'{_OURS}attention.query_key_value.kernel',
      form,
    ),
    row(
      ' '.join(f'{part}.bias' for part in parts),
      f'{_OURS}attention.query_key_value.bias',
      forms.QKV_BIAS,
    ),
  )


# Of PyTorch's BERT and what descends from it.
ENCODER_LAYER = (
  *_attention_rows(_LAYER, 'weight', forms.QKV_KERNEL),
  *linear(f'{_LAYER}attention.output.dense', f'{_OURS}attention.output_dense'),
  *norm(f'{_LAYER}attention.output.LayerNorm', f'{_OURS}attention_norm'),
  *linear(f'{_LAYER}intermediate.dense', f'{_OURS}inner'),
  *linear(f'{_LAYER}output.dense', f'{_OURS}outer'),
  *norm(f'{_LAYER}output.LayerNorm', f'{_OURS}output_norm'),
)
MASKED_WORDS = (
  row('{prefix}predictions.bias', f'{_WORDS}.output_bias/bias'),
  *linear('{prefix}predictions.transform.dense', f'{_WORDS}.dense'),
  *norm('{prefix}predictions.transform.LayerNorm', f'{_WORDS}.layer_norm'),
)
_EMBEDDINGS = (
  row('embeddings.word_embeddings.weight', f'{EMBEDDING}.words'),
  row('embeddings.position_embeddings.weight', f'{EMBEDDING}.positions'),
  # Two sentences; the third segment, of RoIs, is new.
  row(
    'embeddings.token_type_embeddings.weight',
    f'{EMBEDDING}.segments',
    forms.FIRST_ROWS,
  ),
  *norm('embeddings.LayerNorm', f'{EMBEDDING}.norm'),
)

_IGNORED = {
  'embeddings.position_ids': 'counts up from zero',
  'cls.predictions.decoder.*': 'tied to the word embeddings',
  'cls.seq_relationship.*': 'whether sentences follow each other',
  'pooler.*': 'serves the prediction that sentences follow each other',
}
_MAY_BE_NEW = (
  'backbone.visual_embedding.*',
  'backbone.roi_features.*',
  f'{EMBEDDING}.*_token',
  'relationship.*',
  'masked_word.*',
  'roi_category.*',
  'visible_roi.*',
)


def regular_names(tensors: Tensors) -> dict[str, StoredTensor]:
  """Names of PyTorch's BERT without `bert.`, with `weight` for `gamma`.

  Args:
    tensors: as Hugging Face stores them.

  Returns:
    Tensors by regular names.
  """
  regular = {}
  for name, tensor in tensors.items():
    name = name.removeprefix('bert.')
    name = name.replace('LayerNorm.gamma', 'LayerNorm.weight')
    regular[name.replace('LayerNorm.beta', 'LayerNorm.bias')] = tensor
  return regular


def pytorch_names(tensors: Tensors) -> dict[str, StoredTensor]:
  """Names and orders of PyTorch for a checkpoint of Google's BERT.

  Args:
    tensors: by the names of the TensorFlow 1 checkpoint.

  Returns:
    The same, by regular names, kernels transposed.
  """
  regular = {}
  for name, tensor in tensors.items():
    theirs = (
      name.removeprefix('bert/').replace('/', '.').replace('layer_', 'layer.')
    )
    if theirs.endswith('_embeddings'):
      theirs += '.weight'
    if theirs == 'cls.predictions.output_bias':
      theirs = 'cls.predictions.bias'
    if theirs.endswith('.kernel'):
      theirs = theirs.removesuffix('kernel') + 'weight'
      tensor = StoredTensor(
        tensor.shape[::-1], lambda tensor=tensor: tensor.read().T
      )
    regular[theirs] = tensor
  regular = regular_names(regular)
  return {
    name: tensor
    for name, tensor in regular.items()
    if not name.endswith(('.adam_m', '.adam_v')) and name != 'global_step'
  }


def table(tensors: Tensors) -> Table:
  """The table for regular names.

  Args:
    tensors: by regular names.

  Returns:
    The table.
  """
  rows = [*_EMBEDDINGS, *expand(MASKED_WORDS, prefix='cls.')]
  for layer in range(count(tensors, 'encoder.layer.')):
    rows += expand(ENCODER_LAYER, prefix='', layer=layer)
  return Table(tuple(rows), _IGNORED, _MAY_BE_NEW)


def sizes(tensors: Tensors, num_heads: int = 0) -> dict[str, int]:
  """Fields of an `Architecture` that shapes tell.

  Args:
    tensors: by regular names.
    num_heads: as `heads_of`.

  Returns:
    Values by field.

  Raises:
    ValueError: it is no BERT.
  """
  words = 'embeddings.word_embeddings.weight'
  inner = 'encoder.layer.0.intermediate.dense.weight'
  for name in (words, inner, 'embeddings.position_embeddings.weight'):
    if name not in tensors:
      raise ValueError(
        'A checkpoint of BERT must hold word and position embeddings and a '
        f'first layer. Received: no {name}. Check --from.'
      )
  vocab_size, hidden_size = tensors[words].shape
  return {
    'vocab_size': vocab_size,
    'hidden_size': hidden_size,
    'num_layers': count(tensors, 'encoder.layer.'),
    'num_heads': heads_of(hidden_size, num_heads),
    'feed_forward_size': tensors[inner].shape[0],
    'max_positions': tensors['embeddings.position_embeddings.weight'].shape[0],
  }


def heads_of(hidden_size: int, num_heads: int = 0) -> int:
  """Attention heads: as given, or 64 wide as in BERT, but at least four.

  Args:
    hidden_size: D.
    num_heads: as given, or 0.

  Returns:
    The number.

  Raises:
    ValueError: it does not divide the hidden size.
  """
  num_heads = num_heads or max(4, hidden_size // 64)
  if hidden_size % num_heads:
    raise ValueError(
      f'The number of attention heads must divide the hidden size '
      f'{hidden_size}. Received: {num_heads}. Pass --num_heads.'
    )
  return num_heads
