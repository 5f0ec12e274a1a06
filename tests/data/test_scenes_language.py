"""What is said of a scene, checked by a reader of its own.

The reader knows English words by its own table and looks at the list of
objects, at nothing that the writer of the sentences knew.
"""

import collections
import functools
import itertools
import re

import numpy as np
import pytest

from vlbert_tf.data.scenes import answers, captions, questions, world

_WORDS = {
  'shape': {
    'cube': 'cube box block',
    'ball': 'ball sphere orb',
    'cylinder': 'cylinder can drum',
    'cone': 'cone',
    'ring': 'ring hoop donut',
    'star': 'star',
    'cross': 'cross plus',
    'heart': 'heart',
    'moon': 'moon crescent',
  },
  'color': {
    'red': 'red scarlet',
    'orange': 'orange tangerine',
    'yellow': 'yellow golden',
    'green': 'green emerald',
    'blue': 'blue navy',
    'purple': 'purple violet',
    'white': 'white ivory',
    'black': 'black ebony',
  },
  'material': {
    'matte': 'matte dull plain',
    'metal': 'metal shiny metallic polished',
    'striped': 'striped stripy',
    'dotted': 'dotted spotted',
  },
  'size': {
    'small': 'small little tiny mini',
    'large': 'large big huge giant',
  },
}
_MEANING = {
  word: (attribute, value)
  for attribute, values in _WORDS.items()
  for value, words in values.items()
  for word in words.split()
}
_PLURALS = {'boxes': 'box', 'crosses': 'cross', 'pluses': 'plus'}
_THINGS = ('object', 'thing', 'item')
_NUMBERS = 'zero one two three four five six seven eight nine ten'.split()
_RELATIONS = (
  (' left of ', 'left'),
  (' left side of ', 'left'),
  (' right of ', 'right'),
  (' right side of ', 'right'),
  (' above ', 'above'),
  (' higher ', 'above'),
  (' behind ', 'above'),
  (' farther back ', 'above'),
  (' below ', 'below'),
  (' lower ', 'below'),
  (' in front ', 'below'),
  (' nearer ', 'below'),
)


def _singular(word):
  if word in _PLURALS:
    return _PLURALS[word]
  return word[:-1] if word.endswith('s') and word[:-1] else word


def _is_noun(word):
  stem = word if word in _MEANING else _singular(word)
  return stem in _THINGS or _MEANING.get(stem, ('',))[0] == 'shape'


def _noun_phrases(text):
  """(word before it, attributes) of each run of known words and a noun."""
  # The verb 'can' is no can.
  text = re.sub(r'\bcan (you|be|see)\b', r'\1', text.lower())
  words = re.sub(r'[?.,:]', ' ', text).split()
  found, said, before = [], {}, ''
  for place, word in enumerate(words):
    stem = word if word in _MEANING else _singular(word)
    if _is_noun(word):
      if stem in _MEANING:
        said = {**said, 'shape': _MEANING[stem][1]}
      found.append((before if said or stem in _THINGS else '', said))
      said, before = {}, word
    elif word in _MEANING:
      if not said:
        before = words[place - 1]
      said = {**said, _MEANING[word][0]: _MEANING[word][1]}
      continue
    else:
      said, before = {}, word
  return found


def _fitting(scene, said):
  return [
    each
    for each in scene.objects
    if all(getattr(each, key) == value for key, value in said.items())
  ]


def _is_so(relation, one, other):
  """Weaker than what a writer may claim: the direction must be right."""
  (x, y), (other_x, other_y) = one.center, other.center
  return {
    'left': x < other_x - 10,
    'right': x > other_x + 10,
    'above': y < other_y - 10,
    'below': y > other_y + 10,
  }[relation]


@functools.cache
def _asked(count=300):
  scenes = [
    world.sample_scene(np.random.default_rng((5, n))) for n in range(count)
  ]
  return [
    (scene, question)
    for n, scene in enumerate(scenes)
    for question in questions.ask_questions(
      scene, np.random.default_rng((6, n))
    )
  ]


def _of(*families):
  return [(s, q) for s, q in _asked() if q.family in families]


def test_attribute_questions_name_one_object_and_their_answer_is_true():
  asked = _of('color', 'shape', 'material', 'size')
  for scene, question in asked:
    text = question.text
    if question.family in ('size', 'material'):
      # The choices in 'large or small', 'how big', 'metal, striped or ...'.
      text = re.sub(r' (large|small) or (large|small)\?', '', text)
      text = re.sub(r'^How \w+', '', text)
      text = text.split(' matte , ')[0].split(' striped , dotted , metal')[0]
    ((_, said),) = [p for p in _noun_phrases(text) if p[1]]
    assert question.family not in said, question
    (each,) = _fitting(scene, said)
    assert getattr(each, question.family) == question.answer, question
  assert len(asked) > 600


def test_something_exists_exactly_where_the_answer_is_yes():
  asked = _of('existence')
  for scene, question in asked:
    ((_, said),) = [p for p in _noun_phrases(question.text) if p[1]]
    assert (question.answer == 'yes') == bool(_fitting(scene, said)), question
  assert len(asked) > 200


def test_counts_are_exact():
  asked = _of('count')
  for scene, question in asked:
    text = question.text.replace('of the objects', '')
    ((_, said),) = _noun_phrases(text)
    assert int(question.answer) == len(_fitting(scene, said)), question
  assert len(asked) > 80


def test_an_object_left_of_another_is_there():
  asked = _of('relation', 'related_shape', 'related_color')
  for scene, question in asked:
    relation = next(r for cue, r in _RELATIONS if cue in question.text)
    said = [s for _, s in _noun_phrases(question.text) if s]
    named = [_fitting(scene, s) for s in said]
    assert all(len(fitting) == 1 for fitting in named), question
    if question.family == 'relation':
      (one,), (other,) = named
      assert _is_so(relation, one, other) == (question.answer == 'yes')
    else:
      ((anchor,),) = named
      (there,) = [
        o
        for o in scene.objects
        if o is not anchor and _is_so(relation, o, anchor)
      ]
      asked_for = question.family.removeprefix('related_')
      assert getattr(there, asked_for) == question.answer
  assert len(asked) > 20


def test_no_blind_guess_by_question_type_is_right_often():
  by_type = collections.defaultdict(collections.Counter)
  for _, question in _asked():
    by_type[question.question_type][question.answer] += 1
  guessed = sum(c.most_common(1)[0][1] for c in by_type.values())
  assert guessed / len(_asked()) < 0.45
  yes = [question.answer == 'yes' for _, question in _of('existence')]
  assert abs(np.mean(yes) - 0.5) < 0.12  # 4 σ of about 300 fair coins


def test_the_mixture_of_questions_is_as_promised():
  shares = collections.Counter(question.family for _, question in _asked())
  total = len(_asked())
  attributes = sum(shares[k] for k in ('color', 'shape', 'material', 'size'))
  assert 0.70 < attributes / total < 0.80
  assert 0.07 < shares['existence'] / total < 0.13
  assert 0.035 < shares['count'] / total < 0.09
  # 31 attribute values and numbers are answers at least, 60 at most.
  assert 31 <= len({question.answer for _, question in _asked()}) <= 60


@functools.cache
def _told(count=300):
  told = []
  for n in range(count):
    scene = world.sample_scene(np.random.default_rng((8, n)))
    rng = np.random.default_rng((9, n))
    told += [(scene, text) for text in captions.write_captions(scene, rng)]
  return told


def test_captions_say_only_what_is_there_and_count_exactly():
  counted = 0
  for scene, text in _told():
    phrases = [p for p in _noun_phrases(text) if p[1]]
    assert phrases, text
    for before, said in phrases:
      number = len(_fitting(scene, said))
      if before in _NUMBERS:
        assert number == _NUMBERS.index(before), text
        counted += 1
      elif before in ('a', 'an'):
        assert number >= 1, text
  assert counted > 60


def test_relations_in_captions_hold_for_some_pair():
  checked = 0
  for scene, text in _told():
    relation = next((r for cue, r in _RELATIONS if cue in text), None)
    said = [s for _, s in _noun_phrases(text) if s]
    if relation is None or len(said) != 2:
      continue
    pairs = itertools.product(*(_fitting(scene, s) for s in said))
    assert any(_is_so(relation, *pair) for pair in pairs), text
    checked += 1
  assert checked > 60


def test_captions_are_lower_case_with_spaces_around_punctuation():
  for _, text in _told():
    assert text == text.lower()
    assert text.endswith(' .')
    assert not re.search(r'\w[.,]|[.,]\w', text)


def test_there_are_several_hundred_distinct_words():
  texts = [t for _, t in _told()] + [q.text.lower() for _, q in _asked()]
  words = {w for t in texts for w in re.findall(r"[a-z']+", t)}
  assert len(words) > 300


@pytest.mark.parametrize('answer', ['red', 'cube', '0', '3', 'no', 'sand'])
def test_ten_people_answer_and_most_of_them_say_the_truth(answer):
  question = questions.Question('?', answer, 'color', 'what', 'other')
  disagreed = 0
  for seed in range(100):
    given = answers.human_answers(question, np.random.default_rng(seed))
    texts = [each['answer'] for each in given]
    assert [each['answer_id'] for each in given] == list(range(1, 11))
    assert {g['answer_confidence'] for g in given} <= {'yes', 'maybe', 'no'}
    assert texts.count(answer) >= 7
    assert answers.most_frequent(given) == answer
    disagreed += len(set(texts)) > 1
  assert 30 < disagreed < 90


def test_everything_that_can_be_the_truth_has_dissenters():
  for _, question in _asked():
    for seed in range(3):
      answers.human_answers(question, np.random.default_rng(seed))
