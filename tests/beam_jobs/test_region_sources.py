"""RefCOCO+ and VCR through the whole job: records, counts, bad input."""

import json
import pathlib
import pickle

import numpy as np
import pytest
from PIL import Image

from beam_jobs import job, sources
from tests.beam_jobs import official_files
from tests.beam_jobs.job_runs import folder, records, request

HEIGHT, WIDTH = official_files.HEIGHT, official_files.WIDTH


def _refcoco(tmp_path, *bad, expressions=20):
  """Four images with five expressions each about their first box."""
  official_files.write_vqa(tmp_path, images=4)
  rows = [
    {
      'ann_id': 10 * k,
      'image_id': k,
      'split': 'val',
      'sentences': [
        {'sent_id': 100 * k + n, 'sent': f'dog {n}'}
        for n in range(expressions // 4)
      ],
    }
    for k in range(1, 5)
  ]
  (tmp_path / 'refs.p').write_bytes(pickle.dumps([*rows, *bad], protocol=2))
  return (
    f'val,refs={tmp_path}/refs.p,images={tmp_path}/val2014,'
    f'instances={tmp_path}/instances_val2014.json'
  )


def _vcr_line(number, **changes):
  row = {
    'annot_id': f'val-{number}',
    'img_fn': 'm/1.jpg',
    'metadata_fn': 'm/1.json',
    'objects': ['person', 'cup', 'tie'],
    'question': ['Is', [1], 'his', '?'],
    'answer_choices': [['a'], ['b', [0]], ['c'], ['d']],
    'rationale_choices': [['e'], ['f'], ['g'], ['h']],
    'answer_label': 1,
    'rationale_label': 2,
  }
  return json.dumps({**row, **changes})


def _vcr(tmp_path, *lines):
  images = tmp_path / 'vcr1images' / 'm'
  images.mkdir(parents=True)
  official_files.write_jpeg(images / '1.jpg', 1)
  metadata = {
    'names': ['person', 'cup', 'tie'],
    'boxes': [[0, 0, 9, 9, 0.9], [5, 5, 30, 20, 0.8], [90, 1, 95, 2, 0.7]],
    'segms': [[[[0, 0], [9, 0], [9, 9]]], [], []],
    'width': WIDTH,
    'height': HEIGHT,
  }
  (images / '1.json').write_text(json.dumps(metadata))
  (tmp_path / 'val.jsonl').write_text('\n'.join(lines))
  return f'val,questions={tmp_path}/val.jsonl,images={tmp_path}/vcr1images'


def test_expressions_become_records_with_the_box_they_mean(tmp_path):
  manifest = job.run(request(tmp_path, _refcoco(tmp_path), dataset='refcoco'))

  assert manifest['kind'] == 'expressions'
  assert manifest['splits']['val']['annotations'] == 20
  for record in records(tmp_path):
    assert record['expression/text'].numpy().tolist() == [
      f'dog {n}'.encode() for n in range(5)
    ]
    # [2, 3, 5, 7] as x, y, width, height.
    np.testing.assert_array_equal(
      record['expression/box'], [[2.0, 3.0, 7.0, 10.0]] * 5
    )
    assert record['roi/box'].shape == (2, 4)
    assert record['roi/source'] == b'annotated'


def test_detections_replace_the_annotated_boxes(tmp_path):
  source = _refcoco(tmp_path)
  detections = [
    {'image_id': k, 'category_id': 9, 'score': 0.5, 'box': [1, 1, 4, 4]}
    for k in range(1, 5)
  ]
  (tmp_path / 'detections.json').write_text(json.dumps(detections))

  job.run(
    request(
      tmp_path,
      f'{source},detections={tmp_path}/detections.json',
      dataset='refcoco',
    )
  )

  for record in records(tmp_path):
    assert record['roi/box'].numpy().tolist() == [[1.0, 1.0, 5.0, 5.0]]
    assert record['roi/source'] == b'detected'
    assert record['expression/box'].numpy().tolist()[0] == [2.0, 3.0, 7.0, 10.0]


def test_multiple_choice_becomes_records_with_tags(tmp_path):
  job.run(request(tmp_path, _vcr(tmp_path, _vcr_line(0)), dataset='vcr'))

  (record,) = records(tmp_path)
  assert record['choice/id'].numpy().tolist() == [b'val-0']
  assert record['choice/question'].numpy().tolist() == [b'Is cup his ?']
  assert record['choice/question_tags'].numpy().tolist() == [b'-1 1 -1 -1']
  assert record['choice/answers'].numpy().tolist() == [
    [b'a', b'b Casey', b'c', b'd']
  ]
  assert record['choice/answer_tags'].numpy().tolist() == [
    [b'-1', b'-1 0', b'-1', b'-1']
  ]
  assert record['choice/rationales'].shape == (1, 4)
  assert record['choice/answer_label'].numpy().tolist() == [1]
  assert record['choice/rationale_label'].numpy().tolist() == [2]
  # The tie lies outside the image.
  assert record['roi/tag'].numpy().tolist() == [0, 1]
  assert record['roi/polygons'].numpy().tolist() == [
    b'[[[0, 0], [9, 0], [9, 9]]]',
    b'',
  ]
  np.testing.assert_allclose(record['roi/score'], [0.9, 0.8])


def test_the_example_of_ones_own_questions_becomes_records(tmp_path):
  page = pathlib.Path(__file__).parents[2] / 'docs' / 'datasets.md'
  lines = [
    line.strip()
    for line in page.read_text('utf-8').splitlines()
    if line.startswith('    {"image": "shop/')
  ]
  (tmp_path / 'train.jsonl').write_text('\n'.join(lines))
  (tmp_path / 'labels.txt').write_text('window\ndoor\n')
  (tmp_path / 'photos' / 'shop').mkdir(parents=True)
  Image.new('RGB', (240, 200)).save(tmp_path / 'photos' / 'shop' / '1.jpg')
  source = f'val,questions={tmp_path}/train.jsonl,images={tmp_path}/photos'

  manifest = job.run(
    request(tmp_path, f'{source},categories={tmp_path}/labels.txt',
            dataset='own')
  )  # fmt: skip

  assert manifest['splits']['val']['dropped'] == {}
  (record,) = records(tmp_path)
  assert record['image/id'].numpy() == b'shop/1.jpg'
  assert record['question/id'].numpy().tolist() == [1, 2]
  assert record['question/text'].numpy().tolist() == [
    b'Is it open?',
    b'What is beside the door?',
  ]
  assert record['answer/text'].to_list() == [[b'yes'], [b'sign']]
  # Those of the first line that has some.
  assert record['roi/box'].numpy().tolist() == [[12.0, 4.0, 210.0, 180.0]]
  assert record['roi/category'].numpy().tolist() == [2]
  assert (folder(tmp_path) / 'answers.txt').read_text() == 'sign\nyes\n'


def test_too_many_bad_lines_fail_with_the_three_most_frequent_reasons(tmp_path):
  lines = [
    _vcr_line(0),
    *('{broken',) * 2,
    *(_vcr_line(k, question=['Is', [2], '?']) for k in range(1, 5)),
    *(_vcr_line(k, answer_label=7) for k in range(5, 8)),
    _vcr_line(0),
  ]

  with pytest.raises(ValueError, match='.') as error:
    job.run(request(tmp_path, _vcr(tmp_path, *lines), dataset='vcr'))

  assert 'Received: 10 of 11 in val' in str(error.value)
  assert (
    'most frequent: tag_without_box (4), label_out_of_range (3), '
    'line_malformed (2); for example line 4 of '
    'val.jsonl (It points at object 2; the image has 3' in str(error.value)
  )


def test_good_and_set_aside_add_up_and_name_file_line_and_reason(tmp_path):
  lines = [_vcr_line(0), '{broken', _vcr_line(1), _vcr_line(1)]

  manifest = job.run(
    request(
      tmp_path,
      _vcr(tmp_path, *lines),
      dataset='vcr',
      max_drop_fraction=0.5,
    )
  )

  val = manifest['splits']['val']
  assert (val['annotations'], val['dropped_annotations']) == (2, 2)
  assert val['dropped'] == {
    'line_malformed': 1,
    'question_duplicate': 1,
    'region_without_area': 1,
  }
  drops = [
    json.loads(line)
    for line in (folder(tmp_path) / 'drops.jsonl').read_text().splitlines()
  ]
  assert {(d['item'], d['reason']) for d in drops} >= {
    ('line 2 of val.jsonl', 'line_malformed'),
    ('line 4 of val.jsonl', 'question_duplicate'),
  }


def test_bad_references_count_as_their_expressions(tmp_path):
  bad = {'split': 'val', 'ann_id': 99, 'image_id': 1}
  sentences = [{'sent_id': 900 + n, 'sent': 'x'} for n in range(3)]
  source = _refcoco(tmp_path, {**bad, 'sentences': sentences})

  with pytest.raises(
    ValueError, match=r'3 of 23.*expression_without_box \(3\)'
  ):
    job.run(request(tmp_path, source, dataset='refcoco'))


@pytest.mark.parametrize(
  ('dataset', 'text', 'message'),
  [
    ('refcoco', 'val,refs=a,images=b', 'needs instances='),
    ('refcoco', 'val,refs=a,detection=b', 'Did you mean detections='),
    ('vcr', 'val,questions=a', 'needs images='),
    ('vcr', 'val,questions=a,images=b,images=c', 'takes images= once'),
  ],
)
def test_a_split_that_lacks_something_says_what(dataset, text, message):
  with pytest.raises(ValueError, match=message):
    sources.parse_split(dataset, text)
