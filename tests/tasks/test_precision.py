"""Half precision: what stays in float32, whole steps, skipped steps."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.training import small_task
from vlbert_tf import elements
from vlbert_tf.modeling import geometry


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('files')


@pytest.fixture
def policy():
  """Sets the global policy for one test."""
  yield tf_keras.mixed_precision.set_global_policy
  tf_keras.mixed_precision.set_global_policy('float32')


def _one():
  return tf.distribute.OneDeviceStrategy('CPU:0')


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_what_has_to_stay_in_float32_does(folder, policy, dtype, monkeypatch):
  policy(f'mixed_{dtype}')
  task = small_task.task(folder)
  seen = []
  embed = geometry.embed_corners

  def embed_corners(boxes, *rest):
    waves = embed(boxes, *rest)
    seen.extend([boxes.dtype, waves.dtype])
    return waves

  monkeypatch.setattr(geometry, 'embed_corners', embed_corners)
  model = task.build_model()
  batch = {
    name: tf.constant(value[:2]) for name, value in small_task.batch().items()
  }
  batch.pop(elements.EXAMPLE_ID)
  outputs = model(batch, seed=tf.constant([1, 2]))
  losses = task.compute_losses(batch, outputs)

  assert {variable.dtype for variable in model.variables} == {tf.float32}
  assert {output.dtype for output in outputs.values()} == {tf.float32}
  for loss in losses.values():
    assert (loss.total.dtype, loss.count.dtype) == (tf.float32, tf.float32)
  assert set(seen) == {tf.float32}
  # Model Garden's head has one of its own, which computes in float32 as well.
  foreign = set(map(id, model.masked_word.submodules))
  norms = [
    layer
    for layer in model.submodules
    if isinstance(layer, tf_keras.layers.LayerNormalization)
    and id(layer) not in foreign
  ]
  assert len(norms) >= 8
  assert {norm.compute_dtype for norm in norms} == {'float32'}
  # And what should be fast is.
  layer = model.backbone.encoder.encoder_layers[0]
  for dense in (layer.inner, layer.outer, layer.attention.query_key_value):
    assert dense.compute_dtype == dtype


@pytest.mark.parametrize(
  ('dtype', 'scale', 'tolerance'),
  [('bfloat16', 1.0, 0.1), ('float16', 2.0**15, 0.02)],
)
def test_steps_in_half_precision_are_those_in_float32(
  folder, policy, dtype, scale, tolerance
):
  content = small_task.batch()
  train = small_task.train
  _, expected = train(small_task.task(folder), _one(), content, 2)
  policy(f'mixed_{dtype}')

  weights, reported = train(
    small_task.task(folder), _one(), content, 6, dtype=dtype
  )

  # Steps that are skipped halve the loss scale, until gradients fit into it.
  for step in reported:
    assert step['loss_scale'] == scale
    if step['skipped_steps']:
      scale /= 2
  taken = [step for step in reported if not step['skipped_steps']]
  assert len(taken) >= 2
  for ours, theirs in zip(taken, expected, strict=False):
    for name, value in theirs.items():
      if name.endswith('_loss'):
        assert ours[name] == pytest.approx(value, rel=tolerance), name
  assert all(np.isfinite(value).all() for value in weights.values())


def test_a_step_whose_gradients_are_not_finite_changes_no_weight(folder):
  content = small_task.batch()
  start, _ = small_task.train(small_task.task(folder), _one(), content, 0)
  content[elements.IMAGE][3] = np.nan

  weights, reported = small_task.train(
    small_task.task(folder), _one(), content, 2
  )

  for name, value in start.items():
    np.testing.assert_array_equal(weights[name], value, err_msg=name)
  assert [report['skipped_steps'] for report in reported] == [1.0, 1.0]
