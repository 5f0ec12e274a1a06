"""VQA's questions and answers come together by image."""

import json

import pytest

from vlbert_tf.data.annotations import Drop, Question, Region
from vlbert_tf.data.readers import coco, vqa

IMAGES = {42: '/i/COCO_val2014_000000000042.jpg', 43: '/i/43.jpg'}
INSTANCES = coco.Instances(
  ('dog',),
  {42: coco.ImageRegions((Region((0.0, 0.0, 2.0, 3.0), 1),), (7, 11))},
  {},
  (),
)


def _question(question_id, image_id=42, text='Is it red?'):
  return {'question_id': question_id, 'image_id': image_id, 'question': text}


def _annotation(question_id, *answers, **changes):
  return {
    'question_id': question_id,
    'image_id': 42,
    'question_type': 'is it',
    'answer_type': 'yes/no',
    'multiple_choice_answer': 'yes',
    'answers': [
      {'answer': answer, 'answer_confidence': 'yes', 'answer_id': k + 1}
      for k, answer in enumerate(answers)
    ],
    **changes,
  }


def _read(tmp_path, questions, annotations=None):
  question_path = tmp_path / 'questions.json'
  question_path.write_text(json.dumps({'questions': questions}))
  annotation_path = None
  if annotations is not None:
    annotation_path = tmp_path / 'annotations.json'
    annotation_path.write_text(json.dumps({'annotations': annotations}))
  items = list(
    vqa.read_images(
      str(question_path),
      annotation_path and str(annotation_path),
      IMAGES,
      INSTANCES,
    )
  )
  drops = [item for item in items if isinstance(item, Drop)]
  return [item for item in items if not isinstance(item, Drop)], drops


def test_answers_are_counted_and_the_most_frequent_comes_first(tmp_path):
  answers = ['no'] * 3 + ['yes'] * 3 + ['  maybe   so '] * 4
  (image,), drops = _read(
    tmp_path,
    [_question(420), _question(421, text=' How\n many? ')],
    [_annotation(421, '2'), _annotation(420, *answers)],
  )
  assert drops == []
  assert (image.image_id, image.image_path) == ('42', IMAGES[42])
  assert image.size == (7, 11)
  assert image.regions == INSTANCES.of_id(42).regions
  assert image.questions == (
    Question(
      420,
      'Is it red?',
      'is it',
      'yes/no',
      (('maybe so', 4), ('no', 3), ('yes', 3)),
    ),
    Question(421, 'How many?', 'is it', 'yes/no', (('2', 1),)),
  )


def test_answers_that_the_metric_takes_as_one_are_counted_as_one(tmp_path):
  (image,), _ = _read(
    tmp_path,
    [_question(420)],
    [_annotation(420, 'Two', '2', 'two dogs', '2.', 'the two')],
  )
  assert image.questions[0].answers == (('2', 4), ('2 dogs', 1))


def test_questions_of_a_test_split_have_no_answers(tmp_path):
  images, drops = _read(tmp_path, [_question(420), _question(430, 43)])
  assert [image.image_id for image in images] == ['42', '43']
  assert images[1].questions == (Question(430, 'Is it red?'),)
  assert images[1].regions == ()
  assert drops == []


@pytest.mark.parametrize(
  ('question', 'annotation', 'reason'),
  [
    (_question(1, text=' \n'), _annotation(1, 'red'), 'question_empty'),
    (_question(1, text=None), _annotation(1, 'red'), 'question_empty'),
    ({'question_id': 1}, _annotation(420, 'red'), 'question_malformed'),
    (None, _annotation(420, 'red'), 'question_malformed'),
    (_question(420), _annotation(420, 'red'), 'question_duplicate'),
    (_question(1), _annotation(420, 'red'), 'question_without_annotation'),
    (_question(1), _annotation(1), 'too_few_answers'),
    (_question(1), _annotation(1, None, 3), 'too_few_answers'),
    (_question(1), _annotation(1, *'abcdefghijk'), 'too_many_answers'),
    (_question(1), _annotation(1, answers='yes'), 'too_few_answers'),
    (
      _question(1),
      _annotation(1, 'red', image_id=43),
      'annotation_of_another_image',
    ),
  ],
)
def test_a_bad_question_is_set_aside(tmp_path, question, annotation, reason):
  annotations = [_annotation(420, 'yes')]
  if annotation['question_id'] != 420:
    annotations.append(annotation)
  (image,), drops = _read(tmp_path, [_question(420), question], annotations)
  assert [asked.question_id for asked in image.questions] == [420]
  questions = [drop for drop in drops if drop.annotations]
  assert [drop.reason for drop in questions] == [reason]
  assert questions[0].annotations == 1


def test_an_annotation_without_question_is_set_aside(tmp_path):
  images, drops = _read(
    tmp_path, [_question(420)], [_annotation(7, 'red'), _annotation(420, 'red')]
  )
  assert len(images) == 1
  assert [(drop.item, drop.reason) for drop in drops] == [
    ('question 7', 'annotation_without_question')
  ]


def test_the_first_of_two_annotations_counts(tmp_path):
  (image,), drops = _read(
    tmp_path,
    [_question(420)],
    [_annotation(420, 'red'), _annotation(420, 'blue')],
  )
  assert image.questions[0].answers == (('red', 1),)
  assert [drop.reason for drop in drops] == ['annotation_duplicate']
  assert drops[0].annotations == 0


def test_an_image_that_is_not_there_takes_its_questions_along(tmp_path):
  images, drops = _read(
    tmp_path, [_question(1, 99), _question(2, 99), _question(420)]
  )
  assert [image.image_id for image in images] == ['42']
  assert [(d.item, d.reason, d.images, d.annotations) for d in drops] == [
    ('image 99', 'image_missing', 1, 2)
  ]
