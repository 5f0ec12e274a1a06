"""Held-out objects told from the others, on a hand-made test image."""

import json
import pickle

import pytest

from vlbert_tf.study import measures

# Image 7 shows a red cube, held out, and a blue ball; image 8 a blue ball.
_BOXES = {1: [0, 0, 10, 10], 2: [20, 20, 10, 10], 3: [5, 5, 20, 20]}
_PLACES = {1: (7, 1), 2: (7, 2), 3: (8, 2)}


@pytest.fixture
def data(tmp_path):
  (tmp_path / 'held_out.txt').write_text('red cube\n')
  instances = {
    'images': [
      {'id': k, 'file_name': f'{k}.jpg', 'width': 60, 'height': 40}
      for k in (7, 8)
    ],
    'annotations': [
      {
        'id': k,
        'image_id': _PLACES[k][0],
        'category_id': _PLACES[k][1],
        'bbox': box,
        'area': 1,
        'iscrowd': 0,
      }
      for k, box in _BOXES.items()
    ],
    'categories': [
      {'id': 1, 'name': 'red cube'},
      {'id': 2, 'name': 'blue ball'},
    ],
  }
  text = json.dumps(instances)
  (tmp_path / 'instances_test.json').write_text(text)
  (tmp_path / 'refcoco+').mkdir()
  (tmp_path / 'refcoco+' / 'instances.json').write_text(text)
  references = [
    {
      'ref_id': k,
      'ann_id': k,
      'image_id': _PLACES[k][0],
      'category_id': _PLACES[k][1],
      'split': 'testA' if k < 3 else 'testB',
      'file_name': f'{_PLACES[k][0]}.jpg',
      'sent_ids': [k],
      'sentences': [
        {'sent_id': k, 'sent': 'it', 'raw': 'it', 'tokens': ['it']}
      ],
    }
    for k in _BOXES
  ]
  path = tmp_path / 'refcoco+' / 'refs(unc).p'
  path.write_bytes(pickle.dumps(references, protocol=2))
  return tmp_path


def _write(path, value):
  path.parent.mkdir(exist_ok=True)
  path.write_text(json.dumps(value))
  return str(path)


def test_questions_about_images_with_a_held_out_object_are_apart(data):
  (data / 'vqa').mkdir()
  annotations = [
    {
      'question_id': number,
      'image_id': image,
      'answers': [{'answer': 'yes'}] * 10,
      'answer_type': 'yes/no',
      'question_type': 'is',
      'multiple_choice_answer': 'yes',
    }
    for number, image in ((1, 7), (2, 7), (3, 8), (4, 8))
  ]
  _write(
    data / 'vqa' / 'v2_mscoco_test2015_annotations.json',
    {'annotations': annotations},
  )
  given = _write(
    data / 'results.json',
    [
      {'question_id': k, 'answer': 'no' if k == 1 else 'yes'}
      for k in (1, 2, 3, 4)
    ],
  )

  found = measures.answers(given, data, measures.HeldOut.of(data))

  assert found == {
    'all': {'accuracy': 75.0, 'examples': 4},
    'held_out': {'accuracy': 50.0, 'examples': 2},
  }


def test_expressions_that_mean_a_held_out_object_are_apart(data):
  files = [
    _write(
      data / f'{split}.json',
      [{'sent_id': k, 'box': _BOXES[chosen]} for k, chosen in pairs],
    )
    for split, pairs in (('A', [(1, 2), (2, 2)]), ('B', [(3, 3)]))
  ]

  found = measures.boxes(
    files, data, measures.HeldOut.of(data), str(data / 'part.json')
  )

  assert found['all']['accuracy'] == pytest.approx(66.67)
  assert found['all']['examples'] == 3
  # A half, a half, and the only box of image 8.
  assert found['all']['chance'] == pytest.approx(66.67)
  assert found['held_out'] == {
    'accuracy': 0.0, 'chance': 50.0, 'examples': 1,
  }  # fmt: skip


def test_choices_about_a_held_out_object_are_apart(data):
  (data / 'vcr').mkdir()
  lines = [
    {
      'annot_id': f'{image}-{number}',
      'img_fn': f'test/{image}.jpg',
      'question': ['What', 'is', [number], '?'],
      'answer_label': 1,
      'rationale_label': 2,
    }
    for image, number in ((7, 0), (7, 1), (8, 0))
  ]
  path = data / 'vcr' / 'test.jsonl'
  path.write_text('\n'.join(map(json.dumps, lines)))
  answers, rationales = data / 'answers.csv', data / 'rationales.csv'
  # The held-out one is answered wrongly, with the right rationale.
  rows = ['annot_id,' + ','.join(f'answer_{k}' for k in range(4))]
  rows += ['7-0,1,0,0,0', '7-1,0,1,0,0', '8-0,0,1,0,0']
  answers.write_text('\n'.join(rows) + '\n')
  names = [
    f'rationale_conditioned_on_a{a}_{k}' for a in range(4) for k in range(4)
  ]
  rows = ['annot_id,' + ','.join(names)]
  rows += [f'{line["annot_id"]},' + ','.join('0010' * 4) for line in lines]
  rationales.write_text('\n'.join(rows) + '\n')

  found = measures.choices(
    [str(answers), str(rationales)],
    data,
    measures.HeldOut.of(data),
    str(data / 'part.jsonl'),
  )

  assert found['all'] == {
    'Q->A': 66.67, 'QA->R': 100.0, 'Q->AR': 66.67, 'examples': 3,
  }  # fmt: skip
  assert found['held_out'] == {
    'Q->A': 0.0, 'QA->R': 100.0, 'Q->AR': 0.0, 'examples': 1,
  }  # fmt: skip


def test_data_that_holds_nothing_out_has_no_such_row(data):
  (data / 'held_out.txt').unlink()

  held_out = measures.HeldOut.of(data)

  assert not held_out.in_image(7)
