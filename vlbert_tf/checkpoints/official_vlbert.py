"""The authors' .model files: names, and sizes told by shapes."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from vlbert_tf.checkpoints import bert_tables, forms, models, resnet_tables
from vlbert_tf.checkpoints.bert_tables import linear, norm
from vlbert_tf.checkpoints.conversion import Table
from vlbert_tf.checkpoints.stored import StoredTensor, Tensors
from vlbert_tf.checkpoints.tables import Row, count, expand, row
from vlbert_tf.modeling import arithmetic
from vlbert_tf.modeling.config import Architecture

_IMAGE = 'image_feature_extractor.'
_STEM = f'{_IMAGE}backbone.'
_RESNET = resnet_tables.pytorch_names(
  _STEM,
  {
    0: f'{_STEM}layer1.',
    1: f'{_STEM}layer2.',
    2: f'{_STEM}layer3.',
    3: f'{_IMAGE}head.0.',
  },
)
# The same tensors under two names; the second one counts when both are there.
_ALIASES = {
  f'{_IMAGE}roi_head_feature_extractor.': f'{_IMAGE}head.0.',
  'vlbert.mlm_head.predictions.decoder.weight': 'vlbert.word_embeddings.weight',
}
# Left by data-parallel training, and by VCR's module for several candidates.
_PREFIXES = (('module.', ''), ('vlbert._module.', 'vlbert.'))

_EMBEDDING = bert_tables.EMBEDDING
_VISUAL = 'backbone.visual_embedding'
_EMBEDDINGS = (
  row('vlbert.word_embeddings.weight', f'{_EMBEDDING}.words'),
  row('vlbert.end_embedding.weight', f'{_EMBEDDING}.end_token'),
  row('vlbert.position_embeddings.weight', f'{_EMBEDDING}.positions'),
  row('vlbert.token_type_embeddings.weight', f'{_EMBEDDING}.segments'),
  row('object_linguistic_embeddings.weight', f'{_EMBEDDING}.image_token'),
  row('object_mask_word_embedding.weight', f'{_EMBEDDING}.hidden_image_token'),
  row(
    'object_mask_visual_embedding.weight',
    f'{_VISUAL}.hidden_appearance',
    forms.ROW,
  ),
  *norm('vlbert.embedding_LayerNorm', f'{_EMBEDDING}.norm'),
  *norm('vlbert.visual_ln_text', f'{_VISUAL}.word_norm'),
  *norm('vlbert.visual_ln_object', f'{_VISUAL}.roi_norm'),
  *linear(f'{_IMAGE}obj_downsample.1', f'{_VISUAL}.projection'),
)

_HEADS = {
  models.PRETRAIN: (
    *linear('vlbert.pooler.dense', 'relationship.pooler'),
    *linear(
      # Spelt so in the files.
      'vlbert.relationsip_head.caption_image_relationship',
      'relationship.logit',
    ),
    *expand(bert_tables.MASKED_WORDS, prefix='vlbert.mlm_head.'),
    *linear('vlbert.mvrc_head.transform.dense', 'roi_category.transform'),
    *linear('vlbert.mvrc_head.region_cls_pred', 'roi_category.logits'),
  ),
  models.REFCOCO: (
    *linear('final_mlp.0.dense', 'roi_score.transform'),
    *linear('final_mlp.2', 'roi_score.logit'),
  ),
}

# Of VQA's and VCR's classifier, by its kind.
_CLASSIFIERS = {
  'one_layer': (*linear('final_mlp.1', '{head}.logits'),),
  'two_layers': (
    *linear('final_mlp.1', '{head}.transform'),
    *linear('final_mlp.4', '{head}.logits'),
  ),
  'transform': (
    *linear('final_mlp.0.dense', '{head}.transform'),
    *norm('final_mlp.0.LayerNorm', '{head}.norm'),
    *linear('final_mlp.2', '{head}.logits'),
  ),
}

_UNUSED_LOSS = 'a loss of training that predictions do not need'
IGNORED = {
  '*.num_batches_tracked': 'a counter of training',
  f'{_IMAGE}roi_head_feature_extractor.*': 'a second name of head.0',
  'vlbert.mlm_head.predictions.decoder.weight': 'tied to the word embeddings',
  'vlbert.pooler.*': 'not used by the heads of this task',
  'aux_text_visual_embedding.weight': 'for text without images',
  'cnn_loss_reg.*': _UNUSED_LOSS,
  f'{_IMAGE}regularizing_predictor.*': _UNUSED_LOSS,
}

# Fine-tuned files have no masked RoIs; released ones no relationship head.
# Categories of visible RoIs are a head of ours.
MAY_BE_NEW = (
  f'{_EMBEDDING}.hidden_image_token',
  f'{_VISUAL}.hidden_appearance',
  'relationship.*',
  'masked_word.*',
  'roi_category.*',
  'visible_roi.*',
)


@dataclasses.dataclass(frozen=True)
class Contents:
  """What a file holds, told by names and shapes.

  Attributes:
    tensors: under regular names.
    task: one of `models.TASKS`.
    architecture: of the encoder.
    num_answers: K, 0 without an answer classifier.
  """

  tensors: Tensors
  task: str
  architecture: Architecture
  num_answers: int


def inspect(tensors: Tensors, num_heads: int = 0) -> Contents:
  """Regular names, task and sizes of a file.

  Args:
    tensors: of the file.
    num_heads: attention heads, which no shape tells; 0 for those of BERT's
      sizes.

  Returns:
    The contents.

  Raises:
    ValueError: a name that every such file has is missing, or the number of
      heads does not divide the hidden size.
  """
  tensors = _regular(tensors)
  for name in (f'{_IMAGE}obj_downsample.1.weight', _EMBEDDINGS[0].sources[0]):
    if name not in tensors:
      raise ValueError(
        "A .model file of VL-BERT's authors must hold an image feature "
        f'projection and word embeddings. Received: no {name}. Check --from.'
      )
  task = _task(tensors)
  last = _last_layer(tensors)
  return Contents(
    tensors=tensors,
    task=task,
    architecture=_architecture(tensors, num_heads),
    num_answers=tensors[last].shape[0] if task == models.VQA else 0,
  )


def table(contents_task: str, architecture: Architecture) -> Table:
  """The table for a task and sizes.

  Args:
    contents_task: one of `models.TASKS`.
    architecture: of the encoder.

  Returns:
    The table.
  """
  return Table(tuple(_rows(contents_task, architecture)), IGNORED, MAY_BE_NEW)


def _rows(task: str, architecture: Architecture) -> Iterator[Row]:
  yield from _EMBEDDINGS
  for layer in range(architecture.num_layers):
    yield from expand(bert_tables.ENCODER_LAYER, prefix='vlbert.', layer=layer)
  if architecture.resnet is not None:
    yield from resnet_tables.rows(architecture.resnet, _RESNET)
  classifier = _CLASSIFIERS[architecture.arithmetic.classifier]
  if task == models.VQA:
    yield from expand(classifier, head='answer')
  elif task == models.VCR:
    yield from linear('vlbert.pooler.dense', 'candidate.pooler')
    yield from expand(classifier, head='candidate')
  else:
    yield from _HEADS[task]


def with_aliases(arrays: dict[str, np.ndarray], task: str) -> dict:
  """Arrays under all names that the authors' code looks for.

  Args:
    arrays: under regular names.
    task: one of `models.TASKS`.

  Returns:
    Arrays by name.
  """
  named = dict(arrays)
  for alias, original in _ALIASES.items():
    if alias.endswith('.weight') and task != models.PRETRAIN:
      continue
    for name, array in arrays.items():
      if name.startswith(original):
        named[alias + name[len(original) :]] = array
  if task == models.VCR:
    prefix = _PREFIXES[1]
    named = {
      name.replace(prefix[1], prefix[0], 1)
      if name.startswith(prefix[1])
      else name: array
      for name, array in named.items()
    }
  return named


def _regular(tensors: Tensors) -> dict[str, StoredTensor]:
  regular = {}
  for name, tensor in tensors.items():
    for prefix, replacement in _PREFIXES:
      if name.startswith(prefix):
        name = replacement + name[len(prefix) :]
    regular[name] = tensor
  alias, original = next(iter(_ALIASES.items()))
  if not count(regular, original):
    regular = {
      name.replace(alias, original, 1): tensor
      for name, tensor in regular.items()
    }
  return regular


def _task(tensors: Tensors) -> str:
  if any(
    n.startswith(('vlbert.mlm_head', 'vlbert.mvrc_head')) for n in tensors
  ):
    return models.PRETRAIN
  last = _last_layer(tensors)
  if last is None:
    return models.PRETRAIN
  if tensors[last].shape[0] > 1:
    return models.VQA
  return models.REFCOCO if 'final_mlp.0.dense.weight' in tensors else models.VCR


def _last_layer(tensors: Tensors) -> str | None:
  """Name of the classifier's last kernel."""
  return max(
    (n for n in tensors if n.startswith('final_mlp.') and n.endswith('.weight')
     and '.dense.' not in n and '.LayerNorm.' not in n),
    default=None,
  )  # fmt: skip


def _classifier(tensors: Tensors) -> tuple[str, int]:
  """Kind and inner size."""
  if 'final_mlp.4.weight' in tensors:
    return 'two_layers', tensors['final_mlp.1.weight'].shape[0]
  if 'final_mlp.1.weight' in tensors:
    return 'one_layer', 0
  if 'final_mlp.0.LayerNorm.weight' in tensors:
    return 'transform', 0
  return arithmetic.OFFICIAL.classifier, 0


def _architecture(tensors: Tensors, num_heads: int) -> Architecture:
  def shape(name):
    return tensors[name].shape

  vocab_size, hidden_size = shape('vlbert.word_embeddings.weight')
  geometry_size = 2048
  appearance_size = shape(f'{_IMAGE}obj_downsample.1.weight')[1] - geometry_size
  resnet = None
  if f'{_STEM}conv1.weight' in tensors:
    resnet = resnet_tables.architecture_of(tensors, _RESNET, dilated=True)
  classifier, classifier_size = _classifier(tensors)
  inner = 'vlbert.encoder.layer.0.intermediate.dense.weight'
  categories = tensors.get('vlbert.mvrc_head.region_cls_pred.weight')
  return Architecture(
    hidden_size=hidden_size,
    num_layers=count(tensors, 'vlbert.encoder.layer.'),
    num_heads=bert_tables.heads_of(hidden_size, num_heads),
    feed_forward_size=shape(inner)[0],
    max_positions=shape('vlbert.position_embeddings.weight')[0],
    geometry_size=geometry_size,
    initial_deviation=0.02,
    embedding_deviation=0.02,
    resnet=resnet,
    vocab_size=vocab_size,
    num_categories=categories.shape[0] - 1 if categories else 1600,
    dropout_rate=0.1,
    compile_attention=False,
    arithmetic=dataclasses.replace(
      arithmetic.OFFICIAL, classifier=classifier
    ),
    precomputed_appearance_size=appearance_size,
    classifier_size=classifier_size,
  )  # fmt: skip
