"""The page on errors: what is counted, chosen and shown."""

import html.parser

import pytest

from vlbert_tf.evaluation import report, word_kinds


def judged(place, question, answer, confidence, accuracy, truth):
  return report.Judged(
    place=place,
    item=f'question {100 + place}',
    text=question,
    answer=answer,
    confidence=confidence,
    accuracy=accuracy,
    truth=truth,
    types={
      'first words': report.first_words(question),
      'type of answer': report.answer_type(truth),
    },
  )


ANSWERS = [
  judged(0, 'Is the ball red?', 'yes', 0.9, 1.0, 'yes'),
  judged(1, 'Is the <b>cat</b> red?', 'no', 0.8, 0.0, 'yes'),
  judged(2, 'How many balls?', '2', 0.5, 0.3, '3'),
  judged(3, 'What is it?', 'cat', 0.95, 0.0, ''),
]


def test_accuracy_is_told_by_type():
  by_words = report.groups(ANSWERS, 'first words')
  by_answer = report.groups(ANSWERS, 'type of answer')

  assert [(g.name, g.count, g.accuracy) for g in by_words] == [
    ('is the', 2, 0.5),
    ('how many', 1, 0.3),
    ('what is', 1, 0.0),
  ]
  assert by_words[0].confidence == pytest.approx(0.85)
  assert {g.name: g.count for g in by_answer} == {
    'yes/no': 2,
    'not among the answers': 1,
    'number': 1,
  }


def test_what_has_no_type_of_a_kind_is_in_no_group():
  assert report.groups(ANSWERS, 'color') == []


def test_the_worst_were_the_most_sure_of_what_is_wrong():
  # 0.95, 0.8 and 0.5 · 0.7; the first answer is right.
  assert [one.place for one in report.worst(ANSWERS, 9)] == [3, 1, 2]
  assert [one.place for one in report.worst(ANSWERS, 1)] == [3]


def test_a_random_sample_is_the_same_each_time_and_has_no_repeats():
  first = report.some(ANSWERS, 2)

  assert first == report.some(ANSWERS, 2)
  assert len({one.place for one in first}) == 2
  assert report.some(ANSWERS, 9) == ANSWERS


SECTION = report.Section(heading='Answers', noun='questions', judged=ANSWERS)


def test_a_page_needs_pictures_of_its_cases_alone():
  # The worst two, and the sample of two.
  sampled = {one.place for one in report.some(ANSWERS, 2)}

  assert report.places([SECTION], 2) == {3, 1} | sampled
  assert report.places([SECTION], 9) == {0, 1, 2, 3}


class _Reader(html.parser.HTMLParser):
  """Tags with their attributes, and text."""

  def __init__(self):
    super().__init__()
    self.tags, self.text = [], ''

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))

  def handle_data(self, data):
    self.text += data


def test_the_page_shows_everything_and_loads_nothing(tmp_path):
  folder = tmp_path / 'new' / 'report'

  path = report.write(
    str(folder),
    'runs/vqa & more',
    [SECTION, report.Section(heading='None', noun='things', judged=[])],
    2,
    {1: b'PNG'},
  )

  assert path == str(folder / 'index.html')
  reader = _Reader()
  reader.feed((folder / 'index.html').read_text(encoding='utf-8'))
  # (1 + 0 + 0.3 + 0) / 4 and (0.9 + 0.8 + 0.5 + 0.95) / 4.
  assert '4 questions. Accuracy 32.5 %, mean confidence 78.8 %' in reader.text
  assert 'Is the <b>cat</b> red?' in reader.text
  assert 'model: no, 80.0 %' in reader.text
  images = [
    attributes['src'] for tag, attributes in reader.tags if tag == 'img'
  ]
  # Once as one of the worst, and again if it is in the sample.
  sampled = [one.place for one in report.some(ANSWERS, 2)]
  assert images == ['data:image/png;base64,UE5H'] * (1 + sampled.count(1))
  assert 'By type of answer' in reader.text
  assert 'None' not in reader.text
  bars = [a for tag, a in reader.tags if a.get('class') == 'bar']
  # Confidences 0.9 and 0.95 share a bin of ten: accuracy 0.5.
  assert len(bars) == 3
  assert (bars[-1]['x'], bars[-1]['height']) == ('90.0', '50.0')
  for _, attributes in reader.tags:
    for name in ('src', 'href'):
      assert not attributes.get(name, '').startswith('http')


def test_a_report_of_nothing_is_refused(tmp_path):
  with pytest.raises(ValueError, match='needs answers. Received: none'):
    report.write(str(tmp_path), '', [], 1, {})


@pytest.mark.parametrize(
  ('piece', 'kind'),
  [
    ('##ing', 'rest of a word'),
    ('7', 'number'),
    ('two', 'number'),
    ('the', 'function word'),
    (',', 'punctuation'),
    ('ball', 'content word'),
  ],
)
def test_word_pieces_are_of_kinds(piece, kind):
  assert word_kinds.word_kind(piece) == kind
