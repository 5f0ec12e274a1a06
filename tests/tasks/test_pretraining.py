"""Batches and losses of pre-training (VL-BERT §3.3)."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.data import record_folder
from vlbert_tf import elements
from vlbert_tf.data.record_contents import Contents
from vlbert_tf.tasks import passes, pretraining, roi_categories

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
WORDS += ['a', 'b', *(str(k) for k in range(10))]
MASK = 4


@pytest.fixture(scope='module')
def task(tmp_path_factory):
  """A task on six images with two captions of two words each."""
  folder = tmp_path_factory.mktemp('files')
  records = record_folder.write_captions(folder, images=6)
  (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  config = pretraining.PretrainingConfig(
    vocab_file=str(folder / 'vocab.txt'), word_mask_rate=0.5, roi_mask_rate=0.5
  )
  config.override(
    {
      'model': {
        'size': 'tiny',
        'max_text_length': 7,
        'max_rois': 3,
        'image_short_side': 24,
        'image_long_side': 32,
      },
      'train_data': {'path': str(records), 'global_batch_size': 12},
    }
  )
  return pretraining.PretrainingTask(config)


@pytest.fixture(scope='module')
def batches(task):
  """Ten epochs."""
  return list(task.build_inputs(task.task_config.train_data).take(10))


def test_related_pairs_show_their_own_caption_and_others_another(batches):
  related, swapped = [], []
  for batch in batches:
    for i, example_id in enumerate(batch[elements.EXAMPLE_ID].numpy()):
      image, caption = example_id.decode().split('#')
      words = [WORDS[w] for w in batch[elements.WORD_IDS][i].numpy()]
      # [CLS] letter number [SEP]; either word may be hidden.
      letter, number = words[1:3]
      if batch[elements.RELATED][i] == 1.0:
        related.append(
          letter in ('ab'[int(caption)], '[MASK]')
          and number in (image, '[MASK]')
        )
      elif number != '[MASK]':
        swapped.append(number != image)

  assert len(related) > 30
  assert all(related)
  assert len(swapped) > 10
  assert all(swapped)


def test_pairs_are_hidden_alike_whether_related_or_not(batches):
  def share(name, value, related):
    rows = [
      (batch[name].numpy() == value).mean(axis=1)[
        batch[elements.RELATED].numpy() == related
      ]
      for batch in batches
    ]
    return np.concatenate(rows).mean()

  # Two words of seven places, hidden with probability ½.
  assert abs(share(elements.WORD_IDS, MASK, 1.0) - 1 / 7) < 0.06
  assert abs(share(elements.WORD_IDS, MASK, 0.0) - 1 / 7) < 0.06
  # Two of three RoIs on average.
  assert abs(share(elements.ROI_MASKED, True, 1.0) - 1 / 3) < 0.12
  assert abs(share(elements.ROI_MASKED, True, 0.0) - 1 / 3) < 0.12


def test_labels_are_what_stood_in_the_hidden_places(batches):
  batch = batches[0]
  weights = batch[elements.MASKED_WORD_WEIGHTS].numpy()
  for row, place in zip(*np.nonzero(weights), strict=True):
    position = batch[elements.MASKED_POSITIONS][row, place]
    assert batch[elements.WORD_IDS][row, position] == MASK
    label = WORDS[batch[elements.MASKED_WORD_IDS][row, place]]
    assert label in 'ab' if position == 1 else label.isdigit()


def _small_batch():
  """One related pair, one unrelated, one row that fills the batch."""
  return {
    elements.EXAMPLE_WEIGHT: tf.constant([1.0, 1.0, 0.0]),
    elements.RELATED: tf.constant([1.0, 0.0, 1.0]),
    elements.MASKED_WORD_IDS: tf.constant([[1, 2], [0, 0], [0, 0]]),
    elements.MASKED_WORD_WEIGHTS: tf.constant([[1.0, 1], [1, 0], [1, 0]]),
    elements.ROI_CATEGORIES: tf.constant([[2, 1], [3, 0], [1, 1]]),
    elements.ROI_MASKED: tf.constant([[True, False]] * 2 + [[True] * 2]),
    elements.ROI_NAMED: tf.constant([[True, False]] * 2 + [[True] * 2]),
    elements.ROI_MASK: tf.constant([[True, True], [True, False], [True] * 2]),
  }  # fmt: skip


def test_masked_losses_count_related_pairs_and_all_count_real_rows(task):
  outputs = {
    elements.RELATIONSHIP_LOGITS: tf.constant([0.0, np.log(3.0), 9.0]),
    elements.MASKED_WORD_LOGITS: tf.zeros([3, 2, 5]),
    elements.ROI_CATEGORY_LOGITS: tf.math.log(
      tf.constant([[[1.0, 2, 3, 4]] * 2] * 3)
    ),
    elements.VISIBLE_ROI_LOGITS: tf.math.log(
      tf.constant([[[1.0, 2, 3, 4]] * 2] * 3)
    ),
  }

  losses = task.compute_losses(_small_batch(), outputs)

  # -ln ½ for the related pair, -ln ¼ for the unrelated one.
  relationship = losses['relationship_loss']
  assert float(relationship.total) == pytest.approx(
    np.log(2) + np.log(4), abs=1e-5
  )
  assert relationship.count == 2
  words = losses['masked_word_loss']
  assert float(words.total) == pytest.approx(2 * np.log(5), abs=1e-5)
  assert words.count == 2
  # Category 2 has the share 3 / 10.
  rois = losses['masked_roi_loss']
  assert float(rois.total) == pytest.approx(-np.log(0.3), abs=1e-5)
  assert rois.count == 1
  # The one real RoI that is not hidden has category 1, the share 2 / 10. The
  # unrelated pair has none.
  visible = losses['visible_roi_loss']
  assert float(visible.total) == pytest.approx(-np.log(0.2), abs=1e-5)
  assert visible.count == 1


def test_soft_targets_are_the_likeliest_categories_scaled_to_one():
  # Categories 0 to 3 with the shares 1, 2, 3, 4 of 10.
  logits = tf.math.log(tf.constant([[[1.0, 2, 3, 4]] * 3]))
  batch = {
    elements.ROI_CATEGORIES: tf.constant([[2, 3, 1]]),
    elements.ROI_TOP_CATEGORIES: tf.constant([[[2, 0], [3, 1], [0, 0]]]),
    # 0.2 is missing to 1 in the first; of the last nothing is known.
    elements.ROI_TOP_PROBABILITIES: tf.constant(
      [[[0.6, 0.2], [1.0, 0.0], [0.0, 0.0]]]
    ),
    elements.ROI_NAMED: tf.constant([[True, False, True]]),
  }

  soft = roi_categories.cross_entropy(batch, logits, 'soft')
  hard = roi_categories.cross_entropy(batch, logits, 'hard')

  # -(¾ ln 0.3 + ¼ ln 0.1), and a sure one as if it were hard.
  first = -0.75 * np.log(0.3) - 0.25 * np.log(0.1)
  np.testing.assert_allclose(soft, [[first, -np.log(0.4), 0.0]], rtol=1e-5)
  np.testing.assert_allclose(hard, [-np.log([0.3, 0.4, 0.2])], rtol=1e-5)
  named = roi_categories.named(batch, 'soft').numpy().tolist()
  assert named == [[1.0, 0.0, 0.0]]
  named = roi_categories.named(batch, 'hard').numpy().tolist()
  assert named == [[1.0, 0.0, 1.0]]


def test_soft_targets_come_from_the_records_and_are_learned(task, tmp_path):
  contents = Contents(top_categories=2)
  records = record_folder.write_captions(tmp_path, 6, contents=contents)
  config = task.task_config.replace(roi_targets='soft', kept_roi_share=0.5)
  config.train_data.path = str(records)
  soft = pretraining.PretrainingTask(config)
  batch = next(iter(soft.build_inputs(config.train_data)))

  # The detector is sure of the category by 0.7, and next of background.
  real = batch[elements.ROI_MASK].numpy()
  top = batch[elements.ROI_TOP_CATEGORIES].numpy()
  probabilities = batch[elements.ROI_TOP_PROBABILITIES].numpy()
  categories = batch[elements.ROI_CATEGORIES].numpy()
  np.testing.assert_array_equal(top[..., 0], categories)
  np.testing.assert_array_equal(top[..., 1], 0)
  np.testing.assert_allclose(probabilities[real], [[0.7, 0.2]] * real.sum())
  assert not probabilities[~real].any()
  named = batch[elements.ROI_NAMED].numpy()
  hidden = batch[elements.ROI_MASKED].numpy()
  assert not (hidden & ~named).any()
  assert (named & ~hidden).any()
  model = soft.build_model()
  optimizer = passes.skipping(tf_keras.optimizers.legacy.Adam(1e-3))
  step = tf.function(lambda: soft.train_step(batch, model, optimizer))
  losses = [float(step()[soft.loss]) for _ in range(5)]
  assert losses[-1] < losses[0]


def test_caption_and_rois_share_a_length_where_one_is_set(task):
  config = task.task_config.replace(max_elements=6)
  config.train_data.roi_buckets = [2, 3]
  cut = pretraining.PretrainingTask(config)

  batch = next(iter(cut.build_inputs(config.train_data)))

  # Captions have four elements; image k has k % 3 + 1 RoIs and itself.
  left = {1: (4, 1), 2: (3, 2), 3: (3, 2)}
  rois = batch[elements.ROI_MASK].numpy()
  assert rois.shape == (12, 2)
  for i, example_id in enumerate(batch[elements.EXAMPLE_ID].numpy()):
    had = int(example_id.decode().partition('#')[0]) % 3 + 1
    texts = batch[elements.WORD_MASK].numpy()[i].sum()
    assert (texts, rois[i].sum()) == left[had]
    assert batch['text_cut'][i] == (texts < 4)
    assert not batch[elements.ROI_NAMED].numpy()[i, rois[i].sum() :].any()
  assert batch[elements.BOXES].shape == (12, 2, 4)


def test_a_shared_length_leaves_a_word_and_a_roi(task):
  config = task.task_config.replace(max_elements=5)
  with pytest.raises(ValueError, match='0, or at least 6.*Received: 5'):
    pretraining.PretrainingTask(config)


def test_soft_targets_need_what_a_detector_says(task):
  config = task.task_config.replace(roi_targets='soft')
  with pytest.raises(ValueError, match='records without. Build them with'):
    pretraining.PretrainingTask(config).build_inputs(config.train_data)
  with pytest.raises(ValueError, match="hard or soft. Received: 'kl'"):
    pretraining.PretrainingTask(config.replace(roi_targets='kl'))


def test_each_loss_has_the_weight_of_its_name(task):
  config = task.task_config.replace(
    relationship_weight=2.0,
    masked_word_weight=3.0,
    masked_roi_weight=5.0,
    visible_roi_weight=7.0,
  )
  outputs = {
    elements.RELATIONSHIP_LOGITS: tf.zeros([3]),
    elements.MASKED_WORD_LOGITS: tf.zeros([3, 2, 5]),
    elements.ROI_CATEGORY_LOGITS: tf.zeros([3, 2, 4]),
    elements.VISIBLE_ROI_LOGITS: tf.zeros([3, 2, 4]),
  }

  losses = pretraining.PretrainingTask(config).compute_losses(
    _small_batch(), outputs
  )

  assert {name: loss.weight for name, loss in losses.items()} == {
    'relationship_loss': 2.0,
    'masked_word_loss': 3.0,
    'masked_roi_loss': 5.0,
    'visible_roi_loss': 7.0,
  }


def test_scores_are_those_of_what_the_losses_count(task):
  batch = {**_small_batch(), 'text_cut': tf.constant([True, False, True])}
  outputs = {
    # Right for the related pair and for the unrelated one.
    elements.RELATIONSHIP_LOGITS: tf.constant([0.5, -0.5, 0.5]),
    # The words 1 and 2 are to be named: right, wrong.
    elements.MASKED_WORD_LOGITS: tf.one_hot([[1, 3], [0, 0], [0, 0]], 5),
    # The category of the hidden RoI is 2, of the other 1: right, wrong.
    elements.ROI_CATEGORY_LOGITS: tf.one_hot([[2, 1]] * 3, 4),
    elements.VISIBLE_ROI_LOGITS: tf.one_hot([[2, 3]] * 3, 4),
  }

  scores = task.compute_scores(batch, outputs)

  found = {
    name: (
      float(tf.reduce_sum(tf.cast(values, tf.float32) * weights)),
      float(tf.reduce_sum(weights)),
    )
    for name, (values, weights) in scores.items()
  }
  assert found == {
    'relationship_accuracy': (2.0, 2.0),
    'masked_word_accuracy': (1.0, 2.0),
    'masked_roi_accuracy': (1.0, 1.0),
    'visible_roi_accuracy': (0.0, 1.0),
    'cut_texts': (1.0, 2.0),
  }


def test_sharing_an_image_is_refused(task):
  data = task.task_config.train_data.replace(texts_per_image=2)

  with pytest.raises(ValueError, match='must be 1 in pre-training'):
    task.build_inputs(data)
