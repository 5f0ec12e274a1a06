"""Grounding: batches, targets, flips, scores (VL-BERT §3.4)."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.data import record_folder
from tests.tasks import small_model
from vlbert_tf import elements
from vlbert_tf.tasks import passes, refcoco

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
WORDS += ['left', 'right', *(str(k) for k in range(10))]


def _task(folder, **changes):
  records = record_folder.write_expressions(folder, images=6)
  (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  config = refcoco.RefcocoConfig(vocab_file=str(folder / 'vocab.txt'))
  config.override(
    {
      'model': {**small_model.SETTINGS, 'max_text_length': 6},
      'train_data': {'path': str(records), 'global_batch_size': 12},
      'validation_data': {
        'path': str(records),
        'split': 'train',
        'global_batch_size': 5,
      },
      **changes,
    }
  )
  return refcoco.RefcocoTask(config)


@pytest.fixture(scope='module')
def task(tmp_path_factory):
  """A task on six images with one to three expressions each."""
  return _task(tmp_path_factory.mktemp('files'))


def test_the_target_of_expression_n_is_box_n_at_half_size(task):
  batches = list(task.build_inputs(task.task_config.validation_data))

  seen = set()
  for batch in batches:
    fits, real = refcoco.roi_targets(batch)
    for row, expression_id in enumerate(batch['expression_id'].numpy()):
      if not batch[elements.EXAMPLE_WEIGHT][row]:
        continue
      image, number = divmod(int(expression_id), 10)
      seen.add((image, number))
      # Records are 40 x 30 pixels, model images 20 x 15.
      box = [1.0 + 6 * number, 1.5, 6.0 + 6 * number, 12.5]
      np.testing.assert_allclose(batch[elements.TARGET_BOX][row], box)
      expected = [k == number for k in range(3)]
      assert fits[row].numpy().tolist() == expected
      assert real[row].numpy().sum() == image % 3 + 1
  assert seen == {(k, n) for k in range(6) for n in range(k % 3 + 1)}


def test_half_of_training_is_mirrored_and_left_changes_with_right(task):
  flipped = []
  for batch in task.build_inputs(task.task_config.train_data).take(20):
    for row, expression_id in enumerate(batch['expression_id'].numpy()):
      number = int(expression_id) % 10
      word = WORDS[batch[elements.WORD_IDS][row, 1]]
      mirrored = word != ('left', 'right')[number % 2]
      box = [1.0 + 6 * number, 1.5, 6.0 + 6 * number, 12.5]
      if mirrored:
        box = [20 - box[2], box[1], 20 - box[0], box[3]]
      # The target and the box among the RoIs have moved alike.
      np.testing.assert_allclose(batch[elements.TARGET_BOX][row], box)
      np.testing.assert_allclose(batch[elements.BOXES][row, number], box)
      flipped.append(mirrored)
  assert abs(np.mean(flipped) - 0.5) < 0.13  # 4 σ of 240 fair coins


def test_losses_and_scores_are_those_of_real_rois_by_hand(task):
  box = [0.0, 0.0, 10.0, 10.0]
  batch = {
    # The second box overlaps the first by 60 of 100 pixels, the third by 40.
    elements.BOXES: tf.constant(
      [[box, [0.0, 0.0, 10.0, 6.0], [0.0, 0.0, 10.0, 4.0], [0.0] * 4]]
    ),
    elements.ROI_MASK: tf.constant([[True, True, True, False]]),
    elements.TARGET_BOX: tf.constant([box]),
    elements.EXAMPLE_WEIGHT: tf.ones([1]),
    'text_cut': tf.constant([False]),
  }
  outputs = {elements.ROI_LOGITS: tf.constant([[0.0, 0.0, 2.0, 9.0]])}

  (loss,) = task.compute_losses(batch, outputs).values()
  scores = task.compute_scores(batch, outputs)

  assert loss.count == 3
  assert float(loss.total) == pytest.approx(
    2 * np.log(2) + np.log(1 + np.exp(2)), rel=1e-6
  )
  # The padding has the highest logit and is not taken; the third is wrong.
  assert not scores['accuracy'][0].numpy()[0]
  assert float(scores['chance'][0][0]) == pytest.approx(2 / 3)


def test_padding_is_never_the_best_roi_whatever_its_logit():
  logits = tf.constant([[0.0, 0.0, 2.0, 9.0], [-3.0, -2.0, 1.0, 1.0]])
  real = tf.constant([[True, True, True, False], [True, True, False, False]])

  assert refcoco.best_rois(logits, real).numpy().tolist() == [2, 1]


def test_several_expressions_share_an_image(tmp_path):
  task = _task(tmp_path, flip_probability=0.0)
  task.task_config.train_data.texts_per_image = 2

  batch = next(iter(task.build_inputs(task.task_config.train_data)))

  assert batch[elements.BOXES].shape[0] == 6
  assert batch[elements.TARGET_BOX].shape == (12, 4)
  fits, _ = refcoco.roi_targets(batch)
  assert fits.numpy().any(axis=1).all()


def test_records_of_another_kind_are_refused(task, tmp_path):
  records = record_folder.write_captions(tmp_path)
  data = task.task_config.validation_data.replace(path=str(records))

  with pytest.raises(ValueError, match=r'of captions.*--dataset=refcoco'):
    task.build_inputs(data)


def test_training_lowers_the_loss_of_what_it_sees(task):
  model = task.build_model()
  optimizer = passes.skipping(tf_keras.optimizers.legacy.Adam(1e-3))
  batch = next(iter(task.build_inputs(task.task_config.validation_data)))
  step = tf.function(lambda: task.train_step(batch, model, optimizer))

  losses = [float(step()[task.loss]) for _ in range(100)]

  outputs = model(batch)
  assert outputs[elements.ROI_LOGITS].shape == (5, 3)
  assert losses[-1] < 0.3 * losses[0]
