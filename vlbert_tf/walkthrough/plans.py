"""The two walk-throughs: which programs run, in which order, with what."""

import json
import os
import pathlib
import subprocess
import time

from absl import logging

from vlbert_tf.walkthrough.steps import Step, Walk, command

# Recipes lie beside the packages in a checkout, and so does a detector that
# `make demo-detector` trained on other scenes.
_CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'
_DETECTOR = _CONFIGS / 'detection' / 'scenes'
_SERVER_STARTS_WITHIN = 120.0


def scenes(folder: str) -> None:
  """Scenes: with and without pre-training, served and asked.

  Args:
    folder: for everything that is written.
  """
  walk = Walk(folder)
  root = walk.folder
  data, records = root / 'data', root / 'records'
  captions, questions = records / 'scenes_captions', records / 'scenes_vqa'
  walk.run(
    Step(
      'make scenes',
      'vlbert-make-scenes',
      [
        f'--output_dir={data}',
        '--train_images=4000',
        '--caption_images=4000',
        f'--num_workers={os.cpu_count()}',
      ],
    ),
    _export('export detector', _DETECTOR, root / 'detector'),
  )
  detector = f'--detector={root}/detector'
  walk.run(
    Step(
      'learn vocabulary',
      'vlbert-learn-vocabulary',
      [
        f'--input={data}/captions/train.tsv,{questions_file(data, "train")}',
        f'--output={root}/vocab.txt',
        '--size=1500',
      ],
    ),
    _build_captions(data, records, detector),
    _build_questions(data, records, 'scenes_vqa', detector),
  )
  start = f'task.init_detector={_DETECTOR}'
  half = max(1, (os.cpu_count() or 2) // 2)
  walk.run(
    # Two runs of half the cores each do more than one of all after another.
    _train(
      'pre-train',
      'pretraining',
      'pretrain/tiny.yaml',
      root,
      [*_data_override(root, captions), start],
      threads=half,
    ),
    _train_vqa(
      'train without pre-training', 'vqa_only', root, questions, start,
      threads=half,
    ),
  )  # fmt: skip
  start = f'task.init_checkpoint={root}/pretraining'
  walk.run(_train_vqa('fine-tune', 'vqa', root, questions, start))
  walk.run(
    _predict('answer', root, 'vqa', 'ours', draw=True),
    _predict('answer without pre-training', root, 'vqa_only', 'vqa_only'),
  )
  walk.run(
    _predict('answer for swapped images', root, 'vqa', 'swapped', swap=True),
    _export('export', root / 'vqa', root / 'export'),
  )
  _serve_and_ask(root, data)


def easy_vqa(folder: str) -> None:
  """easy-VQA, a published data set: fine-tuning alone, on all of it.

  Args:
    folder: for everything that is written.
  """
  walk = Walk(folder)
  root = walk.folder
  data, records = root / 'data', root / 'records'
  walk.run(
    Step(
      'make data',
      'vlbert-make-scenes',
      ['--dataset=easy_vqa', f'--output_dir={data}'],
    )
  )
  walk.run(
    Step(
      'learn vocabulary',
      'vlbert-learn-vocabulary',
      [
        f'--input={questions_file(data, "train")}',
        f'--output={root}/vocab.txt',
        '--size=200',
      ],
    ),
    _build_questions(data, records, 'easy_vqa'),
  )
  questions = records / 'easy_vqa'
  walk.run(
    _train_vqa('train', 'vqa', root, questions, recipe='vqa/easy_vqa.yaml')
  )
  walk.run(
    _predict('answer', root, 'vqa', 'ours', draw=True),
    _predict('answer for swapped images', root, 'vqa', 'swapped', swap=True),
  )


def questions_file(data: pathlib.Path, split: str) -> pathlib.Path:
  """Official questions of a split of generated data."""
  name = {'train': 'train2014', 'val': 'val2014', 'test': 'test2015'}[split]
  return data / 'vqa' / f'v2_OpenEnded_mscoco_{name}_questions.json'


def annotations_file(data: pathlib.Path, split: str) -> pathlib.Path:
  """Official annotations of a split of generated data."""
  name = {'train': 'train2014', 'val': 'val2014', 'test': 'test2015'}[split]
  return data / 'vqa' / f'v2_mscoco_{name}_annotations.json'


def _build_captions(
  data: pathlib.Path, records: pathlib.Path, detector: str
) -> Step:
  splits = [
    f'--split={split},captions={data}/captions/{split}.tsv,'
    f'images={data}/images,'
    f'image_index={data}/captions/{split}_index.tsv'
    for split in ('train', 'val')
  ]
  return Step(
    'build records of captions',
    'vlbert-build-examples',
    [
      '--dataset=captions',
      '--name=scenes_captions',
      f'--output_dir={records}',
      detector,
      *splits,
    ],
  )


def _build_questions(
  data: pathlib.Path, records: pathlib.Path, name: str, detector: str = ''
) -> Step:
  splits = []
  for split in ('train', 'val', 'test'):
    files = (
      f'--split={split},questions={questions_file(data, split)},'
      f'annotations={annotations_file(data, split)},'
      f'images={data}/images/{split}'
    )
    if not detector:
      files += f',instances={data}/instances_{split}.json'
    splits.append(files)
  if detector:
    splits.append(detector)
  return Step(
    'build records of questions',
    'vlbert-build-examples',
    ['--dataset=vqa', f'--name={name}', f'--output_dir={records}', *splits],
  )


def _data_override(root: pathlib.Path, records: pathlib.Path) -> list[str]:
  return [
    f'task.vocab_file={root}/vocab.txt',
    f'task.train_data.path={records}',
    f'task.validation_data.path={records}',
  ]


def _train(
  name: str,
  experiment: str,
  recipe: str,
  root: pathlib.Path,
  override: list[str],
  into: str = '',
  threads: int = 0,
) -> Step:
  return Step(
    name,
    'vlbert-train',
    [
      f'--experiment=vlbert/{experiment}',
      f'--config_file={_CONFIGS / recipe}',
      f'--model_dir={root / (into or experiment)}',
      f'--params_override={",".join(override)}',
    ],
    threads,
  )


def _train_vqa(
  name: str,
  into: str,
  root: pathlib.Path,
  records: pathlib.Path,
  start: str = '',
  recipe: str = 'vqa/tiny.yaml',
  threads: int = 0,
) -> Step:
  override = [
    *_data_override(root, records),
    f'task.answers_file={records}/1.0.0/answers.txt',
  ]
  if start:
    override.append(start)
  return _train(name, 'vqa', recipe, root, override, into, threads)


def _predict(
  name: str,
  root: pathlib.Path,
  model: str,
  output: str,
  draw: bool = False,
  swap: bool = False,
) -> Step:
  arguments = [
    f'--model_dir={root / model}',
    '--split=test',
    f'--output={root}/results_{output}.json',
  ]
  if draw:
    arguments.append(f'--draw={root}/answers.png')
  if swap:
    arguments.append('--swap_images')
  return Step(name, 'vlbert-predict', arguments)


def _export(name: str, model: pathlib.Path, into: pathlib.Path) -> Step:
  return Step(
    name, 'vlbert-export', [f'--model_dir={model}', f'--output_dir={into}']
  )


def _serve_and_ask(root: pathlib.Path, data: pathlib.Path) -> None:
  """Starts the server, asks it one question, prints what it says."""
  image, question, boxes = _a_test_question(data)
  port_file = root / 'port'
  port_file.unlink(missing_ok=True)
  boxes_file = root / 'boxes.json'
  boxes_file.write_text(json.dumps(boxes), encoding='utf-8')
  with open(root / 'logs' / 'serve.log', 'wb') as log:
    server = subprocess.Popen(
      [
        command('vlbert-serve'),
        f'--model_dir={root}/export',
        '--port=0',
        f'--port_file={port_file}',
      ],
      stdout=log,
      stderr=subprocess.STDOUT,
    )
  try:
    port = _wait_for_port(server, port_file, root / 'logs' / 'serve.log')
    logging.info('vlbert-ask %s "%s"', image, question)
    subprocess.run(
      [
        command('vlbert-ask'),
        str(image),
        question,
        f'--server=127.0.0.1:{port}',
        f'--boxes={boxes_file}',
      ],
      check=True,
    )
  finally:
    server.terminate()
    server.wait()


def _a_test_question(data: pathlib.Path):
  """Image, question and boxes of the first question of the test split."""
  rows = json.loads(questions_file(data, 'test').read_text(encoding='utf-8'))
  first = rows['questions'][0]
  instances = json.loads(
    (data / 'instances_test.json').read_text(encoding='utf-8')
  )
  (image,) = [
    row for row in instances['images'] if row['id'] == first['image_id']
  ]
  corners = [
    [x, y, x + width, y + height]
    for x, y, width, height in (
      row['bbox']
      for row in instances['annotations']
      if row['image_id'] == first['image_id']
    )
  ]
  path = data / 'images' / 'test' / image['file_name']
  return path, first['question'], corners


def _wait_for_port(
  server: subprocess.Popen, port_file: pathlib.Path, log: pathlib.Path
) -> str:
  deadline = time.monotonic() + _SERVER_STARTS_WITHIN
  while not port_file.exists():
    if server.poll() is not None or time.monotonic() > deadline:
      raise RuntimeError(f'vlbert-serve did not start. Its output is in {log}.')
    time.sleep(0.2)
  return port_file.read_text(encoding='utf-8').strip()
