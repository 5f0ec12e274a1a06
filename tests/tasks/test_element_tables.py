"""What each task makes of an example, by hand from VL-BERT §3.2 and fig. 2."""

import pytest

from tests.data import record_folder
from tests.tasks import small_model
from tests.tasks.element_table import Element, element_table
from vlbert_tf import elements
from vlbert_tf.tasks import pretraining, refcoco, vcr, vqa

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
WORDS += ['is', 'it', '?', 'a', 'b', 'left', 'right', *map(str, range(10))]


def _table(folder, write, task_class, config, example_id, text=0):
  records = write(folder, images=4)
  (folder / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
  config.override(
    {
      'vocab_file': str(folder / 'vocab.txt'),
      'model': small_model.SETTINGS,
      'validation_data': {
        'path': str(records),
        'split': 'train',
        'is_training': False,
        'global_batch_size': 1,
      },
    }
  )
  task = task_class(config)
  for batch in task.build_inputs(config.validation_data):
    if batch[elements.EXAMPLE_ID][0] == example_id:
      return element_table(batch, text, WORDS)
  return pytest.fail(f'there is no example {example_id}')


def test_caption_and_image(tmp_path):
  config = pretraining.PretrainingConfig(
    word_mask_rate=0.0, roi_mask_rate=0.0, swap_probability=0.0
  )

  table = _table(
    tmp_path,
    record_folder.write_captions,
    pretraining.PretrainingTask,
    config,
    '1#1',
  )

  assert table == [
    Element('[CLS]', 'A', 0, 'image'),
    Element('b', 'A', 1, 'image'),
    Element('1', 'A', 2, 'image'),
    Element('[SEP]', 'A', 3, 'image'),
    Element('[IMG]', 'C', 4, 'RoI 1'),
    Element('[IMG]', 'C', 4, 'RoI 2'),
    Element('[END]', 'C', 5, 'image'),
  ]


def test_question_answer_and_image(tmp_path):
  (tmp_path / 'answers.txt').write_text('yes\nno\n')
  config = vqa.VqaConfig(answers_file=str(tmp_path / 'answers.txt'))

  table = _table(
    tmp_path, record_folder.write_questions, vqa.VqaTask, config, '10'
  )

  assert table == [
    Element('[CLS]', 'A', 0, 'image'),
    Element('is', 'A', 1, 'image'),
    Element('it', 'A', 2, 'image'),
    Element('1', 'A', 3, 'image'),
    Element('?', 'A', 4, 'image'),
    Element('[SEP]', 'A', 5, 'image'),
    Element('[MASK]', 'B', 6, 'image'),
    Element('[SEP]', 'B', 7, 'image'),
    Element('[IMG]', 'C', 8, 'RoI 1'),
    Element('[IMG]', 'C', 8, 'RoI 2'),
    Element('[END]', 'C', 9, 'image'),
  ]


def test_query_and_image(tmp_path):
  table = _table(
    tmp_path,
    record_folder.write_expressions,
    refcoco.RefcocoTask,
    refcoco.RefcocoConfig(),
    '22',
  )

  assert table == [
    Element('[CLS]', 'A', 0, 'image'),
    Element('left', 'A', 1, 'image'),
    Element('2', 'A', 2, 'image'),
    Element('[SEP]', 'A', 3, 'image'),
    Element('[IMG]', 'C', 4, 'RoI 1'),
    Element('[IMG]', 'C', 4, 'RoI 2'),
    Element('[IMG]', 'C', 4, 'RoI 3'),
    Element('[END]', 'C', 5, 'image'),
  ]


def test_question_with_candidate_answer_and_image(tmp_path):
  table = _table(
    tmp_path,
    record_folder.write_choices,
    vcr.VcrTask,
    vcr.VcrConfig(),
    '1-0',
    text=3,
  )

  # 'a' has tag 0, which is the last of the two RoIs of image 1.
  assert table == [
    Element('[CLS]', 'A', 0, 'image'),
    Element('is', 'A', 1, 'image'),
    Element('a', 'A', 2, 'RoI 2'),
    Element('b', 'A', 3, 'image'),
    Element('?', 'A', 4, 'image'),
    Element('[SEP]', 'A', 5, 'image'),
    Element('it', 'B', 6, 'image'),
    Element('3', 'B', 7, 'image'),
    Element('[SEP]', 'B', 8, 'image'),
    Element('[IMG]', 'C', 9, 'RoI 1'),
    Element('[IMG]', 'C', 9, 'RoI 2'),
    Element('[END]', 'C', 10, 'image'),
  ]


def test_question_and_right_answer_with_candidate_rationale_and_image(tmp_path):
  table = _table(
    tmp_path,
    record_folder.write_choices,
    vcr.VcrTask,
    vcr.VcrConfig(sub_task='rationale'),
    '1-0',
    text=2,
  )

  assert table == [
    Element('[CLS]', 'A', 0, 'image'),
    Element('is', 'A', 1, 'image'),
    Element('a', 'A', 2, 'RoI 2'),
    Element('b', 'A', 3, 'image'),
    Element('?', 'A', 4, 'image'),
    # Right is answer 1.
    Element('it', 'A', 5, 'image'),
    Element('1', 'A', 6, 'image'),
    Element('[SEP]', 'A', 7, 'image'),
    Element('a', 'B', 8, 'RoI 2'),
    Element('2', 'B', 9, 'image'),
    Element('[SEP]', 'B', 10, 'image'),
    Element('[IMG]', 'C', 11, 'RoI 1'),
    Element('[IMG]', 'C', 11, 'RoI 2'),
    Element('[END]', 'C', 12, 'image'),
  ]
