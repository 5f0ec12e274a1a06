"""Real photos and annotations in official form, where the machine has them."""

import collections
import json
import os
import pathlib

import pytest

from beam_jobs import job
from vlbert_tf.data import example_schema
from vlbert_tf.data.readers import coco

FIXTURES = os.environ.get('VLBERT_FIXTURES')
pytestmark = pytest.mark.skipif(
  not FIXTURES, reason='VLBERT_FIXTURES names no folder of official samples.'
)


def _place(name: str) -> pathlib.Path:
  return pathlib.Path(FIXTURES or '') / name


def _read_json(name: str):
  return json.loads(_place(name).read_text())


def test_boxes_of_coco_are_all_there_but_crowds():
  instances = coco.read_instances(str(_place('coco/instances.json')))
  rows = _read_json('coco/instances.json')['annotations']
  crowds = sum(row['iscrowd'] for row in rows)
  kept = sum(len(image.regions) for image in instances.by_id.values())
  reasons = collections.Counter(drop.reason for drop in instances.drops)
  assert len(instances.categories) == 80
  assert instances.categories[0] == 'person'
  assert instances.categories[-1] == 'toothbrush'
  assert reasons['region_crowd'] == crowds
  assert kept + sum(reasons.values()) == len(rows)


def test_all_177_questions_become_records_or_drops(tmp_path):
  stem = str(_place('vqa/v2'))
  manifest = job.run(
    job.Request(
      dataset='vqa',
      name='sample',
      output_dir=str(tmp_path),
      splits=(
        f'val,questions={stem}_OpenEnded_mscoco_val2014_questions.json,'
        f'annotations={stem}_mscoco_val2014_annotations.json,'
        f'images={_place("coco/images")},'
        f'instances={_place("coco/instances.json")}',
      ),
      images_per_shard=20,
      max_drop_fraction=0.1,
    )
  )
  val = manifest['splits']['val']
  assert val['annotations'] + val['dropped_annotations'] == 177
  split = example_schema.open_split(f'{tmp_path}/sample', 'val')
  assert split.annotations == val['annotations'] >= 160
  answers = (tmp_path / 'sample/1.0.0/answers.txt').read_text().splitlines()
  assert {'yes', 'no', '2'} <= set(answers)


def test_the_caption_whose_image_is_gone_is_counted(tmp_path):
  table = _place('conceptual_captions/Validation_GCC-1.1.0-Validation.tsv')
  urls = {line.split('\t')[1] for line in table.read_text().splitlines()}
  photos = {path.name for path in _place('coco/images').iterdir()}
  there = {url for url in urls if os.path.basename(url) in photos}
  assert len(urls - there) == 1
  index = tmp_path / 'index.tsv'
  index.write_text(
    ''.join(f'{url}\t{os.path.basename(url)}\n' for url in sorted(there))
  )
  manifest = job.run(
    job.Request(
      dataset='captions',
      name='sample',
      output_dir=str(tmp_path),
      splits=(
        f'val,captions={table},image_index={index},'
        f'images={_place("coco/images")},'
        f'instances={_place("coco/instances.json")}',
      ),
    )
  )
  val = manifest['splits']['val']
  assert val['annotations'] + val['dropped_annotations'] == 51
  assert val['dropped']['image_missing'] == 1


def test_all_125_captions_of_coco_become_records(tmp_path):
  manifest = job.run(
    job.Request(
      dataset='coco_captions',
      name='sample',
      output_dir=str(tmp_path),
      splits=(
        f'val,captions={_place("coco/captions.json")},'
        f'images={_place("coco/images")},'
        f'instances={_place("coco/instances.json")}',
      ),
    )
  )
  val = manifest['splits']['val']
  lost = val['dropped_annotations']
  assert val['annotations'] + lost == 125
  assert val['images'] + lost / 5 == 25  # five on each
  split = example_schema.open_split(f'{tmp_path}/sample', 'val')
  ids, captions = example_schema.read_texts(split)
  rows = {
    (row['image_id'], ' '.join(row['caption'].split()))
    for row in _read_json('coco/captions.json')['annotations']
  }
  read = zip(ids.numpy(), captions.numpy(), strict=True)
  assert {(int(i), text.decode()) for i, text in read} <= rows


def test_the_cut_down_official_form_is_read_as_far_as_it_goes(tmp_path):
  # Its annotations have no image_id and no question_type; no image is here.
  stem = str(_place('vqa/official/v2'))
  with pytest.raises(ValueError, match=r'3 of 3 in train.*image_missing \(3\)'):
    job.run(
      job.Request(
        dataset='vqa',
        name='sample',
        output_dir=str(tmp_path),
        splits=(
          f'train,questions={stem}_OpenEnded_mscoco_train2014_questions.json,'
          f'annotations={stem}_mscoco_train2014_annotations.json,'
          f'images={_place("coco/images")},'
          f'instances={_place("coco/instances.json")}',
        ),
      )
    )
