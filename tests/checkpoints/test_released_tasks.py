"""Tasks and sizes beyond the stored vectors, against plain NumPy.

The reference is itself held against the stored vectors.
"""

import json

import numpy as np
import pytest

from tests.checkpoints import golden, numpy_network, numpy_vl_bert
from vlbert_tf import checkpoints
from vlbert_tf.checkpoints import sources, torch_files

WIDTHS, DEPTHS = (4, 5, 6, 7), (2, 1, 2, 2)
RNG = np.random.default_rng(11)
IMAGE_FEATURES = 'image_feature_extractor.obj_downsample.1.weight'


def test_the_reference_gives_the_numbers_of_the_released_code():
  for name, task, output in (
    ('vqa_tiny', 'vqa', 'answer_logits'),
    ('refcoco_tiny', 'refcoco', 'roi_logits'),
  ):
    model = numpy_vl_bert.VlBert(golden.state_dict(name))
    expected = golden.arrays(name, 'expected')[output]
    for row, example in zip(
      expected,
      numpy_vl_bert.examples(golden.arrays(name, 'inputs')),
      strict=True,
    ):
      ours = getattr(model, task)(example)
      np.testing.assert_allclose(ours, row[: len(ours)], atol=1e-4)


def test_the_reference_pretrains_as_the_released_code():
  model = numpy_vl_bert.VlBert(golden.state_dict('pretrain_tiny'))
  expected = golden.arrays('pretrain_tiny', 'expected')

  related, words = zip(
    *map(
      model.pretrain,
      numpy_vl_bert.examples(golden.arrays('pretrain_tiny', 'inputs')),
    ),
    strict=True,
  )

  for ours, name in (
    (np.stack(related), 'relationship_logits'),
    (np.concatenate(words), 'mlm_logits_at_masked'),
  ):
    np.testing.assert_allclose(ours, expected[name], atol=1e-4)


def _with_pixels(weights):
  """The same weights with a narrow visual network of pixels."""
  network = numpy_network.random_resnet(
    RNG, numpy_vl_bert.STEM, numpy_vl_bert.STAGES, WIDTHS, DEPTHS
  )
  # Large kernels: what pixels say must be seen in the outputs.
  projection = RNG.normal(0, 0.2, [64, 2048 + 2 * WIDTHS[3]])
  projection[:, :2048] *= 0.05
  return {
    **weights, **network, IMAGE_FEATURES: projection.astype(np.float32),
  }  # fmt: skip


def _images():
  """Two images in a canvas, the second one smaller and with a RoI less.

  The last RoI of the first is thinner than a cell of the map and at its edge,
  so that RoIAlign reads beyond it.
  """
  pixels = RNG.normal(0, 40, [2, 3, 75, 111]).astype(np.float32)
  pixels[1, :, 60:] = 0
  pixels[1, :, :, 90:] = 0
  boxes = np.array(
    [
      [[0, 0, 110, 74], [3, 4, 60, 50], [40, 10, 109, 70], [8, 30, 20, 41],
       [106, 69, 110, 74]],
      [[0, 0, 89, 59], [10, 5, 80, 55], [0, 0, 33, 58.5], [1, 2, 80, 9],
       [-2, -2, -2, -2]],
    ],
    np.float32,
  )  # fmt: skip
  size = np.array([[111, 75], [90, 60]], np.float32)
  return {'image': pixels, 'boxes': boxes, 'image_size': size}


def _words(*shape):
  return RNG.integers(200, 2000, shape)


def _loaded(tmp_path, weights, task, heads=4):
  # Tells the number of heads.
  (tmp_path / 'manifest.json').write_text(
    json.dumps({'num_attention_heads': heads})
  )
  path = golden.write_model(tmp_path / 'a.model', weights, 'module.')
  output = str(tmp_path / 'ours')
  sources.convert('official_vlbert', path, output, sources.Options())
  return checkpoints.load(output, task=task)


def test_refcoco_from_pixels(tmp_path):
  weights = _with_pixels(golden.state_dict('refcoco_tiny'))
  weights['final_mlp.2.weight'] *= 20
  arrays = {
    **_images(), 'query_ids': _words(2, 5), 'query_len': np.array([5, 3]),
  }  # fmt: skip

  outputs = _loaded(tmp_path, weights, 'refcoco')(arrays)

  reference = numpy_vl_bert.VlBert(weights)
  for row, example in zip(
    outputs['roi_logits'], numpy_vl_bert.examples(arrays), strict=True
  ):
    expected = reference.refcoco(example)
    # Different RoIs have different scores.
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(row[: len(expected)], expected, atol=1e-4)


@pytest.fixture(scope='module')
def vcr(tmp_path_factory):
  weights = {
    name.replace('vlbert.', 'vlbert._module.', 1): value
    for name, value in _with_pixels(golden.state_dict('vqa_tiny')).items()
    if not name.startswith('final_mlp')
  }
  weights['final_mlp.1.weight'] = RNG.normal(size=[1, 64]).astype(np.float32)
  weights['final_mlp.1.bias'] = np.array([0.3], np.float32)
  reference = numpy_vl_bert.VlBert(
    {name.replace('._module', ''): value for name, value in weights.items()}
  )
  return _loaded(tmp_path_factory.mktemp('vcr'), weights, 'vcr'), reference


def _as_released(arrays):
  """VCR's batch as the released code pads and packs it."""

  def packed(name):
    ids, tags = arrays[f'{name}_ids'], arrays[f'{name}_tags']
    lengths = arrays[f'{name}_len'][..., None]
    columns = np.stack([ids, np.maximum(tags, 0), np.zeros_like(ids)], axis=-1)
    real = np.arange(ids.shape[-1]) < lengths
    return np.where(real[..., None], columns, -2)

  boxes = np.pad(arrays['boxes'], [(0, 0), (0, 0), (0, 2)])
  boxes[boxes[..., 0] < -1] = -1
  size = np.pad(arrays['image_size'], [(0, 0), (0, 3)], constant_values=1)
  return {
    'image': arrays['image'],
    'boxes': boxes,
    'masks': arrays['segms'],
    'question': packed('question'),
    'question_align_matrix': np.zeros([2, 6, 6]),
    'answer_choices': packed('answer'),
    'answer_align_matrix': np.zeros([2, 4, 5, 5]),
    'im_info': size,
  }


@pytest.mark.parametrize('outlines', ['', 'segms', 'roi_masks', 'released'])
def test_vcr_from_pixels(vcr, outlines):
  model, reference = vcr
  arrays = {
    **_images(),
    'question_ids': _words(2, 6), 'question_len': np.array([6, 4]),
    'question_tags': np.array([[0, 2, 1, -1, 4, 0], [1, 0, -1, 2, 0, 0]]),
    'answer_ids': _words(2, 4, 5),
    'answer_len': np.array([[5, 3, 4, 1], [2, 5, 5, 3]]),
    'answer_tags': RNG.integers(-1, 3, [2, 4, 5]),
  }  # fmt: skip
  given = dict(arrays)
  if outlines:
    masks = RNG.integers(0, 2, [2, 5, 14, 14])
    arrays['segms'] = given[outlines] = masks.astype(np.float32)
  if outlines == 'released':
    given = _as_released(arrays)

  outputs = model(given)

  expected = [reference.vcr(e) for e in numpy_vl_bert.examples(arrays)]
  assert np.ptp(expected, axis=1).min() > 0.01
  np.testing.assert_allclose(outputs['answer_logits'], expected, atol=1e-4)


def _classifier(kind, hidden, classes):
  """Weights of a classifier, by what the released code calls it."""
  layers = {
    '1fc': {'1': (classes, hidden)},
    '2fc': {'1': (20, hidden), '4': (classes, 20)},
    'mlm': {'0.dense': (hidden, hidden), '2': (classes, hidden)},
  }[kind]
  weights = {}
  for name, shape in layers.items():
    weights[f'final_mlp.{name}.weight'] = RNG.normal(0, 0.2, shape)
    weights[f'final_mlp.{name}.bias'] = RNG.normal(0, 0.2, shape[:1])
  if kind == 'mlm':
    weights['final_mlp.0.LayerNorm.weight'] = RNG.normal(1, 0.2, hidden)
    weights['final_mlp.0.LayerNorm.bias'] = RNG.normal(0, 0.2, hidden)
  return {name: value.astype(np.float32) for name, value in weights.items()}


@pytest.mark.parametrize(
  ('task', 'kind'),
  [('vqa', '1fc'), ('vqa', 'mlm'), ('vcr', '2fc'), ('vcr', '1fc')],
)
def test_every_kind_of_classifier_there_and_back(tmp_path, task, kind):
  inside = 'vlbert._module.' if task == 'vcr' else 'vlbert.'
  weights = {
    name.replace('vlbert.', inside, 1): value
    for name, value in golden.state_dict('vqa_tiny').items()
    if not name.startswith('final_mlp')
  }
  weights |= _classifier(kind, 64, 1 if task == 'vcr' else 40)
  arrays = golden.arrays('vqa_tiny', 'inputs')
  if task == 'vcr':
    arrays['answer_ids'] = _words(3, 4, 5)
    arrays['answer_len'] = RNG.integers(1, 6, [3, 4])

  outputs = _loaded(tmp_path, weights, task)(arrays)

  reference = numpy_vl_bert.VlBert(
    {name.replace('._module', ''): value for name, value in weights.items()}
  )
  expected = [
    getattr(reference, task)(e) for e in numpy_vl_bert.examples(arrays)
  ]
  np.testing.assert_allclose(outputs['answer_logits'], expected, atol=1e-4)
  again = str(tmp_path / 'again.model')
  sources.export('official_vlbert', str(tmp_path / 'ours'), again)
  tensors = torch_files.read(again)
  # A pooler that this task does not read is not kept.
  unread = 'vlbert.pooler.' if task == 'vqa' else 'nothing'
  for name, value in weights.items():
    if not name.startswith(unread):
      np.testing.assert_array_equal(tensors[name].read(), value, err_msg=name)


@pytest.mark.parametrize(
  ('hidden', 'layers', 'heads', 'vocab'),
  [
    (96, 3, 12, 2000),
    pytest.param(768, 12, 12, 30522, marks=pytest.mark.slow),
    pytest.param(1024, 24, 16, 30522, marks=pytest.mark.slow),
  ],
)
def test_vqa_in_other_sizes(tmp_path, hidden, layers, heads, vocab):
  tiny, inner = golden.state_dict('vqa_tiny'), 4 * hidden
  sizes = {64: hidden, 128: inner, 2000: vocab, 256: 1024, 40: 3129}
  weights = {}
  for name, value in tiny.items():
    shape = [sizes.get(side, side) for side in value.shape]
    repeats = layers if '.layer.0.' in name else 1
    if '.layer.1.' in name:
      continue
    for layer in range(repeats):
      scale = 1.0 if 'LayerNorm.weight' in name or 'visual_ln' in name else 0
      values = scale + RNG.normal(0, 0.03, shape)
      weights[name.replace('.layer.0.', f'.layer.{layer}.')] = values.astype(
        np.float32
      )
  arrays = golden.arrays('vqa_tiny', 'inputs')

  outputs = _loaded(tmp_path, weights, 'vqa', heads)(arrays)

  reference = numpy_vl_bert.VlBert(weights, heads)
  expected = [reference.vqa(e) for e in numpy_vl_bert.examples(arrays)]
  assert np.shape(expected) == (3, 3129)
  np.testing.assert_allclose(outputs['answer_logits'], expected, atol=1e-4)
