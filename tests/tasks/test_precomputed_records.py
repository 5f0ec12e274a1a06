"""Training on appearance that stands in the records."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.data import record_folder
from vlbert_tf import elements
from vlbert_tf.data.record_contents import Contents
from vlbert_tf.tasks import passes, pictures, pretraining, refcoco, vqa

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b', 'is', 'it']
SIZE = 14  # A
FEATURES = Contents(image=False, appearance_size=SIZE)


def _config(folder, config_class, records, **fields):
  (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  config = config_class(vocab_file=str(folder / 'vocab.txt'), **fields)
  config.override(
    {
      'model': {
        'size': 'tiny',
        'visual_features': 'precomputed',
        'appearance_size': SIZE,
        'max_text_length': 12,
        'max_rois': 3,
      },
      'train_data': {'path': str(records), 'global_batch_size': 6},
    }
  )
  return config


def _vqa(folder, records, **model):
  (folder / 'answers.txt').write_text('yes\nno\n')
  config = _config(
    folder, vqa.VqaConfig, records, answers_file=str(folder / 'answers.txt')
  )
  config.override({'model': model})
  return vqa.VqaTask(config)


def _pretraining(folder, records):
  config = _config(
    folder,
    pretraining.PretrainingConfig,
    records,
    roi_mask_rate=0.5,
    swap_probability=0.0,
  )
  return pretraining.PretrainingTask(config)


def _batch(task):
  data = task.build_inputs(task.task_config.train_data)
  return next(iter(data.take(1)))


def _takes_a_step(task, batch):
  """Losses before and after some steps on one batch."""
  model = task.build_model()
  optimizer = passes.skipping(tf_keras.optimizers.legacy.Adam(1e-3))
  step = tf.function(
    lambda: task.train_step(batch, model, optimizer)[task.loss]
  )
  return [float(step()) for _ in range(5)]


def test_questions_are_learned_from_features_alone(tmp_path):
  records = record_folder.write_questions(tmp_path, contents=FEATURES)
  task = _vqa(tmp_path, records)
  batch = _batch(task)

  assert elements.IMAGE not in batch
  appearance = batch[elements.APPEARANCE]
  assert appearance.dtype == tf.float32
  assert appearance.shape == (6, 3, SIZE)
  for row in range(6):
    real = batch[elements.ROI_MASK][row].numpy()
    number = int(batch[elements.IMAGE_APPEARANCE][row, 0].numpy()) - 1
    assert sum(real) == 1 + number % 3
    for roi in range(3):
      expected = record_folder.appearance(number, roi) if real[roi] else 0.0
      np.testing.assert_array_equal(appearance[row, roi], [expected] * SIZE)
    # Boxes stay in pixels of the image as it is: 40 wide, 30 high.
    np.testing.assert_array_equal(batch[elements.IMAGE_SIZE][row], [30, 40])
    np.testing.assert_array_equal(batch[elements.BOXES][row, 0], [2, 3, 20, 25])
  losses = _takes_a_step(task, batch)
  assert np.isfinite(losses).all()
  assert losses[-1] < losses[0]


def test_captions_are_learned_from_features_and_hidden_rois_stay_hidden(
  tmp_path,
):
  records = record_folder.write_captions(tmp_path, contents=FEATURES)
  task = _pretraining(tmp_path, records)
  batch = _batch(task)
  losses = _takes_a_step(task, batch)
  assert np.isfinite(losses).all()
  assert losses[-1] < losses[0]

  hidden = batch[elements.ROI_MASKED][..., None]
  assert tf.reduce_any(hidden)
  model = task.build_model()
  other = {
    **batch,
    elements.APPEARANCE: tf.where(hidden, 99.0, batch[elements.APPEARANCE]),
  }
  name = elements.ROI_CATEGORY_LOGITS
  np.testing.assert_array_equal(model(batch)[name], model(other)[name])


def test_records_without_what_the_model_reads_are_refused(tmp_path):
  pixels = record_folder.write_questions(tmp_path / 'pixels')
  features = record_folder.write_questions(
    tmp_path / 'features', contents=FEATURES
  )
  with pytest.raises(ValueError, match='--keep=features, or set that field'):
    _batch(_vqa(tmp_path, pixels))
  with pytest.raises(ValueError, match='appearance_size = 15.*of size 14'):
    _batch(_vqa(tmp_path, features, appearance_size=15))
  with pytest.raises(ValueError, match='Build them with --keep=image'):
    _batch(_vqa(tmp_path, features, visual_features='pixels'))


def test_answers_from_features_are_drawn_on_the_images_beside_them(tmp_path):
  both = record_folder.write_questions(
    tmp_path, contents=Contents(image=True, appearance_size=SIZE)
  )
  task = _vqa(tmp_path, both)
  model = task.build_model()
  data = task.task_config.train_data.replace(is_training=False)
  # Images 0, 1 and 2 have one, two and three questions.
  shown = pictures.illustrate_places(task, model, data, [0, 4])
  assert sorted(shown) == [0, 4]
  for place, number in ((0, 0), (4, 2)):
    stored = tf.io.decode_jpeg(record_folder.jpeg(number)).numpy()
    np.testing.assert_allclose(shown[place].image, stored, atol=3)
    assert shown[place].question == f'is it {number} ?'
    boxes = [region.box for region in record_folder.regions(number)]
    np.testing.assert_array_equal(shown[place].boxes, boxes)


def test_features_without_images_cannot_be_drawn(tmp_path):
  records = record_folder.write_questions(tmp_path, contents=FEATURES)
  task = _vqa(tmp_path, records)
  data = task.task_config.train_data.replace(is_training=False)
  with pytest.raises(ValueError, match='Build them with --keep=image or'):
    pictures.illustrate_places(task, task.build_model(), data, [0])


def test_features_of_an_image_are_not_those_of_its_mirror_image(tmp_path):
  records = record_folder.write_expressions(tmp_path)
  task = refcoco.RefcocoTask(
    _config(tmp_path, refcoco.RefcocoConfig, records, flip_probability=0.5)
  )
  with pytest.raises(ValueError, match='flip_probability=0.5. Set it to 0'):
    _batch(task)
