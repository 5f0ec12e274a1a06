"""Tasks and sizes beyond the stored vectors, against plain NumPy.

The reference is itself held against the stored vectors.
"""

import json

import numpy as np
import pytest

from tests.checkpoints import golden, numpy_network, numpy_vl_bert
from vlbert_tf import checkpoints
from vlbert_tf.checkpoints import sources

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
  """Two images in a canvas, the second one smaller and with a RoI less."""
  pixels = RNG.normal(0, 40, [2, 3, 75, 111]).astype(np.float32)
  pixels[1, :, 60:] = 0
  pixels[1, :, :, 90:] = 0
  boxes = np.array(
    [
      [[0, 0, 110, 74], [3, 4, 60, 50], [40, 10, 109, 70], [8, 30, 20, 41]],
      [[0, 0, 89, 59], [10, 5, 80, 55], [0, 0, 33, 58.5], [-2, -2, -2, -2]],
    ],
    np.float32,
  )
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


@pytest.mark.parametrize('outlines', ['', 'segms', 'roi_masks'])
def test_vcr_from_pixels(vcr, outlines):
  model, reference = vcr
  arrays = {
    **_images(),
    'question_ids': _words(2, 6), 'question_len': np.array([6, 4]),
    'question_tags': np.array([[0, 2, 1, -1, 3, 0], [1, 0, -1, 2, 0, 0]]),
    'answer_ids': _words(2, 4, 5),
    'answer_len': np.array([[5, 3, 4, 1], [2, 5, 5, 3]]),
    'answer_tags': RNG.integers(-1, 3, [2, 4, 5]),
  }  # fmt: skip
  given = dict(arrays)
  if outlines:
    masks = RNG.integers(0, 2, [2, 4, 14, 14])
    arrays['segms'] = given[outlines] = masks.astype(np.float32)

  outputs = model(given)

  expected = [reference.vcr(e) for e in numpy_vl_bert.examples(arrays)]
  assert np.ptp(expected, axis=1).min() > 0.01
  np.testing.assert_allclose(outputs['answer_logits'], expected, atol=1e-4)


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
