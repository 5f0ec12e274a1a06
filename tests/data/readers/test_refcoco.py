"""References: the pickle that runs nothing, targets, and what is set aside."""

import json
import os
import pickle

import pytest

from vlbert_tf.data.annotations import Drop
from vlbert_tf.data.readers import coco, refcoco

IMAGES = {7: '/i/COCO_train2014_000000000007.jpg', 8: '/i/8.jpg'}


@pytest.fixture
def instances(tmp_path):
  """Two images of 100 x 50 pixels.

  Image 7 has two boxes, a crowd and a box that lies outside, image 8 has one.
  """
  path = tmp_path / 'instances.json'
  annotations = [
    {'id': 70, 'image_id': 7, 'category_id': 1, 'bbox': [10, 5, 20, 15]},
    {'id': 71, 'image_id': 7, 'category_id': 3, 'bbox': [80, 5, 40, 15]},
    {'id': 72, 'image_id': 7, 'category_id': 1, 'bbox': [0, 0, 9, 9],
     'iscrowd': 1},
    {'id': 73, 'image_id': 7, 'category_id': 1, 'bbox': [100, 5, 9, 9]},
    {'id': 80, 'image_id': 8, 'category_id': 1, 'bbox': [1, 2, 3, 4]},
  ]  # fmt: skip
  content = {
    'images': [
      {'id': k, 'width': 100, 'height': 50, 'file_name': f'{k}.jpg'}
      for k in (7, 8, 9)
    ],
    'annotations': annotations,
    'categories': [{'id': 1, 'name': 'person'}, {'id': 3, 'name': 'car'}],
  }
  path.write_text(json.dumps(content))
  return coco.read_instances(str(path))


def _ref(ann_id, image_id=7, split='val', **sentences):
  return {
    'ref_id': 1,
    'ann_id': ann_id,
    'image_id': image_id,
    'split': split,
    'category_id': 1,
    'sentences': [
      {'sent_id': int(key[1:]), 'sent': text, 'raw': text, 'tokens': []}
      for key, text in sentences.items()
    ],
  }


def _read(tmp_path, rows, instances, split='val', **options):
  path = tmp_path / 'refs.p'
  path.write_bytes(pickle.dumps(rows, protocol=2))
  items = list(
    refcoco.read_images(str(path), split, IMAGES, instances, **options)
  )
  drops = [item for item in items if isinstance(item, Drop)]
  return [item for item in items if not isinstance(item, Drop)], drops


def test_expressions_come_by_image_with_the_box_that_they_mean(
  tmp_path, instances
):
  rows = [
    _ref(70, s1='red  coat', s2='the tall one'),
    _ref(80, 8, s3='a man'),
    _ref(71, s4='van'),
    _ref(70, split='train', s5='elsewhere'),
  ]

  images, drops = _read(tmp_path, rows, instances)

  assert drops == []
  assert [image.image_id for image in images] == ['7', '8']
  assert [(e.expression_id, e.text, e.box) for e in images[0].expressions] == [
    (1, 'red coat', (10.0, 5.0, 30.0, 20.0)),
    (2, 'the tall one', (10.0, 5.0, 30.0, 20.0)),
    # Its box ends at the image's edge.
    (4, 'van', (80.0, 5.0, 100.0, 20.0)),
  ]
  # The candidates are all boxes of the image, but for crowds.
  assert [region.category for region in images[0].regions] == [1, 2]
  assert (images[0].size, images[0].detected) == ((50, 100), False)


def test_detected_boxes_are_the_candidates_where_they_are_given(
  tmp_path, instances
):
  path = tmp_path / 'detections.json'
  row = {'image_id': 7, 'category_id': 3, 'score': 0.5, 'box': [2, 4, 6, 8]}
  path.write_text(json.dumps([row, {**row, 'category_id': 99}]))
  detected = coco.read_detections(str(path), instances)

  images, _ = _read(
    tmp_path, [_ref(70, s1='x')], instances, candidates=detected
  )

  (region,) = images[0].regions
  assert region.box == (2.0, 4.0, 8.0, 12.0)
  assert (region.category, region.score) == (2, 0.5)
  assert images[0].expressions[0].box == (10.0, 5.0, 30.0, 20.0)
  assert images[0].detected
  assert detected.drops[0].reason == 'region_category_unknown'


@pytest.mark.parametrize(
  ('row', 'reason', 'lost'),
  [
    ({'split': 'val', 'ann_id': 70, 'sentences': [{}, {}]},
     'reference_malformed', 2),
    (_ref(70, s1='again'), 'expression_duplicate', 1),
    (_ref(70, s2=' '), 'expression_empty', 1),
    (_ref(72, s2='the crowd'), 'expression_without_box', 1),
    (_ref(73, s2='outside'), 'expression_without_box', 1),
    (_ref(12345, s2='nothing'), 'expression_without_box', 1),
    (_ref(80, 7, s2='not here'), 'box_of_another_image', 1),
  ],
)  # fmt: skip
def test_what_cannot_be_used_is_set_aside_with_its_reason(
  tmp_path, instances, row, reason, lost
):
  images, drops = _read(tmp_path, [_ref(70, s1='kept'), row], instances)

  assert sum(image.count for image in images) == 1
  assert [(d.reason, d.annotations) for d in drops] == [(reason, lost)]


def test_expressions_of_a_missing_image_are_counted(tmp_path, instances):
  del_images = {8: IMAGES[8]}
  path = tmp_path / 'refs.p'
  path.write_bytes(pickle.dumps([_ref(70, s1='a', s2='b')], protocol=2))

  (drop,) = refcoco.read_images(str(path), 'val', del_images, instances)

  assert (drop.reason, drop.images, drop.annotations) == ('image_missing', 1, 2)


class _Runs:
  """What an attacker would put into a pickle."""

  def __init__(self, path):
    self.path = path

  def __reduce__(self):
    return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
  path = tmp_path / 'refs.p'
  path.write_bytes(pickle.dumps([_Runs(tmp_path / 'trap')]))

  with pytest.raises(ValueError, match=r'plain lists.*mkdir.*Download'):
    refcoco.read_plain_pickle(str(path))
  assert not (tmp_path / 'trap').exists()


def test_bytes_of_python_2_are_read_as_latin_1(tmp_path):
  path = tmp_path / 'refs.p'
  # Opcodes by hand: a list of the Python 2 string 'caf\xe9'.
  path.write_bytes(b'\x80\x02]U\x04caf\xe9a.')

  assert refcoco.read_plain_pickle(str(path)) == ['café']


@pytest.mark.parametrize('content', [b'', b'\x80\x02]', b'no pickle'])
def test_a_broken_pickle_gets_a_sentence(tmp_path, content):
  path = tmp_path / 'refs.p'
  path.write_bytes(content)

  with pytest.raises(ValueError, match='must be a whole pickle'):
    refcoco.read_plain_pickle(str(path))


def test_an_unknown_split_names_those_of_the_file(tmp_path, instances):
  rows = [_ref(70, s1='a'), _ref(70, split='testA', s2='b')]

  with pytest.raises(ValueError, match=r"testA, val\. Received: 'test'"):
    _read(tmp_path, rows, instances, split='test')


def test_the_official_sample_is_read_without_its_images(fixtures):
  path = fixtures / 'refcoco+' / 'official' / 'refs(unc).p'

  references = [
    each
    for split in ('train', 'val', 'testA', 'testB')
    if split in {row['split'] for row in refcoco.read_plain_pickle(str(path))}
    for each in refcoco.read_references(str(path), split)
  ]

  assert len(references) == 6
  assert sum(len(each.sentences) for each in references) == 18
  texts = [text for each in references for _, text in each.sentences]
  assert 'upright vase on end' in texts


# As Python 2 wrote refs(umd).p of RefCOCOg: texts with S, in protocol 0.
_REFCOCOG_ROW = """(dp{0}
S'sent_ids'
(lp{0}1
I{sent}
aI{other}
asS'file_name'
S'COCO_train2014_00000000000{image}_{ann}.jpg'
sS'ann_id'
I{ann}
sS'ref_id'
I{0}
sS'image_id'
I{image}
sS'split'
S'{split}'
sS'sentences'
(lp{0}2
(dS'tokens'
(lS'the'
asS'raw'
S'The {text}.'
sS'sent_id'
I{sent}
sS'sent'
S'the {text}'
sa(dS'tokens'
(lS'a'
asS'raw'
S'A {text}'
sS'sent_id'
I{other}
sS'sent'
S'a {text}'
sasS'category_id'
I1
sa"""


def test_the_files_of_refcocog_are_read_split_by_split(tmp_path, instances):
  path = tmp_path / 'refs(umd).p'
  rows = (
    ('train', 7, 70, 'man with a coat that is red'),
    ('val', 8, 80, 'boy'),
    ('test', 7, 71, 'van behind the man'),
    ('train', 8, 80, 'boy on the left'),
  )
  path.write_text(
    '(lp1\n'
    + ''.join(
      _REFCOCOG_ROW.format(
        k + 10, split=split, image=image, ann=ann, text=text,
        sent=2 * k, other=2 * k + 1,
      )
      for k, (split, image, ann, text) in enumerate(rows)
    )
    + '.'
  )  # fmt: skip

  found = {
    split: [
      (image.image_id, e.expression_id, e.text, e.box)
      for image in refcoco.read_images(str(path), split, IMAGES, instances)
      for e in image.expressions
    ]
    for split in ('train', 'val', 'test')
  }

  coat, boy = (10.0, 5.0, 30.0, 20.0), (1.0, 2.0, 4.0, 6.0)
  assert found == {
    'train': [
      ('7', 0, 'the man with a coat that is red', coat),
      ('7', 1, 'a man with a coat that is red', coat),
      ('8', 6, 'the boy on the left', boy),
      ('8', 7, 'a boy on the left', boy),
    ],
    'val': [('8', 2, 'the boy', boy), ('8', 3, 'a boy', boy)],
    'test': [
      ('7', 4, 'the van behind the man', (80.0, 5.0, 100.0, 20.0)),
      ('7', 5, 'a van behind the man', (80.0, 5.0, 100.0, 20.0)),
    ],
  }
  with pytest.raises(ValueError, match='test, train, val.*testA'):
    list(refcoco.read_images(str(path), 'testA', IMAGES, instances))
