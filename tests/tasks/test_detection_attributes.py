"""Attributes: from Visual Genome's files through records into a step."""

import numpy as np
import pytest
import tensorflow as tf

from beam_jobs import job
from tests.data import record_folder, test_visual_genome
from tests.tasks import small_detector
from vlbert_tf import elements
from vlbert_tf.data import example_schema, pipeline, tfds_features
from vlbert_tf.tasks import detection

DETECTOR = small_detector.config(sampled_rois=16, top_categories=3)


@pytest.fixture(scope='module')
def task(tmp_path_factory):
  folder = tmp_path_factory.mktemp('genome')
  test_visual_genome.write_files(folder)
  (folder / 'images').mkdir()
  for number in (7, 8):
    (folder / 'images' / f'{number}.jpg').write_bytes(
      record_folder.jpeg(number)
    )
  manifest = job.run(
    job.Request(
      dataset='visual_genome',
      name='genome',
      output_dir=str(folder / 'records'),
      splits=(
        f'train,objects={folder}/objects.json,images={folder}/images,'
        f'image_data={folder}/image_data.json,'
        f'categories={folder}/objects_vocab.txt,'
        f'attributes={folder}/attributes.json,'
        f'attribute_names={folder}/attributes_vocab.txt',
      ),
      max_drop_fraction=0.9,
    )
  )
  train = manifest['splits']['train']
  assert (train['images'], train['annotations']) == (1, 1)
  data = pipeline.DataConfig(
    path=f'{folder}/records/genome', global_batch_size=1
  )
  return detection.DetectionTask(
    detection.DetectionConfig(
      detector=DETECTOR,
      train_data=data,
      flip_probability=0.0,
      attribute_loss_weight=0.25,
    )
  )


def test_records_hold_the_attributes_of_each_object(task):
  split = task.open_split(task.task_config.train_data)
  (record,) = tf.data.TFRecordDataset(list(split.paths))
  parsed = example_schema.parse_example(record, split.kind)

  assert split.attributes == ('red', 'gray', 'small')
  assert parsed['roi/attribute'].to_list() == [[2, 3], []]
  batch = next(iter(task.build_inputs(task.task_config.train_data)))
  assert batch[elements.ROI_ATTRIBUTES][0, :, :3].numpy().tolist() == [
    [2, 3, 0], [0, 0, 0], [0, 0, 0],
  ]  # fmt: skip
  described = tfds_features.features_dict(split.kind)
  assert 'roi/attribute' in described


def test_a_step_trains_the_branch_of_attributes(task):
  model = task.build_model()
  batch = next(iter(task.build_inputs(task.task_config.train_data)))
  with tf.GradientTape() as tape:
    outputs = model(batch, seed=tf.constant([1, 2]))
    losses = task.compute_losses(batch, outputs)
    loss = losses['attribute_loss']
  gradient = tape.gradient(loss.total, model.roi_head.attribute.kernel)

  targets = outputs.roi_targets
  on_puppy = targets.categories.numpy() == 2
  assert float(loss.count) == on_puppy.sum() > 0
  assert loss.weight == 0.25
  assert np.any(gradient)
  # Half of an object's loss each, from logits that are nearly equal.
  assert float(loss.total / loss.count) == pytest.approx(np.log(4), abs=0.05)
  assert 'attribute_loss' in task.metric_names


def test_rois_tell_attributes_and_their_likeliest_categories(task):
  model = task.build_model()
  batch = next(iter(task.build_inputs(task.task_config.train_data)))
  image, size = batch[elements.IMAGE], batch[elements.IMAGE_SIZE]
  # The branch says 'small' of hats, 'gray' of puppies, and 'none' of both.
  rows = np.zeros([3, 256], np.float32)
  rows[1, 0], rows[2, 1] = 1.0, 1.0
  head = model.roi_head
  head.category_embedding.set_weights([rows])
  hidden = np.zeros(head.attribute_hidden.kernel.shape, np.float32)
  hidden[-256, 0] = hidden[-255, 1] = 1.0
  head.attribute_hidden.set_weights([hidden, np.zeros([512], np.float32)])
  last = np.zeros([512, 4], np.float32)
  last[0, 3] = last[1, 2] = 5.0
  last[:2, 0] = 9.0
  head.attribute.set_weights([last, np.zeros([4], np.float32)])

  rois = model.detect_rois(image, size)

  found = rois.detections
  expected = np.array([0, 3, 2])[found.categories.numpy()]
  np.testing.assert_array_equal(rois.attributes, expected)
  real = found.valid.numpy()
  np.testing.assert_allclose(
    rois.attribute_scores.numpy()[real],
    np.exp(5) / (np.exp(5) + 2),
    rtol=1e-5,
  )
  # All three there are, so that they sum to one; the RoI's own among them.
  np.testing.assert_allclose(
    rois.top_probabilities.numpy()[real].sum(-1), 1.0, rtol=1e-5
  )
  is_own = rois.top_categories == found.categories[..., None]
  own = tf.reduce_sum(tf.where(is_own, rois.top_probabilities, 0.0), -1)
  np.testing.assert_allclose(own.numpy()[real], found.scores.numpy()[real])
