"""Images are mirrored with all that lies on them."""

import numpy as np
import pytest

from tests.data import record_folder
from tests.tasks import small_model
from vlbert_tf import elements
from vlbert_tf.data.record_contents import Contents
from vlbert_tf.tasks import pretraining, vcr, vqa

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b', 'is', 'it']
WORDS += ['left', 'right']

TASKS = {
  'captions': (
    record_folder.write_captions,
    pretraining.PretrainingTask,
    pretraining.PretrainingConfig(),
  ),
  'questions': (
    record_folder.write_questions,
    vqa.VqaTask,
    vqa.VqaConfig(),
  ),
  'choices': (
    record_folder.write_choices,
    vcr.VcrTask,
    vcr.VcrConfig(outlines=True),
  ),
}


def _task(folder, records, kind, **fields):
  _, task_class, config = TASKS[kind]
  (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  (folder / 'answers.txt').write_text('yes\nno\nleft\nright\n')
  files = {'vocab_file': str(folder / 'vocab.txt')}
  if kind == 'questions':
    files['answers_file'] = str(folder / 'answers.txt')
  config = config.replace(**files)
  config.override(
    {
      'model': {**small_model.SETTINGS, **fields.pop('model', {})},
      'train_data': {'path': str(records), 'global_batch_size': 8},
      **fields,
    }
  )
  return task_class(config)


def _batch(task, is_training=True):
  data = task.task_config.train_data.replace(is_training=is_training)
  return {
    name: value.numpy()
    for name, value in next(iter(task.build_inputs(data))).items()
  }


@pytest.mark.parametrize('kind', list(TASKS))
def test_an_image_is_mirrored_with_its_boxes_in_training_alone(tmp_path, kind):
  records = TASKS[kind][0](tmp_path)
  plain = _batch(_task(tmp_path, records, kind))
  always = _task(tmp_path, records, kind, flip_probability=1.0)
  flipped, judged = _batch(always), _batch(always, is_training=False)

  np.testing.assert_array_equal(
    flipped[elements.EXAMPLE_ID], plain[elements.EXAMPLE_ID]
  )
  assert (plain[elements.IMAGE_SIZE] == [15, 20]).all()
  before, after = (b[elements.IMAGE][:, :15, :20] for b in (plain, flipped))
  np.testing.assert_array_equal(after, before[:, :, ::-1])
  # x1 becomes 20 - x2.
  real = plain[elements.ROI_MASK]
  x1, y1, x2, y2 = plain[elements.BOXES][real].T
  np.testing.assert_allclose(
    flipped[elements.BOXES][real].T, [20 - x2, y1, 20 - x1, y2], rtol=1e-5
  )
  # Annotated boxes begin at 2 of 40 pixels; a mirrored one would end at 38.
  assert judged[elements.BOXES][:, 0, 0].tolist() == [1.0] * 8
  if kind == 'choices':
    masks = [b[elements.ROI_CELL_MASKS][:, 0] for b in (plain, flipped)]
    np.testing.assert_array_equal(masks[1], masks[0][..., ::-1])
    assert (masks[1] != masks[0]).any()


def test_left_and_right_of_questions_and_answers_change_with_the_image(
  tmp_path,
):
  records = record_folder.write_questions(
    tmp_path, text='left {} right', answers=('left', 'yes')
  )
  always = _task(tmp_path, records, 'questions', flip_probability=1.0)
  flipped, judged = _batch(always), _batch(always, is_training=False)

  for batch, words, answers in (
    (flipped, ('right', 'left'), (3, 0)),
    (judged, ('left', 'right'), (2, 0)),
  ):
    ids = batch[elements.WORD_IDS]
    assert {WORDS[w] for w in ids[:, 1]} == {words[0]}
    assert {WORDS[w] for w in ids[:, 3]} == {words[1]}
    # Question n of an image is answered by the first where n is even.
    numbers = [int(i) % 10 % 2 for i in batch[elements.EXAMPLE_ID]]
    expected = [answers[n] for n in numbers]
    assert batch[elements.ANSWER_LABEL].tolist() == expected
    scores = batch[elements.ANSWER_SCORES]
    np.testing.assert_array_equal(np.argmax(scores, 1), expected)


@pytest.mark.parametrize('kind', ['captions', 'questions'])
def test_features_cannot_be_mirrored(tmp_path, kind):
  features = Contents(image=False, appearance_size=4)
  records = TASKS[kind][0](tmp_path, contents=features)
  task = _task(
    tmp_path,
    records,
    kind,
    flip_probability=0.5,
    model={'visual_features': 'precomputed', 'appearance_size': 4},
  )
  with pytest.raises(ValueError, match='flip_probability=0.5. Set it to 0'):
    _batch(task)
