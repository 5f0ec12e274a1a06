"""Multiple choice: sequences, tags, labels, losses (VL-BERT §3.4)."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.data import record_folder
from tests.tasks import small_model
from vlbert_tf import elements
from vlbert_tf.tasks import passes, vcr

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
WORDS += ['is', 'it', '?', 'a', 'b', *(str(k) for k in range(10))]
MASK = 4


def _task(folder, labeled=True, **changes):
  records = record_folder.write_choices(folder, images=6, labeled=labeled)
  (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  config = vcr.VcrConfig(vocab_file=str(folder / 'vocab.txt'))
  config.override(
    {
      'model': small_model.SETTINGS,
      'roi_mask_rate': 0.5,
      'train_data': {'path': str(records), 'global_batch_size': 12},
      'validation_data': {
        'path': str(records),
        'split': 'train',
        'global_batch_size': 5,
        'is_training': False,
      },
      **changes,
    }
  )
  return vcr.VcrTask(config)


def _batches(task, training=False):
  config = task.task_config
  data = config.train_data if training else config.validation_data
  return list(task.build_inputs(data).take(5))


def _texts(batch, row):
  """The four texts of a question."""
  return [
    ' '.join(WORDS[w] for w, real in zip(ids, mask, strict=True) if real)
    for ids, mask in zip(
      batch[elements.WORD_IDS].numpy()[4 * row : 4 * row + 4],
      batch[elements.WORD_MASK].numpy()[4 * row : 4 * row + 4],
      strict=True,
    )
  ]


def test_a_question_meets_each_of_its_answers(tmp_path):
  batches = _batches(_task(tmp_path))

  seen = {}
  for batch in batches:
    assert batch[elements.WORD_IDS].shape[0] == 20
    assert batch[elements.BOXES].shape[0] == 5
    for row, question in enumerate(batch['question_id'].numpy()):
      if batch[elements.EXAMPLE_WEIGHT][row]:
        label = int(batch[elements.CANDIDATE_LABEL][row])
        seen[question.decode()] = _texts(batch, row), label
  assert seen.keys() == {f'{k}-{n}' for k in range(6) for n in range(2)}
  assert seen['3-1'] == (
    [f'[CLS] is a b ? [SEP] it {c} [SEP]' for c in range(4)],
    3,
  )


def test_a_rationale_follows_the_right_answer_or_the_one_asked_for(tmp_path):
  task = _task(tmp_path, sub_task='rationale')

  def of_3_1():
    return next(
      (_texts(batch, row), int(batch[elements.CANDIDATE_LABEL][row]))
      for batch in _batches(task)
      for row, question in enumerate(batch['question_id'].numpy())
      if question == b'3-1'
    )

  texts, label = of_3_1()
  task.task_config.condition_on = 1
  others, _ = of_3_1()

  assert texts == [f'[CLS] is a b ? it 3 [SEP] a {c} [SEP]' for c in range(4)]
  assert label == 0
  assert others == [f'[CLS] is a b ? it 1 [SEP] a {c} [SEP]' for c in range(4)]


def test_a_word_with_a_tag_takes_the_roi_of_that_tag(tmp_path):
  task = _task(tmp_path, sub_task='rationale')

  for batch in _batches(task):
    for row, question in enumerate(batch['question_id'].numpy()):
      # Tag 0 is the last of the k % 3 + 1 boxes: RoI number k % 3 + 1.
      roi = int(question.decode()[0]) % 3 + 1
      index = batch[elements.WORD_ROI_INDEX][4 * row]
      # [CLS] is a b ? it N [SEP] a N [SEP]: both 'a' have tag 0.
      expected = [0, 0, roi, 0, 0, 0, 0, 0, roi, 0, 0]
      assert index.numpy()[:11].tolist() == expected


def test_rois_are_masked_in_training_alone_and_alike_for_candidates(tmp_path):
  task = _task(tmp_path)
  trained = np.concatenate(
    [b[elements.ROI_MASKED].numpy()[b[elements.ROI_MASK].numpy()]
     for b in _batches(task, training=True)]
  )  # fmt: skip
  judged = [b[elements.ROI_MASKED].numpy().any() for b in _batches(task)]

  assert abs(trained.mean() - 0.5) < 0.2  # 4 σ of 120 fair coins
  assert not any(judged)


def test_losses_by_hand(tmp_path):
  task = _task(tmp_path)
  batch = {
    elements.CANDIDATE_LABEL: tf.constant([2, -1]),
    elements.EXAMPLE_WEIGHT: tf.ones([2]),
    elements.BOXES: tf.zeros([2, 2, 4]),
    elements.ROI_MASKED: tf.constant([[False, False], [False, False]]),
    elements.ROI_NAMED: tf.constant([[True, False], [False, False]]),
    elements.ROI_CATEGORIES: tf.constant([[3, 1], [1, 1]]),
    'text_cut': tf.constant([True] + [False] * 7),
  }
  outputs = {
    elements.CANDIDATE_LOGITS: tf.constant(
      [[0.0, 0.0, np.log(2.0), 0.0], [0.0] * 4], tf.float32
    ),
    elements.ROI_CATEGORY_LOGITS: tf.zeros([8, 2, 4]),
  }

  losses = task.compute_losses(batch, outputs)
  scores = task.compute_scores(batch, outputs)

  # The second question has no label and does not count.
  assert float(losses['candidate_loss'].count) == 1
  assert float(losses['candidate_loss'].total) == pytest.approx(np.log(2.5))
  # One masked RoI, for each of four candidates, over four categories.
  assert float(losses['masked_roi_loss'].count) == 4
  assert float(losses['masked_roi_loss'].total) == pytest.approx(4 * np.log(4))
  assert scores['accuracy'][0].numpy()[0]
  assert scores['cut_texts'][0].numpy().tolist() == [True, False]

  # A question that only fills the batch hides nothing that counts.
  batch[elements.EXAMPLE_WEIGHT] = tf.constant([0.0, 1.0])
  losses = task.compute_losses(batch, outputs)
  assert float(losses['masked_roi_loss'].count) == 0


def test_no_word_is_hidden_and_no_head_names_words_by_default(tmp_path):
  task = _task(tmp_path)
  batch = next(iter(task.build_inputs(task.task_config.train_data)))

  assert elements.MASKED_POSITIONS not in batch
  assert MASK not in batch[elements.WORD_IDS].numpy()
  assert not [name for name in task.metric_names if 'word' in name]
  assert task.build_model().masked_word is None


def test_masked_words_are_a_switch(tmp_path):
  task = _task(tmp_path, masked_word_weight=0.5, word_mask_rate=0.5)
  batches = _batches(task, training=True)
  judged = _batches(task)

  for batch in batches:
    ids = batch[elements.WORD_IDS].numpy()
    weights = batch[elements.MASKED_WORD_WEIGHTS].numpy()
    # Each label stood where [MASK] is: texts are 'is a b ? it N'.
    for row, place in zip(*np.nonzero(weights), strict=True):
      position = batch[elements.MASKED_POSITIONS][row, place].numpy()
      assert ids[row, position] == MASK
      word = WORDS[batch[elements.MASKED_WORD_IDS][row, place]]
      expected = [None, 'is', 'a', 'b', '?', None, 'it', str(row % 4)]
      assert word == expected[position]
    # Texts of all four candidates lose words: six of 16 places at most, of
    # which max_masked_fraction leaves the first four.
    assert (ids == MASK).sum(axis=1).max() <= 4
  shares = np.concatenate([b[elements.WORD_IDS] == MASK for b in batches])
  by_candidate = shares.reshape([-1, 4, 16]).sum(axis=2).mean(axis=0)
  # Six fair coins, heads counted up to four: 3 - 6/64 - 2/64 on average.
  np.testing.assert_allclose(by_candidate, 2.875, atol=0.55)  # 4 σ of 60 texts
  assert not any(MASK in b[elements.WORD_IDS].numpy() for b in judged)

  model = task.build_model()
  optimizer = passes.skipping(tf_keras.optimizers.legacy.Adam(1e-3))
  step = tf.function(lambda batch: task.train_step(batch, model, optimizer))
  losses = [float(step(batches[0])[task.loss]) for _ in range(5)]
  assert losses[-1] < losses[0]


def test_words_are_named_around_the_right_candidate_alone(tmp_path):
  task = _task(tmp_path, masked_word_weight=0.5)
  batch = {
    # Of the second question the right candidate is not public; the third row
    # only fills the batch.
    elements.CANDIDATE_LABEL: tf.constant([2, -1, 0]),
    elements.EXAMPLE_WEIGHT: tf.constant([1.0, 1.0, 0.0]),
    elements.BOXES: tf.zeros([3, 1, 4]),
    elements.ROI_NAMED: tf.zeros([3, 1], tf.bool),
    elements.ROI_CATEGORIES: tf.ones([3, 1], tf.int32),
    elements.MASKED_WORD_IDS: tf.ones([12, 2], tf.int32),
    elements.MASKED_WORD_WEIGHTS: tf.constant([[1.0, 0.0]] * 12),
    'text_cut': tf.zeros([12], tf.bool),
  }
  outputs = {
    elements.CANDIDATE_LOGITS: tf.zeros([3, 4]),
    elements.ROI_CATEGORY_LOGITS: tf.zeros([12, 1, 4]),
    elements.MASKED_WORD_LOGITS: tf.zeros([12, 2, 7]),
  }

  loss = task.compute_losses(batch, outputs)['masked_word_loss']
  accuracy = task.compute_scores(batch, outputs)['masked_word_accuracy']

  assert float(loss.count) == 1
  assert float(loss.total) == pytest.approx(np.log(7), abs=1e-5)
  assert loss.weight == 0.5
  assert accuracy[1].numpy().sum() == 1


def test_objects_are_seen_within_their_outlines_where_that_is_wanted(tmp_path):
  task = _task(tmp_path, outlines=True)
  batch = next(iter(task.build_inputs(task.task_config.validation_data)))
  plain = _task(tmp_path)
  whole = next(iter(plain.build_inputs(plain.task_config.validation_data)))

  masks = batch[elements.ROI_CELL_MASKS].numpy()
  cells = task.architecture().resnet.pooled_cells
  assert masks.shape == (5, 3, cells, cells)
  # Of an odd number of cells the middle one is on the border: not inside.
  left = np.arange(cells) < cells // 2
  for row, real in enumerate(batch[elements.ROI_MASK].numpy()):
    np.testing.assert_array_equal(masks[row, 0], np.tile(left, [cells, 1]))
    np.testing.assert_array_equal(masks[row, 1:][real[1:]], 1.0)
    assert not masks[row][~real].any()
  assert elements.ROI_CELL_MASKS not in whole
  model = task.build_model()
  logits = model(batch)[elements.CANDIDATE_LOGITS]
  assert np.abs(logits - model(whole)[elements.CANDIDATE_LOGITS]).max() > 1e-5
  with pytest.raises(ValueError, match='Outlines are seen in pixels'):
    _task(tmp_path, outlines=True, model={'visual_features': 'precomputed'})


def test_an_unknown_sub_task_is_refused(tmp_path):
  with pytest.raises(ValueError, match="answer, rationale. Received: 'both'"):
    _task(tmp_path, sub_task='both')


def test_training_lowers_the_loss_of_what_it_sees(tmp_path):
  task = _task(tmp_path)
  model = task.build_model()
  optimizer = passes.skipping(tf_keras.optimizers.legacy.Adam(3e-4))
  batch = next(iter(task.build_inputs(task.task_config.validation_data)))
  step = tf.function(lambda: task.train_step(batch, model, optimizer))

  losses = [float(step()[task.loss]) for _ in range(40)]

  outputs = model(batch)
  assert outputs[elements.CANDIDATE_LOGITS].shape == (5, 4)
  assert losses[-1] < 0.3 * losses[0]
  # A tagged word takes its RoI's feature: another RoI, another answer.
  moved = {**batch, elements.WORD_ROI_INDEX: batch['word_roi_index'] * 0}
  changed = model(moved)[elements.CANDIDATE_LOGITS]
  assert np.abs(changed - outputs[elements.CANDIDATE_LOGITS]).max() > 1e-4


def test_a_test_split_has_no_labels_and_no_loss(tmp_path):
  task = _task(tmp_path, labeled=False, sub_task='rationale')
  batch = next(iter(task.build_inputs(task.task_config.validation_data)))
  outputs = {
    elements.CANDIDATE_LOGITS: tf.zeros([5, 4]),
    elements.ROI_CATEGORY_LOGITS: tf.zeros([20, 3, 4]),
  }

  losses = task.compute_losses(batch, outputs)

  assert float(losses['candidate_loss'].count) == 0
