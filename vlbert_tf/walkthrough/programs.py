"""The programs that walk-throughs run, as steps with their flags."""

import os
import pathlib
from collections.abc import Sequence

from vlbert_tf import recipes
from vlbert_tf.walkthrough.steps import Step

# Settings of a model that reads the features of the detector of scenes from its
# records.
FEATURES = (
  'task.model.visual_features=precomputed',
  'task.model.appearance_size=128',
)


def questions_file(data: pathlib.Path, split: str) -> pathlib.Path:
  """Official questions of a split of generated data."""
  name = {'train': 'train2014', 'val': 'val2014', 'test': 'test2015'}[split]
  return data / 'vqa' / f'v2_OpenEnded_mscoco_{name}_questions.json'


def annotations_file(data: pathlib.Path, split: str) -> pathlib.Path:
  """Official annotations of a split of generated data."""
  name = {'train': 'train2014', 'val': 'val2014', 'test': 'test2015'}[split]
  return data / 'vqa' / f'v2_mscoco_{name}_annotations.json'


def make_scenes(
  data: pathlib.Path, images: int, with_regions: bool = False
) -> Step:
  """Scenes in the official formats, so many with each kind of texts."""
  arguments = [
    f'--output_dir={data}',
    f'--train_images={images}',
    f'--caption_images={images}',
    f'--num_workers={os.cpu_count()}',
  ]
  if with_regions:
    arguments.append('--with_regions')
  return Step('make scenes', 'vlbert-make-scenes', arguments)


def learn_vocabulary(
  root: pathlib.Path, size: int, *texts: pathlib.Path
) -> Step:
  """The word pieces of a walk-through's own texts."""
  return Step(
    'learn vocabulary',
    'vlbert-learn-vocabulary',
    [
      f'--input={",".join(map(str, texts))}',
      f'--output={root}/vocab.txt',
      f'--size={size}',
    ],
  )


def build_captions(
  data: pathlib.Path,
  records: pathlib.Path,
  name: str,
  rois: Sequence[str],
  threads: int = 0,
) -> Step:
  """Records of captions; `rois` are the flags that say where RoIs are from."""
  splits = [
    f'--split={split},captions={data}/captions/{split}.tsv,'
    f'images={data}/images,'
    f'image_index={data}/captions/{split}_index.tsv'
    for split in ('train', 'val')
  ]
  return build(
    'build records of captions',
    'captions',
    name,
    records,
    [*rois, *splits],
    threads,
  )


def build_questions(
  data: pathlib.Path,
  records: pathlib.Path,
  name: str,
  rois: Sequence[str] = (),
  threads: int = 0,
) -> Step:
  """Records of questions; boxes are annotated unless `rois` says otherwise."""
  splits = []
  for split in ('train', 'val', 'test'):
    files = (
      f'--split={split},questions={questions_file(data, split)},'
      f'annotations={annotations_file(data, split)},'
      f'images={data}/images/{split}'
    )
    if not rois:
      files += f',instances={data}/instances_{split}.json'
    splits.append(files)
  return build(
    'build records of questions',
    'vqa',
    name,
    records,
    [*rois, *splits],
    threads,
  )


def build_references(
  data: pathlib.Path,
  records: pathlib.Path,
  name: str,
  test_splits: Sequence[str],
  rois: Sequence[str] = (),
  step: str = 'build records of references',
) -> Step:
  """Records of referring expressions; candidates are annotated without `rois`.

  Those of `test_splits` are on the images of the test split.
  """
  folder = data / 'refcoco+'
  images = {
    'train': 'train',
    'val': 'val',
    **dict.fromkeys(test_splits, 'test'),
  }
  splits = [
    f'--split={split},refs={folder}/refs(unc).p,'
    f'instances={folder}/instances.json,images={data}/images/{place}'
    for split, place in images.items()
  ]
  return build(step, 'refcoco', name, records, [*rois, *splits])


def build_choices(data: pathlib.Path, records: pathlib.Path, name: str) -> Step:
  """Records of multiple choice, with annotated boxes."""
  folder = data / 'vcr'
  splits = [
    f'--split={split},questions={folder}/{split}.jsonl,images={data}/images,'
    f'metadata={folder}/metadata,categories={folder}/categories.txt'
    for split in ('train', 'val', 'test')
  ]
  return build('build records of choices', 'vcr', name, records, splits)


def build(
  step: str,
  dataset: str,
  name: str,
  records: pathlib.Path,
  arguments: Sequence[str],
  threads: int = 0,
) -> Step:
  """Records of a data set."""
  return Step(
    step,
    'vlbert-build-examples',
    [
      f'--dataset={dataset}',
      f'--name={name}',
      f'--output_dir={records}',
      *arguments,
    ],
    threads,
  )


def data_override(root: pathlib.Path, records: pathlib.Path) -> list[str]:
  """Settings of a training that say what it reads."""
  return [
    f'task.vocab_file={root}/vocab.txt',
    f'task.train_data.path={records}',
    f'task.validation_data.path={records}',
  ]


def pretrain(
  root: pathlib.Path,
  records: pathlib.Path,
  threads: int,
  settings: Sequence[str] = (),
) -> Step:
  """Pre-training on captions."""
  override = [*data_override(root, records), *settings]
  recipe = 'pretrain/tiny.yaml'
  return train(
    'pre-train', 'pretraining', recipe, root, override, threads=threads
  )


def train(
  name: str,
  experiment: str,
  recipe: str,
  root: pathlib.Path,
  override: list[str],
  into: str = '',
  threads: int = 0,
) -> Step:
  """A training run by a recipe, into a folder named as the experiment."""
  return Step(
    name,
    'vlbert-train',
    [
      f'--experiment=vlbert/{experiment}',
      f'--config_file={recipes.FOLDER / recipe}',
      f'--model_dir={root / (into or experiment)}',
      f'--params_override={",".join(override)}',
    ],
    threads,
  )


def train_vqa(
  name: str,
  into: str,
  root: pathlib.Path,
  records: pathlib.Path,
  settings: Sequence[str] = (),
  recipe: str = 'vqa/tiny.yaml',
  threads: int = 0,
) -> Step:
  """A training run on questions."""
  override = [
    *data_override(root, records),
    f'task.answers_file={records}/1.0.0/answers.txt',
    *settings,
  ]
  return train(name, 'vqa', recipe, root, override, into, threads)


def predict(
  name: str,
  root: pathlib.Path,
  model: str,
  output: str,
  draw: bool = False,
  swap: bool = False,
) -> Step:
  """Answers of a model to the questions of the test split."""
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


def export(
  name: str, model: pathlib.Path, into: pathlib.Path, *more: str
) -> Step:
  """The SavedModel of a model folder; `more` are flags."""
  arguments = [
    f'--model_dir={model}',
    f'--output_dir={into}',
    # Each size is tried, and one request at a time will come.
    '--batch_sizes=1',
    *more,
  ]
  return Step(name, 'vlbert-export', arguments)
