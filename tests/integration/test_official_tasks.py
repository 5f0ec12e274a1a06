"""Official files → records → training → result file → our evaluation."""

import json
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from tests.integration import runs
from tests.tasks import small_detector
from vlbert_tf.data.readers import refcoco
from vlbert_tf.evaluation import refcoco as grounding
from vlbert_tf.evaluation import vcr, vqa
from vlbert_tf.tasks import inference

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def photos(fixtures, tmp_path_factory):
  """The folder that VCR's image names start from."""
  folder = tmp_path_factory.mktemp('photos')
  os.symlink(fixtures / 'coco' / 'images', folder / 'samples')
  return folder


def _predict(**values) -> None:
  runs.program('vlbert_tf.predict', **values)


def _evaluate(**values) -> dict:
  return json.loads(runs.program('vlbert_tf.evaluate', **values))


def test_questions_go_all_the_way(fixtures, tmp_path):
  stem, coco = fixtures / 'vqa' / 'v2', fixtures / 'coco'
  annotations = f'{stem}_mscoco_val2014_annotations.json'
  source = (
    f'questions={stem}_OpenEnded_mscoco_val2014_questions.json,'
    f'images={coco}/images,instances={coco}/instances.json'
  )
  manifest = runs.build(
    tmp_path, 'vqa', f'val,{source},annotations={annotations}', f'test,{source}'
  )
  assert manifest['splits']['val']['annotations'] == 177

  answers = str(tmp_path / 'vqa' / '1.0.0' / 'answers.txt')
  settings = runs.reads_text(fixtures, answers_file=answers)
  model_dir = runs.train(tmp_path, 'vqa', 'vlbert/vqa', 'val', **settings)
  files = {split: f'{tmp_path}/{split}.json' for split in ('val', 'test')}
  for split, results in files.items():
    _predict(model_dir=model_dir, split=split, output=results)
  judged = _evaluate(results=files['val'], annotations=annotations)
  inside = _evaluate(model_dir=model_dir, split='val')

  assert judged['questions'] == 177
  assert judged['overall'] == pytest.approx(
    100 * inside['vqa_accuracy'], abs=0.01
  )
  # The same questions without their answers are answered in the same way.
  val, test = (json.loads(pathlib.Path(f).read_text()) for f in files.values())
  assert val == test

  # The data set's own list of 3,129 answers instead of one from the questions.
  listed = str(fixtures / 'vqa' / 'trainval_label2ans.json')
  settings = runs.reads_text(fixtures, answers_file=listed)
  model_dir = runs.train(
    tmp_path, 'vqa', 'vlbert/vqa', 'val', 'listed', **settings
  )
  _predict(model_dir=model_dir, split='val', output=files['val'])
  judged = _evaluate(results=files['val'], annotations=annotations)
  inside = inference.evaluate(*runs.opened(model_dir, 'val'))
  assert judged['overall'] == pytest.approx(
    100 * inside['vqa_accuracy'], abs=0.01
  )
  known = set(json.loads(pathlib.Path(listed).read_text()))
  assert len(known) == 3129
  found = json.loads(pathlib.Path(files['val']).read_text())
  assert len(found) == 177
  assert known.issuperset(row['answer'] for row in found)


@pytest.mark.parametrize(
  ('dataset', 'count'), [('captions', 50), ('coco_captions', 125)]
)
def test_captions_are_trained_on(fixtures, tmp_path, dataset, count):
  coco = fixtures / 'coco'
  source = f'images={coco}/images,instances={coco}/instances.json'
  if dataset == 'captions':
    table = fixtures / 'conceptual_captions'
    table /= 'Validation_GCC-1.1.0-Validation.tsv'
    urls = {line.split('\t')[1] for line in table.read_text().splitlines()}
    # One of the images is gone.
    there = [url for url in urls if (coco / 'images' / _name(url)).exists()]
    index = tmp_path / 'index.tsv'
    index.write_text(''.join(f'{url}\t{_name(url)}\n' for url in there))
    source += f',captions={table},image_index={index}'
  else:
    source += f',captions={coco}/captions.json'
  manifest = runs.build(tmp_path, dataset, f'val,{source}')
  assert manifest['splits']['val']['annotations'] == count

  settings = runs.reads_text(fixtures, swap_probability=0.0)
  model_dir = runs.train(
    tmp_path, dataset, 'vlbert/pretraining', 'val', **settings
  )
  inside = inference.evaluate(*runs.opened(model_dir, 'val'))

  losses = [inside[f'masked_{part}_loss'] for part in ('word', 'roi')]
  assert np.isfinite(losses).all()
  assert min(losses) > 0
  assert inside['cut_texts'] == 0.0


def _name(url: str) -> str:
  return url.rpartition('/')[2]


def test_visual_genome_trains_a_detector(fixtures, tmp_path):
  """Objects of the photos in Visual Genome's form, and its own vocabularies."""
  coco = fixtures / 'coco'
  content = json.loads((coco / 'instances.json').read_text())
  names = {row['id']: row['name'] for row in content['categories']}
  objects, attributes = {}, {}
  for row in content['annotations']:
    x, y, w, h = row['bbox']
    box = {'object_id': row['id'], 'x': x, 'y': y, 'w': w, 'h': h}
    place = row['image_id']
    objects.setdefault(place, []).append(
      {**box, 'names': [names[row['category_id']]]}
    )
    attributes.setdefault(place, []).append(
      {**box, 'attributes': ['red' if row['id'] % 2 else 'small']}
    )
  files = {
    'image_data': [
      {'image_id': row['id'], 'width': row['width'], 'height': row['height']}
      for row in content['images']
    ],
    'objects': [{'image_id': k, 'objects': v} for k, v in objects.items()],
    'attributes': [
      {'image_id': k, 'attributes': v} for k, v in attributes.items()
    ],
  }
  for name, rows in files.items():
    (tmp_path / f'{name}.json').write_text(json.dumps(rows))
  words = fixtures / 'visual_genome'
  manifest = runs.build(
    tmp_path,
    'visual_genome',
    ','.join(
      [
        f'val,images={coco}/images,categories={words}/objects_vocab.txt',
        f'attribute_names={words}/attributes_vocab.txt',
        *(f'{name}={tmp_path}/{name}.json' for name in files),
      ]
    ),
  )
  assert len(manifest['categories']) == 1600
  assert len(manifest['attributes']) == 400
  lost = manifest['splits']['val']['dropped_images']
  assert manifest['splits']['val']['images'] + lost == len(objects)

  detector = {**small_detector.SETTINGS, 'max_objects': 50, 'proposals': 20}
  model_dir = runs.train(
    tmp_path, 'visual_genome', 'vlbert/detection', 'val', detector=detector
  )
  inside = inference.evaluate(*runs.opened(model_dir, 'val'))

  assert inside['attribute_loss'] > 0
  assert 0.0 <= inside['mAP50'] <= 1.0


def test_refcoco_plus_goes_all_the_way(fixtures, tmp_path):
  folder = fixtures / 'refcoco+'
  refs, instances = folder / 'refs(unc).p', folder / 'instances.json'
  sources = f'refs={refs},instances={instances},images={fixtures}/coco/images'
  manifest = runs.build(
    tmp_path, 'refcoco', f'train,{sources}', f'testB,{sources}'
  )
  rows = refcoco.read_plain_pickle(str(refs))
  for split in ('train', 'testB'):
    sentences = sum(
      len(row['sentences']) for row in rows if row['split'] == split
    )
    counts = manifest['splits'][split]
    assert counts['annotations'] + counts['dropped_annotations'] == sentences

  model_dir = runs.train(
    tmp_path, 'refcoco', 'vlbert/refcoco', 'train', **runs.reads_text(fixtures)
  )
  results = f'{tmp_path}/testB.json'
  _predict(model_dir=model_dir, split='testB', output=results)
  truth = {
    'benchmark': 'refcoco',
    'split': 'testB',
    'annotations': refs,
    'instances': instances,
  }
  judged = _evaluate(results=results, **truth)
  inside = inference.evaluate(*runs.opened(model_dir, 'testB'))

  assert judged['expressions'] == manifest['splits']['testB']['annotations']
  # Two ways to the same number: boxes in a file, and the task's own metric.
  assert judged['accuracy'] == pytest.approx(100 * inside['accuracy'], abs=0.01)
  assert judged['chance'] == pytest.approx(100 * inside['chance'], abs=0.01)

  # The second track: the same expressions, among detected boxes.
  detected = f'testB,{sources},detections={folder}/detections.json'
  runs.build(tmp_path / 'detected', 'refcoco', detected)
  opened = runs.opened(model_dir, 'testB', f'{tmp_path}/detected/refcoco')
  grounding.write_results(results, inference.predict_regions(*opened))
  judged = _evaluate(results=results, **truth)
  inside = inference.evaluate(*opened)
  assert judged['expressions'] == inside['examples']
  assert judged['accuracy'] == pytest.approx(100 * inside['accuracy'], abs=0.01)


def _stand_ins(fixtures, folder, instances) -> pathlib.Path:
  """Photos in the place of images that the samples do not hold, as large."""
  folder.mkdir()
  photos = sorted((fixtures / 'coco' / 'images').iterdir())
  for row, photo in zip(instances['images'], photos, strict=False):
    picture = Image.open(photo).convert('RGB')
    picture = picture.resize((row['width'], row['height']))
    picture.save(folder / row['file_name'])
  return folder


def test_real_references_go_all_the_way(fixtures, tmp_path):
  """As their authors wrote them, among all boxes of four images."""
  official = fixtures / 'refcoco+' / 'official'
  refs, instances = official / 'refs(unc).p', official / 'instances.json'
  content = json.loads(instances.read_text())
  images = _stand_ins(fixtures, tmp_path / 'images', content)
  rows = refcoco.read_plain_pickle(str(refs))
  splits = sorted({row['split'] for row in rows})
  source = f'refs={refs},instances={instances},images={images}'
  manifest = runs.build(
    tmp_path, 'refcoco', *(f'{split},{source}' for split in splits)
  )
  counts = [manifest['splits'][split]['annotations'] for split in splits]
  assert sum(counts) == sum(len(row['sentences']) for row in rows) == 18

  settings = runs.reads_text(fixtures)
  model_dir = runs.train(
    tmp_path, 'refcoco', 'vlbert/refcoco', splits[0], **settings
  )
  for split, count in zip(splits, counts, strict=True):
    results = f'{tmp_path}/{split}.json'
    opened = runs.opened(model_dir, split)
    grounding.write_results(results, inference.predict_regions(*opened))
    judged = _evaluate(
      benchmark='refcoco', split=split, results=results,
      annotations=refs, instances=instances,
    )  # fmt: skip
    assert judged['expressions'] == count
    assert judged['accuracy'] == pytest.approx(
      100 * inference.evaluate(*opened)['accuracy'], abs=0.01
    )


def test_real_questions_go_all_the_way(fixtures, tmp_path):
  """Three on one image, whose answers tell neither image nor type."""
  stem = fixtures / 'vqa' / 'official' / 'v2'
  questions = f'{stem}_OpenEnded_mscoco_train2014_questions.json'
  annotations = f'{stem}_mscoco_train2014_annotations.json'
  image = {
    'id': 458752, 'width': 64, 'height': 48,
    'file_name': 'COCO_train2014_000000458752.jpg',
  }  # fmt: skip
  box = {'id': 1, 'image_id': 458752, 'category_id': 1, 'bbox': [4, 4, 30, 40]}
  content = {
    'images': [image],
    'annotations': [box],
    'categories': [{'id': 1, 'name': 'person'}],
  }
  images = _stand_ins(fixtures, tmp_path / 'images', content)
  instances = tmp_path / 'instances.json'
  instances.write_text(json.dumps(content))
  manifest = runs.build(
    tmp_path,
    'vqa',
    f'train,questions={questions},annotations={annotations},images={images},'
    f'instances={instances}',
  )
  assert manifest['splits']['train']['annotations'] == 3

  listed = str(fixtures / 'vqa' / 'trainval_label2ans.json')
  settings = runs.reads_text(fixtures, answers_file=listed)
  model_dir = runs.train(tmp_path, 'vqa', 'vlbert/vqa', 'train', **settings)
  results = f'{tmp_path}/results.json'
  opened = runs.opened(model_dir, 'train')
  vqa.write_results(results, inference.predict_answers(*opened))
  judged = _evaluate(results=results, annotations=annotations)

  assert judged['questions'] == 3
  assert judged['overall'] == pytest.approx(
    100 * inference.evaluate(*opened)['vqa_accuracy'], abs=0.01
  )


def test_vcr_goes_all_the_way(fixtures, photos, tmp_path):
  splits = [
    f'{split},questions={fixtures}/vcr/{split}.jsonl,images={photos},'
    f'metadata={fixtures}/vcr/vcr1images'
    for split in ('val', 'test')
  ]
  manifest = runs.build(tmp_path, 'vcr', *splits)
  assert manifest['splits']['val']['annotations'] == 36
  assert manifest['splits']['test']['annotations'] == 6

  files, inside = {}, {}
  for sub_task in ('answer', 'rationale'):
    # No image has more objects.
    settings = runs.reads_text(fixtures, max_rois=6, sub_task=sub_task)
    model_dir = runs.train(tmp_path, 'vcr', 'vlbert/vcr', 'val', **settings)
    files[sub_task] = f'{tmp_path}/{sub_task}.csv'
    opened = runs.opened(model_dir, 'val')
    inside[sub_task] = inference.evaluate(*opened)
    vcr.write_results(files[sub_task], inference.predict_choices(*opened))
  judged = _evaluate(
    benchmark='vcr',
    results=','.join(files.values()),
    annotations=f'{fixtures}/vcr/val.jsonl',
  )
  # Without labels as well, with the columns of both models.
  answers, submission = f'{tmp_path}/test_a.csv', f'{tmp_path}/submission.csv'
  opened = runs.opened(f'{tmp_path}/model_answer', 'test')
  vcr.write_results(answers, inference.predict_choices(*opened))
  _predict(
    model_dir=f'{tmp_path}/model_rationale',
    split='test',
    output=submission,
    join=answers,
  )

  assert judged['questions'] == 36
  for name, sub_task in (('Q->A', 'answer'), ('QA->R', 'rationale')):
    assert judged[name] == pytest.approx(
      100 * inside[sub_task]['accuracy'], abs=0.01
    )
  lines = pathlib.Path(submission).read_text().splitlines()
  assert len(lines) == 7
  assert {len(line.split(',')) for line in lines} == {21}
