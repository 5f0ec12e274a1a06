"""The official VQA accuracy, against a second way to count it."""

import json
import random

import pytest

from vlbert_tf.evaluation import vqa
from vlbert_tf.text.answers import normalize_answer


def _person_by_person(prediction, answers):
  """The definition, without the closed form: leave out each in turn."""
  total = 0.0
  for i in range(len(answers)):
    matches = sum(answers[j] == prediction for j in range(10) if j != i)
    total += min(1.0, matches / 3)
  return total / len(answers)


# Each row is one answer, as people spell it.
SPELLINGS = (
  ('red', 'Red', 'the red', 'red.', 'A red!'),
  ('2', 'two', 'Two.', '(2)', 'the two'),
  ('ice cream', 'ice-cream', 'an ice cream', 'Ice/cream?'),
  ("don't", 'dont', "DON'T", 'dont.'),
  ('0', 'none', 'zero', '"None"'),
)


def test_accuracy_equals_the_definition_on_random_answers():
  rng = random.Random(3)
  kinds = range(len(SPELLINGS))
  for _ in range(1000):
    meant = [rng.choice(kinds[: rng.randint(1, 5)]) for _ in range(10)]
    predicted = rng.choice(kinds)

    accuracy = vqa.question_accuracy(
      rng.choice(SPELLINGS[predicted]),
      [rng.choice(SPELLINGS[kind]) for kind in meant],
    )

    assert accuracy == pytest.approx(_person_by_person(predicted, meant))


@pytest.mark.parametrize(
  ('matches', 'accuracy'), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1)]
)
def test_accuracy_by_hand(matches, accuracy):
  answers = ['yes'] * matches + ['no'] * (10 - matches)

  assert vqa.question_accuracy('Yes.', answers) == pytest.approx(accuracy)


def _annotation(number, answers, answer_type, question_type):
  return {
    'question_id': number,
    'image_id': 1,
    'answer_type': answer_type,
    'question_type': question_type,
    'multiple_choice_answer': max(sorted(set(answers)), key=answers.count),
    'answers': [
      {'answer': answer, 'answer_confidence': 'yes', 'answer_id': i + 1}
      for i, answer in enumerate(answers)
    ],
  }


@pytest.fixture
def annotations(tmp_path):
  """Three questions of two types of answer and of question."""
  rows = [
    _annotation(1, ['yes'] * 10, 'yes/no', 'is the'),
    _annotation(2, ['no'] * 8 + ['yes'] * 2, 'yes/no', 'is the'),
    _annotation(3, ['red'] * 9 + ['dark red'], 'other', 'what color'),
  ]
  path = tmp_path / 'annotations.json'
  path.write_text(json.dumps({'annotations': rows}))
  return str(path)


def _results(tmp_path, answers):
  path = tmp_path / 'results.json'
  answers = list(answers)
  assert vqa.write_results(str(path), answers) == len(answers)
  return str(path)


def test_accuracies_are_split_by_type(tmp_path, annotations):
  results = _results(tmp_path, [(1, 'yes'), (2, 'yes'), (3, 'dark red')])

  accuracy = vqa.evaluate_results(results, annotations)

  # 1.0, 0.6 and 0.3.
  assert accuracy.overall == pytest.approx(63.33)
  assert accuracy.by_answer_type == {'other': 30.0, 'yes/no': 80.0}
  assert accuracy.by_question_type == {'is the': 80.0, 'what color': 30.0}
  assert accuracy.questions == 3


def test_one_that_knows_gets_all_and_one_that_guesses_gets_chance(tmp_path):
  words = ['yes', 'no', '2', 'red']
  truth = [words[k % 4] for k in range(400)]
  rows = [
    _annotation(k, [answer] * 10, 'other', 'what')
    for k, answer in enumerate(truth)
  ]
  path = tmp_path / 'annotations.json'
  path.write_text(json.dumps({'annotations': rows}))
  shuffled = random.Random(5).sample(truth, len(truth))

  knows, guesses = (
    vqa.evaluate_results(_results(tmp_path, enumerate(answers)), str(path))
    for answers in (truth, shuffled)
  )

  assert knows.overall == 100.0
  assert abs(guesses.overall - 25) < 9  # 4 σ of 400 draws


def test_the_result_file_has_the_official_form(tmp_path):
  path = _results(tmp_path, [(458752000, 'net'), (458752001, 'pitcher')])

  with open(path) as file:
    assert json.load(file) == [
      {'question_id': 458752000, 'answer': 'net'},
      {'question_id': 458752001, 'answer': 'pitcher'},
    ]


@pytest.mark.parametrize(
  ('answers', 'message'),
  [
    ([(1, 'yes')], r'2 questions have no answer \(first: \[2, 3\]\)'),
    ([(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')], r'1 are not in .*\[4\]'),
    ([(1, 'a'), (1, 'b')], '2 answers to 1 questions'),
  ],
)
def test_results_for_other_questions_are_refused(
  tmp_path, annotations, answers, message
):
  results = _results(tmp_path, answers)

  with pytest.raises(ValueError, match=message):
    vqa.evaluate_results(results, annotations)


@pytest.mark.parametrize(
  'content',
  [
    '[{"id": 1}]',
    '[{"question_id": 1, "answer": 2}]',
    '[{"question_id": "1", "answer": "2"}]',
    '[[1, "yes"]]',
    '{"1": "yes"}',
  ],
)
def test_results_of_another_form_are_refused(tmp_path, annotations, content):
  broken = tmp_path / 'broken.json'
  broken.write_text(content)

  with pytest.raises(ValueError, match='is a list of {"question_id": number'):
    vqa.evaluate_results(str(broken), annotations)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('[]', 'an object with a list "annotations"'),
    ('{"annotations": []}', 'an object with a list "annotations"'),
    ('{"annotations": [{"question_id": 1}]}', 'has question_id, answers'),
    (
      '{"annotations": [{"question_id": 1, "answers": []}]}',
      'has question_id, answers',
    ),
    (
      '{"annotations": [{"question_id": 1, "answers": [{"answer": "a"}]}, '
      '{"question_id": 1, "answers": [{"answer": "a"}]}]}',
      '2 rows of 1 questions',
    ),
    ('{"annotations": [', 'are JSON'),
  ],
)
def test_annotations_of_another_form_are_refused(tmp_path, content, message):
  broken = tmp_path / 'broken.json'
  broken.write_text(content)

  with pytest.raises(ValueError, match=message):
    vqa.evaluate_results(_results(tmp_path, [(1, 'a')]), str(broken))


def test_a_missing_file_is_named(annotations):
  with pytest.raises(ValueError, match='There is no file /none'):
    vqa.evaluate_results('/none', annotations)


def test_people_of_the_official_files_mostly_agree_with_the_most_frequent(
  tmp_path, fixtures
):
  name = 'v2_mscoco_val2014_annotations.json'
  annotations = fixtures / 'vqa' / name
  rows = json.loads(annotations.read_text())['annotations']
  answers = [
    (row['question_id'], row['multiple_choice_answer']) for row in rows
  ]

  accuracy = vqa.evaluate_results(_results(tmp_path, answers), str(annotations))

  expected = [
    _person_by_person(
      normalize_answer(row['multiple_choice_answer']),
      [normalize_answer(answer['answer']) for answer in row['answers']],
    )
    for row in rows
  ]
  assert accuracy.questions == len(rows)
  # Rounded to two places.
  assert accuracy.overall == pytest.approx(
    100 * sum(expected) / len(rows), abs=0.005
  )
  assert set(accuracy.by_answer_type) <= {'yes/no', 'number', 'other'}


def test_the_blind_baseline_gives_the_most_frequent_answer_of_a_type(
  tmp_path, annotations
):
  test_rows = [
    _annotation(7, ['no'] * 10, 'yes/no', 'is the'),
    _annotation(8, ['blue'] * 10, 'other', 'what color'),
    _annotation(9, ['2'] * 10, 'number', 'how many'),
  ]
  path = tmp_path / 'test.json'
  path.write_text(json.dumps({'annotations': test_rows}))

  answers = vqa.most_frequent_answers(annotations, str(path))

  # 'no' and 'yes' are both seen once: the first by text. A type that was
  # never seen gets the most frequent answer of all.
  assert answers == [(7, 'no'), (8, 'red'), (9, 'no')]
