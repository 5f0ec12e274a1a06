"""Detection: examples, flips, a training run and its metric."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.data import record_folder
from tests.tasks import small_detector
from vlbert_tf import elements
from vlbert_tf.modeling.config import ModelConfig
from vlbert_tf.tasks import inference, passes, saved
from vlbert_tf.tasks.detector_config import (
  DetectorConfig,
  detector_architecture,
)
from vlbert_tf.training import experiments, runner


@pytest.fixture(scope='module')
def records(tmp_path_factory):
  """Five images with two captions each."""
  folder = tmp_path_factory.mktemp('records')
  return str(record_folder.write_captions(folder))


def _settings(records, **task):
  data = {'path': records, 'global_batch_size': 4}
  override = {
    'task': {
      'detector': small_detector.SETTINGS,
      'train_data': data,
      'validation_data': {**data, 'split': 'train'},
      **task,
    },
    'trainer': {
      'train_steps': 3,
      'warmup_steps': 0,
      'steps_per_loop': 3,
      'summary_interval': 3,
      'checkpoint_interval': 3,
      'validation_interval': 3,
    },
  }
  return experiments.load_experiment('vlbert/detection', [], str(override))


def _weights(layer):
  return [variable.numpy().tobytes() for variable in layer.weights]


def _task(records, **task):
  params = _settings(records, **task)
  return saved.TASKS[params.task.name][1](params.task)


def test_an_image_is_one_example_however_many_captions_it_has(records):
  task = _task(records)

  batches = list(task.build_inputs(task.task_config.validation_data))

  ids = np.concatenate([b[elements.EXAMPLE_ID] for b in batches])
  weights = np.concatenate([b[elements.EXAMPLE_WEIGHT] for b in batches])
  assert sorted(ids[weights > 0]) == [b'0', b'1', b'2', b'3', b'4']
  assert weights.sum() == 5
  assert task.examples_in(task.open_split(task.task_config.train_data)) == 5


def test_training_goes_through_each_image_once_an_epoch(records):
  task = _task(records)
  data = task.task_config.train_data

  ids = [
    name
    for batch in task.build_inputs(data).take(5)
    for name in batch[elements.EXAMPLE_ID].numpy()
  ]

  assert all(set(ids[k : k + 5]) == set(ids) for k in (0, 5, 10, 15))


def test_micro_batches_of_recomputed_blocks_take_the_step_of_the_whole_batch(
  records,
):
  # As many samples as there are anchors and RoIs: nothing is left to chance.
  every = {
    **small_detector.SETTINGS,
    'sampled_anchors': 4096,
    'sampled_rois': 64,
  }

  def weights_after_a_step(micro_batches, remat):
    task = _task(
      records,
      detector={**every, 'remat': remat},
      micro_batches=micro_batches,
      flip_probability=0.0,
    )
    batch = next(iter(task.build_inputs(_data(records))))
    model = task.build_model()
    before = [variable.numpy() for variable in model.trainable_variables]
    optimizer = passes.skipping(tf_keras.optimizers.legacy.SGD(0.1))
    _ = optimizer.iterations
    tf.function(lambda: task.train_step(batch, model, optimizer))()
    after = [variable.numpy() for variable in model.trainable_variables]
    return before, after

  before, whole = weights_after_a_step(1, remat=False)
  _, parts = weights_after_a_step(2, remat=True)

  moved = 0
  for start, one, other in zip(before, whole, parts, strict=True):
    # float32 rounding of sums in another order.
    np.testing.assert_allclose(other, one, atol=1e-5)
    moved += not np.allclose(start, one, atol=1e-4)
  assert moved > 20


def test_boxes_are_flipped_with_their_image(records):
  plain, flipped = (
    next(iter(_task(records, flip_probability=p).build_inputs(_data(records))))
    for p in (0.0, 1.0)
  )

  np.testing.assert_array_equal(
    flipped[elements.IMAGE], plain[elements.IMAGE][:, :, ::-1]
  )
  real = plain[elements.ROI_MASK].numpy()
  x1, y1, x2, y2 = plain[elements.BOXES].numpy()[real].T
  np.testing.assert_allclose(
    flipped[elements.BOXES].numpy()[real],
    np.stack([32 - x2, y1, 32 - x1, y2], -1),
    atol=1e-5,
  )


def _data(records):
  return _settings(records).task.train_data


def test_a_run_reports_losses_and_precision_and_is_found_again(
  records, tmp_path
):
  device = tf.distribute.OneDeviceStrategy('CPU:0')
  metrics = runner.train(
    _settings(records), 'train_and_eval', str(tmp_path), device
  )

  task = saved.load_task(str(tmp_path))
  model = saved.restore_trained(task, str(tmp_path))
  again = inference.evaluate(task, model, task.task_config.validation_data)

  # Its visual network starts that of a VL-BERT, whose own starts a detector's.
  words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b']
  (tmp_path / 'vocab.txt').write_text('\n'.join(words) + '\n')
  pretraining = saved.TASKS[saved.PRETRAINING]
  config = pretraining[0](
    vocab_file=str(tmp_path / 'vocab.txt'),
    init_detector=str(tmp_path),
    model=ModelConfig(size='tiny', max_text_length=8),
    train_data=task.task_config.train_data,
  )
  vl_bert_task = pretraining[1](config)
  vl_bert = vl_bert_task.build_model()
  before = _weights(vl_bert.backbone.roi_features)
  vl_bert_task.initialize(vl_bert)
  trained = _weights(model.roi_features)
  assert _weights(vl_bert.backbone.roi_features) == trained != before

  tf.train.Checkpoint(model=vl_bert).write(str(tmp_path / 'vl_bert'))
  other = _task(records, init_checkpoint=str(tmp_path / 'vl_bert'))
  fresh = other.build_model()
  fresh.roi_features.stem.kernel.assign_add(
    tf.ones_like(fresh.roi_features.stem.kernel)
  )
  other.initialize(fresh)
  assert _weights(fresh.roi_features) == trained

  assert again['examples'] == 5
  assert 0.0 <= metrics['mAP'] <= metrics['mAP50'] <= 1.0
  for name in ('mAP50', 'recall100', 'category_loss', 'anchor_box_loss'):
    assert again[name] == pytest.approx(float(metrics[name]), abs=1e-5)


def test_precision_is_that_of_what_the_detector_says(records, monkeypatch):
  task = _task(records)
  model = task.build_model()
  batches = iter(task.build_inputs(task.task_config.validation_data))
  truth = {tuple(b[elements.EXAMPLE_ID].numpy()): b for b in batches}

  def perfect(image, image_size):
    del image_size
    (batch,) = [
      b
      for b in truth.values()
      if np.array_equal(b[elements.IMAGE], image.numpy())
    ]
    valid = batch[elements.ROI_MASK]
    return type(found)(
      batch[elements.BOXES],
      batch[elements.ROI_CATEGORIES],
      tf.cast(valid, tf.float32),
      valid,
    )

  found = model.detect(tf.zeros([1, 24, 32, 3]), tf.constant([[24.0, 32.0]]))
  monkeypatch.setattr(model, 'detect', perfect)
  tf.config.run_functions_eagerly(True)
  try:
    metrics = inference.evaluate(task, model, task.task_config.validation_data)
  finally:
    tf.config.run_functions_eagerly(False)

  assert metrics['mAP'] == 1.0


def test_unknown_sizes_and_missing_anchors_are_refused():
  with pytest.raises(ValueError, match='tiny, base. Received: .huge'):
    detector_architecture(DetectorConfig(size='huge'), 3)
  with pytest.raises(ValueError, match='must each name a number'):
    detector_architecture(DetectorConfig(anchor_sizes=[]), 3)
