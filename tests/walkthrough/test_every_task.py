"""The table of all tasks, for predictions that peek at the labels."""

import json
import pickle

import pytest

from vlbert_tf.data.scenes import generate
from vlbert_tf.walkthrough import every_task

_SIZES = generate.Sizes(
  train_images=6,
  val_images=1,
  test_images=6,
  caption_train_images=1,
  caption_val_images=1,
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A walk whose models know every label with the image, and none without."""
  root = tmp_path_factory.mktemp('walk')
  generate.generate(root / 'data', _SIZES, with_regions=True)
  for suffix, knows in (('', True), ('_hidden', False)):
    _write_answers(root, suffix, knows)
    _write_boxes(root, suffix, knows)
    _write_choices(root, suffix, knows)
  return root


def _write_answers(root, suffix, knows):
  name = root / 'data' / 'vqa' / 'v2_mscoco_test2015_annotations.json'
  rows = [
    {
      'question_id': row['question_id'],
      'answer': row['multiple_choice_answer'] if knows else 'no such answer',
    }
    for row in json.loads(name.read_text())['annotations']
  ]
  (root / f'results_vqa{suffix}.json').write_text(json.dumps(rows))


def _references(root):
  name = root / 'data' / 'refcoco+' / 'refs(unc).p'
  references = pickle.loads(name.read_bytes())  # noqa: S301 - written above.
  return [row for row in references if row['split'] == 'testA']


def _instances(root):
  name = root / 'data' / 'refcoco+' / 'instances.json'
  return json.loads(name.read_text())['annotations']


def _write_boxes(root, suffix, knows):
  boxes = {row['id']: row['bbox'] for row in _instances(root)}
  rows = []
  for reference in _references(root):
    box = boxes[reference['ann_id']] if knows else [0.0, 0.0, 1.0, 1.0]
    rows += [{'sent_id': k, 'box': box} for k in reference['sent_ids']]
  (root / f'results_refcoco{suffix}.json').write_text(json.dumps(rows))


def _write_choices(root, suffix, knows):
  text = (root / 'data' / 'vcr' / 'test.jsonl').read_text()
  rows = [json.loads(line) for line in text.splitlines()]
  for kind in ('answer', 'rationale'):
    groups = (
      ['answer']
      if kind == 'answer'
      else [f'rationale_conditioned_on_a{k}' for k in range(4)]
    )
    lines = [
      'annot_id,' + ','.join(f'{g}_{k}' for g in groups for k in range(4))
    ]
    for row in rows:
      chosen = row[f'{kind}_label'] if knows else (row[f'{kind}_label'] + 1) % 4
      one = ['1' if k == chosen else '0' for k in range(4)]
      lines.append(','.join([row['annot_id'], *(one * len(groups))]))
    path = root / f'results_vcr_{kind}{suffix}.csv'
    path.write_text('\n'.join(lines) + '\n')


def test_knowing_every_label_is_100_percent_and_none_is_0(folder):
  rows = {}
  for line in every_task.table(str(folder)).splitlines()[2:]:
    name, *values = (cell.strip() for cell in line.strip('|').split('|'))
    rows[name] = [float(value) for value in values]

  answers = rows.pop('VQA accuracy (chance: most frequent answers)')
  # Ten people do not always agree: three of them make an answer right.
  assert answers[0] > 95.0
  assert answers[1] == 0.0
  assert 0.0 < answers[2] < 60.0
  boxes = rows.pop('RefCOCO+ accuracy')
  assert boxes[:2] == [100.0, 0.0]
  assert boxes[2] == pytest.approx(_chance(folder), abs=0.05)
  assert rows == {
    'VCR Q→A': [100.0, 0.0, 25.0],
    'VCR QA→R': [100.0, 0.0, 25.0],
    'VCR Q→AR': [100.0, 0.0, 6.2],
  }


def _chance(folder):
  """Share of boxes that overlap the right one by more than half; a mean."""
  by_image = {}
  for row in _instances(folder):
    by_image.setdefault(row['image_id'], []).append(row)
  shares = []
  for reference in _references(folder):
    others = by_image[reference['image_id']]
    (target,) = [row for row in others if row['id'] == reference['ann_id']]
    right = [_overlap(row['bbox'], target['bbox']) > 0.5 for row in others]
    share = sum(right) / len(right)
    shares += [share] * len(reference['sent_ids'])
  return 100.0 * sum(shares) / len(shares)


def _overlap(one, two):
  wide = min(one[0] + one[2], two[0] + two[2]) - max(one[0], two[0])
  high = min(one[1] + one[3], two[1] + two[3]) - max(one[1], two[1])
  both = max(wide, 0) * max(high, 0)
  return both / (one[2] * one[3] + two[2] * two[3] - both)
