"""Detectors and image classifiers of other libraries, against plain NumPy."""

import dataclasses
import pickle

import numpy as np
import pytest
import tensorflow as tf

from tests.checkpoints import numpy_network
from vlbert_tf.checkpoints import (
  folder,
  native,
  sources,
  torch_files,
  visual_models,
)
from vlbert_tf.tasks import saved
from vlbert_tf.vision import image as images
from vlbert_tf.vision import resnet

RNG = np.random.default_rng(3)
WIDTHS, DEPTHS = (4, 5, 6, 7), (2, 1, 2, 2)
CLASSES, ATTRIBUTES, RPN = 3, 4, 9
APPEARANCE = 2 * WIDTHS[3]
RPN_HEAD = 'proposal_generator.rpn_head'
DETECTRON = {
  0: 'backbone.res2.', 1: 'backbone.res3.', 2: 'backbone.res4.',
  3: 'roi_heads.res5.',
}  # fmt: skip
TORCHVISION = {stage: f'layer{stage + 1}.' for stage in range(4)}
BOXES = np.array([[0, 0, 90, 70], [3, 4, 60, 50], [40, 10, 90, 70]], np.float32)
IMAGE = RNG.uniform(0, 255, [70, 90, 3]).astype(np.float32)
CAFFE_MEANS = np.array([102.9801, 115.9465, 122.7717])


def _detector(caffe):
  """Weights of a narrow detector; `caffe`: see `butd_detectron2`."""
  weights = numpy_network.random_resnet(
    RNG, 'backbone.stem.conv1', DETECTRON, WIDTHS, DEPTHS, detectron=True
  )

  def layer(name, out, *into):
    weights[f'{name}.weight'] = RNG.normal(0, 0.3, [out, *into]).astype('f4')
    weights[f'{name}.bias'] = RNG.normal(0, 0.3, [out]).astype('f4')

  anchors = 12 if caffe else 15
  rpn, box = 'proposal_generator.rpn_head.', 'roi_heads.box_predictor.'
  layer(f'{rpn}conv', RPN, 2 * WIDTHS[2], 3, 3)
  layer(f'{rpn}objectness_logits', (2 if caffe else 1) * anchors, RPN, 1, 1)
  layer(f'{rpn}anchor_deltas', 4 * anchors, RPN, 1, 1)
  layer(f'{box}cls_score', CLASSES + 1, APPEARANCE)
  layer(f'{box}bbox_pred', 4 * (CLASSES + caffe), APPEARANCE)
  names = ('cls_embedding', 'fc_attr', 'attr_score')
  if caffe:
    names = ('cls_embed', 'attr_linear1', 'attr_linear2')
  rows = CLASSES + 1 + caffe
  embedding = RNG.normal(0, 1, [rows, 256]).astype('f4')
  weights[f'{box}{names[0]}.weight'] = embedding
  layer(f'{box}{names[1]}', 512, APPEARANCE + 256)
  layer(f'{box}{names[2]}', ATTRIBUTES + 1, 512)
  return weights, names


def _pickled(path, weights):
  content = {'model': weights, '__author__': 'nobody'}
  path.write_bytes(pickle.dumps(content, protocol=2))
  return str(path)


def _ours(path, output):
  sources.convert('butd_detectron2', path, output, sources.Options())
  model, report = folder.read(output)
  size = tf.constant([[70.0, 90.0]])
  pixels = images.subtract_means(tf.constant(IMAGE[None]), size)
  features = model.roi_features.feature_map(pixels, size)
  anchors = model.proposal_network(features, size)
  appearance = model.roi_features.appearance(features, tf.constant(BOXES[None]))
  return model, report, anchors, appearance


def _reference(weights):
  """C4 map, hidden map of the proposal network, and appearance."""
  net = numpy_network.ResNet(
    weights, 'backbone.stem.conv1', DETECTRON, detectron=True
  )
  bgr = IMAGE[..., ::-1].astype(np.float64) - CAFFE_MEANS
  features = net.c4(bgr.transpose(2, 0, 1))
  rpn = 'proposal_generator.rpn_head.conv'
  hidden = numpy_network.convolution(
    features, weights[f'{rpn}.weight'], pad=1
  ) + weights[f'{rpn}.bias'].reshape(-1, 1, 1)
  return np.maximum(hidden, 0), net.appearance(features, BOXES)


def _same(ours, theirs):
  """Equal but for float32, in relation to the largest."""
  ours = np.asarray(ours)
  assert ours.shape == theirs.shape
  assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()


def _linear(weights, name, x):
  return (
    x @ weights[f'{name}.weight'].reshape(len(weights[f'{name}.weight']), -1).T
    + weights[f'{name}.bias']
  )


@pytest.mark.parametrize('caffe', [False, True])
def test_a_detector_says_what_it_says_elsewhere(tmp_path, caffe):
  weights, names = _detector(caffe)
  if caffe:
    path = str(tmp_path / 'bua.pth')
    torch_files.write(path, weights)
  else:
    path = _pickled(tmp_path / 'detector.pkl', weights)

  model, report, anchors, appearance = _ours(path, str(tmp_path / 'ours'))

  assert not report.new
  assert not report.ignored
  hidden, expected = _reference(weights)
  _same(appearance[0], expected)
  rpn, box = 'proposal_generator.rpn_head.', 'roi_heads.box_predictor.'
  cells = hidden.reshape(RPN, -1).T
  objectness = _linear(weights, f'{rpn}objectness_logits', cells)
  deltas = _linear(weights, f'{rpn}anchor_deltas', cells)
  count = deltas.shape[1] // 4
  deltas = deltas.reshape(len(cells), count, 4)
  if caffe:
    # Logits of all anchors for background, then for objects; an anchor's
    # place is 4 * shape + size there, 3 * size + shape here.
    objectness = objectness[:, count:] - objectness[:, :count]
    order = [4 * shape + size for size in range(4) for shape in range(3)]
    objectness, deltas = objectness[:, order], deltas[:, order]
  _same(anchors.logits[0], objectness.reshape(-1))
  _same(anchors.deltas[0], deltas.reshape(-1, 4))
  scores = _linear(weights, f'{box}cls_score', expected)
  boxes = _linear(weights, f'{box}bbox_pred', expected)
  head = model.roi_head(appearance)
  if caffe:
    # Background is first and has a box; boxes are unscaled.
    boxes = boxes[:, 4:].reshape(3, CLASSES, 4) * [10, 10, 5, 5]
  else:
    scores = np.roll(scores, 1, axis=1)
    boxes = boxes.reshape(3, CLASSES, 4)
  _same(head.category_logits[0], scores)
  _same(head.deltas[0], boxes)
  # Of categories 1, 3 and background, whose rows theirs count otherwise.
  ours, theirs = [1, 3, 0], [1, 3, 0] if caffe else [0, 2, 3]
  embedded = weights[f'{box}{names[0]}.weight'][theirs]
  joined = np.concatenate([expected, embedded], axis=1)
  inner = np.maximum(_linear(weights, f'{box}{names[1]}', joined), 0)
  attributes = _linear(weights, f'{box}{names[2]}', inner)
  if not caffe:
    attributes = np.roll(attributes, 1, axis=1)
  logits = model.roi_head.attributes(appearance, tf.constant([ours]))
  _same(logits[0], attributes)


def test_anchors_sit_where_the_detector_was_trained_with_them(tmp_path):
  weights, _ = _detector(False)
  path = _pickled(tmp_path / 'detector.pkl', weights)

  _, _, anchors, _ = _ours(path, str(tmp_path / 'ours'))

  # 15 of them around the first pixel; the 2nd is square, 32 pixels a side.
  np.testing.assert_allclose(anchors.anchors[1], [-16, -16, 16, 16])
  # The next cell to the right is 16 pixels on.
  np.testing.assert_allclose(anchors.anchors[16], [0, -16, 32, 16])


def test_a_converted_detector_can_be_exported_and_started_from(tmp_path):
  weights, _ = _detector(False)
  path = _pickled(tmp_path / 'detector.pkl', weights)
  (tmp_path / 'objects_vocab.txt').write_text('hat,cap\ndog\ncat\n')
  (tmp_path / 'attributes_vocab.txt').write_text('a\nb\nc\nd\n')
  output = str(tmp_path / 'ours')

  sources.convert('butd_detectron2', path, output, sources.Options())

  task = saved.load_task(output)
  assert task.categories() == ('hat', 'dog', 'cat')
  assert task.attributes() == ('a', 'b', 'c', 'd')
  converted = folder.read(output)[0]
  settings = task.architecture()
  assert settings.anchor_shift == converted.architecture.anchor_shift
  assert settings.resnet.dilation == 2
  assert not settings.resnet.pool_pads
  network = resnet.RoiFeatures(converted.architecture.resnet)
  network(
    tf.zeros([1, 64, 64, 3]), tf.constant([[64.0, 64.0]]), tf.zeros([1, 1, 4])
  )
  native.restore_visual_network(network, output)
  for ours, theirs in zip(
    network.weights, converted.roi_features.weights, strict=True
  ):
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize('kind', ['npz', 'pth'])
def test_a_classifier_of_torchvision_is_the_same_inside_an_image(
  tmp_path, kind
):
  weights = numpy_network.random_resnet(
    RNG, 'conv1', TORCHVISION, WIDTHS, DEPTHS
  )
  weights['fc.weight'] = np.zeros([1000, APPEARANCE], np.float32)
  weights['fc.bias'] = np.zeros([1000], np.float32)
  weights['bn1.num_batches_tracked'] = np.array(7, np.int64)
  path = str(tmp_path / f'resnet.{kind}')
  if kind == 'npz':
    np.savez_compressed(path, **weights)
  else:
    torch_files.write(path, weights)

  report = sources.convert(
    'torchvision_resnet', path, str(tmp_path / 'ours'), sources.Options()
  )

  assert set(report.ignored) == {
    'fc.weight', 'fc.bias', 'bn1.num_batches_tracked',
  }  # fmt: skip
  model = folder.read(str(tmp_path / 'ours'))[0]
  assert isinstance(model, visual_models.VisualNetwork)
  # An image of one color beyond the border too: zeros there are other colors.
  size = tf.constant([[70.0, 90.0]])
  pixels = images.subtract_means(tf.constant(IMAGE[None]), size)
  ours = model.roi_features.feature_map(pixels, size)[0]
  net = numpy_network.ResNet(
    weights, 'conv1', TORCHVISION, stride_in_3x3=True, dilated=False
  )
  colors = IMAGE.astype(np.float64) / 255 - [0.485, 0.456, 0.406]
  colors = (colors / [0.229, 0.224, 0.225]).transpose(2, 0, 1)
  theirs = net.c4(colors).transpose(1, 2, 0)
  assert np.abs(ours - theirs).max() < 0.05 * theirs.std()
  stem = np.maximum(net._conv(colors, 'conv1', 2, 3), 0).transpose(1, 2, 0)
  _same(model.roi_features.stem(pixels)[0, 2:-2, 2:-2], stem[2:-2, 2:-2])
  features = RNG.normal(size=[2 * WIDTHS[2], 9, 11])
  appearance = model.roi_features.appearance(
    tf.constant(features.transpose(1, 2, 0)[None], tf.float32),
    tf.constant(BOXES[None]),
  )
  _same(appearance[0], net.appearance(features, BOXES))


def test_weights_made_for_another_network_are_told(tmp_path, caplog):
  weights = numpy_network.random_resnet(
    RNG, 'conv1', TORCHVISION, WIDTHS, DEPTHS
  )
  np.savez(str(tmp_path / 'resnet.npz'), **weights)
  output = str(tmp_path / 'ours')
  sources.convert(
    'torchvision_resnet', str(tmp_path / 'resnet.npz'), output,
    sources.Options(),
  )  # fmt: skip
  made_for = folder.read(output)[0].architecture
  other = visual_models.VisualNetwork(
    dataclasses.replace(made_for, stride_in_3x3=False)
  )

  native.restore_visual_network(other.roi_features, output)

  assert 'was made for stride_in_3x3 True, this one has False' in caplog.text


def test_what_is_no_such_detector_is_refused(tmp_path):
  weights, _ = _detector(False)
  for change, message in (
    ({'roi_heads.box_predictor.cls_score.weight': None}, 'no roi_heads.box'),
    ({'backbone.res4.0.conv3.weight': None}, 'no backbone.res4.0.conv3'),
    ({'roi_heads.other.weight': np.zeros(3)}, 'roi_heads.other.weight'),
    (
      {'roi_heads.box_predictor.bbox_pred.bias': np.zeros(3, 'f4')},
      r'bbox_pred.bias \[3\], for roi_head.box.bias \[12\]',
    ),
    (
      {
        'proposal_generator.rpn_head.anchor_deltas.weight': np.zeros(
          [36, 9, 1, 1]
        )
      },
      'must have 12 or 15 anchors',
    ),
  ):
    changed = {k: v for k, v in {**weights, **change}.items() if v is not None}
    path = _pickled(tmp_path / 'detector.pkl', changed)

    with pytest.raises(ValueError, match=message):
      sources.convert(
        'butd_detectron2', path, str(tmp_path / 'ours'), sources.Options()
      )
  assert not (tmp_path / 'ours').exists()
  (tmp_path / 'objects_vocab.txt').write_text('hat\ndog\n')
  path = _pickled(tmp_path / 'detector.pkl', weights)
  with pytest.raises(ValueError, match='a line for each of the 3'):
    sources.convert(
      'butd_detectron2', path, str(tmp_path / 'ours'), sources.Options()
    )
