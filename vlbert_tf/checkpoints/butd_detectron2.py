"""Bottom-up attention's detector under the names of Detectron2.

Two layouts are in use. Detectron2's own has the background last and one
objectness for each anchor. Caffe's, kept by other ports, has the background
first, with a box of its own, and objectness as two classes; it predicts boxes
unscaled and counts anchors by shape before size.
"""

import numpy as np

from vlbert_tf.checkpoints import forms, resnet_tables
from vlbert_tf.checkpoints.bert_tables import linear
from vlbert_tf.checkpoints.conversion import Table
from vlbert_tf.checkpoints.forms import Form
from vlbert_tf.checkpoints.stored import Tensors
from vlbert_tf.checkpoints.tables import row
from vlbert_tf.vision.detector_architecture import DetectorArchitecture
from vlbert_tf.vision.fast_rcnn import DELTA_SCALES

_BACKBONE = 'backbone.'
_RPN = 'proposal_generator.rpn_head.'
_BOX = 'roi_heads.box_predictor.'
_RESNET = resnet_tables.Names(
  (f'{_BACKBONE}stem.conv1', f'{_BACKBONE}stem.conv1.norm'),
  {
    0: f'{_BACKBONE}res2.',
    1: f'{_BACKBONE}res3.',
    2: f'{_BACKBONE}res4.',
    3: 'roi_heads.res5.',
  },
  {f'conv{k}': f'conv{k}.norm' for k in (1, 2, 3)},
  ('shortcut', 'shortcut.norm'),
)
# Embedding of categories, then the two layers that attributes come from.
_ATTRIBUTES = (
  ('cls_embedding', 'fc_attr', 'attr_score'),
  ('cls_embed', 'attr_linear1', 'attr_linear2'),
)
# Square roots of areas, by the number of anchors a cell.
_ANCHOR_SIZES = {
  12: (64.0, 128.0, 256.0, 512.0),
  15: (32.0, 64.0, 128.0, 256.0, 512.0),
}
_ANCHOR_RATIOS = (0.5, 1.0, 2.0)

_IGNORED = {
  '*.num_batches_tracked': 'a counter of training',
  '*anchor_generator.cell_anchors.*': 'computed from sizes and shapes',
  'pixel_mean': 'the same for all images',
  'pixel_std': 'the same for all images',
}


def architecture(tensors: Tensors) -> DetectorArchitecture:
  """The detector that shapes tell.

  Args:
    tensors: of the file.

  Returns:
    The architecture.

  Raises:
    ValueError: it is no such detector.
  """
  needed = [f'{_RPN}conv.weight', f'{_RPN}anchor_deltas.weight']
  needed += [f'{_BOX}cls_score.weight', f'{_BOX}bbox_pred.weight']
  for name in needed:
    if name not in tensors:
      raise ValueError(
        'A detector of bottom-up attention must hold a proposal network and a '
        f'box predictor. Received: no {name}. Check --from.'
      )
  resnet = resnet_tables.architecture_of(
    tensors, _RESNET, dilated=True, pool_pads=False
  )
  anchors = tensors[f'{_RPN}anchor_deltas.weight'].shape[0] // 4
  if anchors not in _ANCHOR_SIZES:
    raise ValueError(
      f'A detector must have {" or ".join(map(str, _ANCHOR_SIZES))} anchors a '
      f'cell, of 3 shapes each. Received: {anchors}.'
    )
  names = _attribute_names(tensors)
  attributes = 0
  if names:
    attributes = tensors[f'{_BOX}{names[2]}.weight'].shape[0] - 1
  return DetectorArchitecture(
    resnet=resnet,
    num_categories=tensors[f'{_BOX}cls_score.weight'].shape[0] - 1,
    num_attributes=attributes,
    anchor_sizes=_ANCHOR_SIZES[anchors],
    anchor_ratios=_ANCHOR_RATIOS,
    # Caffe's anchors sit on the middle of the first 16 pixels, counted from 0
    # to 15.
    anchor_shift=7.5 / 16 if _is_caffe(tensors) else 0.0,
    rpn_width=tensors[f'{_RPN}conv.weight'].shape[0],
    proposals_before_nms=6000,
  )


def table(tensors: Tensors) -> Table:
  """The table for a file.

  Args:
    tensors: of the file.

  Returns:
    The table.
  """
  sizes = architecture(tensors)
  caffe = _is_caffe(tensors)
  classes = _BACKGROUND_FIRST if caffe else _BACKGROUND_LAST
  objectness, deltas = forms.CONVOLUTION, forms.CONVOLUTION
  biases = (forms.SAME, forms.SAME)
  boxes = (forms.TRANSPOSED, forms.SAME)
  if caffe:
    order = _by_size(len(sizes.anchor_sizes), len(sizes.anchor_ratios))
    objectness = _then(_two_classes(order), forms.CONVOLUTION)
    deltas = _then(_deltas_of(order), forms.CONVOLUTION)
    biases = (_two_classes(order), _deltas_of(order))
    boxes = (_then(_UNSCALED_BOXES, forms.TRANSPOSED), _UNSCALED_BOXES)
  rows = [
    *resnet_tables.rows(
      sizes.resnet, _RESNET, forms.BGR_CONVOLUTION, 'roi_features'
    ),
    row(
      f'{_RPN}conv.weight', 'proposal_network.shared.kernel', forms.CONVOLUTION
    ),
    row(f'{_RPN}conv.bias', 'proposal_network.shared.bias'),
    *_layer(f'{_RPN}objectness_logits', 'proposal_network.objectness',
            objectness, biases[0]),
    *_layer(f'{_RPN}anchor_deltas', 'proposal_network.deltas', deltas,
            biases[1]),
    *_layer(f'{_BOX}cls_score', 'roi_head.category',
            _then(classes, forms.TRANSPOSED), classes),
    *_layer(f'{_BOX}bbox_pred', 'roi_head.box', *boxes),
  ]  # fmt: skip
  names = _attribute_names(tensors)
  if names:
    rows += [
      row(
        f'{_BOX}{names[0]}.weight',
        'roi_head.category_embedding.embeddings',
        _then(_first_rows(sizes.num_categories + 1), classes),
      ),
      *linear(f'{_BOX}{names[1]}', 'roi_head.attribute_hidden'),
      *_layer(f'{_BOX}{names[2]}', 'roi_head.attribute',
              _then(classes, forms.TRANSPOSED), classes),
    ]  # fmt: skip
  return Table(tuple(rows), _IGNORED, ())


def _is_caffe(tensors: Tensors) -> bool:
  """Whether the background has a box of its own."""
  classes = tensors[f'{_BOX}cls_score.weight'].shape[0]
  return tensors[f'{_BOX}bbox_pred.weight'].shape[0] == 4 * classes


def _attribute_names(tensors: Tensors) -> tuple[str, str, str] | None:
  for names in _ATTRIBUTES:
    if f'{_BOX}{names[2]}.weight' in tensors:
      return names
  return None


def _layer(theirs: str, ours: str, kernel: Form, bias: Form):
  return (
    row(f'{theirs}.weight', f'{ours}.kernel', kernel),
    row(f'{theirs}.bias', f'{ours}.bias', bias),
  )


def _one_way(load) -> Form:
  """A form that is never saved: nothing is written in these layouts."""
  return Form(lambda x: (load(x),), lambda x: (x,))


def _then(first: Form, second: Form) -> Form:
  return Form(lambda x: second.load(*first.load(x)), second.save)


_BACKGROUND_FIRST = forms.SAME
_BACKGROUND_LAST = _one_way(lambda x: np.roll(x, 1, axis=0))


def _scaled_without_background(x: np.ndarray) -> np.ndarray:
  scales = np.tile(np.array(DELTA_SCALES, x.dtype), len(x) // 4 - 1)
  return x[4:] * scales.reshape([-1] + [1] * (x.ndim - 1))


_UNSCALED_BOXES = _one_way(_scaled_without_background)


def _by_size(sizes: int, shapes: int) -> np.ndarray:
  """Places of Caffe's anchors, all sizes of a shape together, in our order."""
  return np.arange(sizes * shapes).reshape(shapes, sizes).T.reshape(-1)


def _two_classes(order: np.ndarray) -> Form:
  """Objectness as the difference of two logits, all of background first."""
  return _one_way(lambda x: np.subtract(*np.split(x, 2)[::-1])[order])


def _deltas_of(order: np.ndarray) -> Form:
  return _one_way(
    lambda x: x.reshape(-1, 4, *x.shape[1:])[order].reshape(x.shape)
  )


def _first_rows(count: int) -> Form:
  return _one_way(lambda x: x[:count])
