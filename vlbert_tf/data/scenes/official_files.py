"""Writes images and annotations in the layouts that data sets publish.

    DIR/images/SPLIT/COCO_SPLIT2014_000000000017.jpg
    DIR/vqa/v2_OpenEnded_mscoco_{train2014,val2014,test2015}_questions.json
    DIR/vqa/v2_mscoco_{train2014,val2014,test2015}_annotations.json
    DIR/captions/{train,val}.tsv, {train,val}_index.tsv
    DIR/instances_SPLIT.json
    DIR/held_out.txt, where some combinations are
    DIR/README.txt

A folder is written aside as DIR.partial and renamed when complete, so what
is found at DIR is whole, whatever interrupted the run.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import logging

# Combinations of color and shape that only the split test has, one a line.
HELD_OUT = 'held_out.txt'
VQA_SUBTYPES = {'train': 'train2014', 'val': 'val2014', 'test': 'test2015'}
_README_NAME = 'README.txt'
_SETTINGS_MARK = 'settings: '
_LICENSE = {
  'name': 'CC0 1.0',
  'url': 'https://creativecommons.org/publicdomain',
}


def is_complete(folder: Path, settings: dict[str, object]) -> bool:
  """Whether a folder was already written with the same settings.

  Args:
    folder: where the data would go.
    settings: everything that decides the contents; JSON values.

  Raises:
    ValueError: the folder holds something else, or ours of other settings.
  """
  if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
    return False
  found = _settings_of(folder)
  if found is None:
    raise ValueError(
      'The output folder must be new, empty or written by this program. '
      f'Received: {folder}. Pass another --output_dir.'
    )
  if found != settings:
    changed = sorted(
      key
      for key in found.keys() | settings.keys()
      if found.get(key) != settings.get(key)
    )
    raise ValueError(
      f'{folder} was written with other settings ({", ".join(changed)}). '
      f'Received: {settings}, there: {found}. '
      'Delete the folder or pass another --output_dir.'
    )
  return True


@contextlib.contextmanager
def published(
  folder: Path, settings: dict[str, object], about: str
) -> Iterator[Path]:
  """Yields a folder to write to, and renames it when nothing went wrong.

  Args:
    folder: where the complete data appears.
    settings: written to README.txt, compared by `is_complete`.
    about: first paragraph of README.txt.

  Raises:
    ValueError: DIR.partial exists and is not a leftover of this program.
  """
  partial = folder.with_name(folder.name + '.partial')
  if partial.exists():
    if any(partial.iterdir()) and _settings_of(partial) is None:
      raise ValueError(
        'The data is written aside first, to a folder of our own. '
        f'Received: {partial}, which holds something else. Move it away.'
      )
    shutil.rmtree(partial)
  partial.mkdir(parents=True)
  (partial / _README_NAME).write_text(
    f'{about}\n\n{_SETTINGS_MARK}{json.dumps(settings, sort_keys=True)}\n'
  )
  yield partial
  if folder.exists():
    folder.rmdir()  # is_complete() found it empty.
  os.rename(partial, folder)
  logging.info('Wrote %s', folder)


def image_name(split: str, image_id: int, suffix: str = 'jpg') -> str:
  """The file name of an image: COCO_train2014_000000000017.jpg."""
  return f'COCO_{split}2014_{image_id:012d}.{suffix}'


def write_vqa(
  folder: Path,
  split: str,
  questions: Sequence[dict[str, object]],
  annotations: Sequence[dict[str, object]],
  description: str,
) -> None:
  """Writes the two VQA v2 files of a split.

  Args:
    folder: of the data set.
    split: 'train', 'val' or 'test'.
    questions: `{image_id, question, question_id}`.
    annotations: `{question_id, image_id, question_type, answer_type,
      multiple_choice_answer, answers}`.
    description: what the data set is.
  """
  subtype = VQA_SUBTYPES[split]
  head = {
    'info': _info(description),
    'license': _LICENSE,
    'data_type': 'mscoco',
    'data_subtype': subtype,
  }
  _write_json(
    folder / 'vqa' / f'v2_OpenEnded_mscoco_{subtype}_questions.json',
    {**head, 'task_type': 'Open-Ended', 'questions': questions},
  )
  _write_json(
    folder / 'vqa' / f'v2_mscoco_{subtype}_annotations.json',
    {**head, 'annotations': annotations},
  )


def write_instances(
  folder: Path,
  split: str,
  images: Sequence[dict[str, object]],
  annotations: Sequence[dict[str, object]],
  categories: Sequence[str],
  description: str,
) -> None:
  """Writes COCO instances of a split; see `write_instances_file`."""
  path = folder / f'instances_{split}.json'
  write_instances_file(path, images, annotations, categories, description)


def write_instances_file(
  path: Path,
  images: Sequence[dict[str, object]],
  annotations: Sequence[dict[str, object]],
  categories: Sequence[str],
  description: str,
) -> None:
  """Writes COCO instances; the categories' ids count from 1."""
  _write_json(
    path,
    {
      'info': _info(description),
      'licenses': [{**_LICENSE, 'id': 1}],
      'images': images,
      'annotations': annotations,
      'categories': [
        {'id': number, 'name': name, 'supercategory': 'object'}
        for number, name in enumerate(categories, 1)
      ],
    },
  )


def image_entry(
  image_id: int, file_name: str, width: int, height: int
) -> dict[str, object]:
  """An element of COCO's `images`."""
  return {
    'id': image_id,
    'file_name': file_name,
    'width': width,
    'height': height,
    'license': 1,
    'coco_url': file_name,
  }


def instance_entry(
  annotation_id: int,
  image_id: int,
  category_id: int,
  box: Sequence[float],
  area: float,
) -> dict[str, object]:
  """An element of COCO's `annotations`.

  Args:
    annotation_id: unique in the file.
    image_id: of its image.
    category_id: from 1.
    box: (x1, y1, x2, y2) in pixels; written as [x, y, width, height].
    area: of the object's mask, in pixels.
  """
  x1, y1, x2, y2 = box
  return {
    'id': annotation_id,
    'image_id': image_id,
    'category_id': category_id,
    'bbox': [x1, y1, x2 - x1, y2 - y1],
    'area': area,
    'iscrowd': 0,
    'segmentation': [],
  }


def write_captions(
  folder: Path,
  split: str,
  rows: Sequence[tuple[str, str]],
  paths: dict[str, str],
) -> None:
  """Writes Conceptual Captions' TSV and the index of its images.

  Args:
    folder: of the data set.
    split: 'train' or 'val'.
    rows: (caption, url).
    paths: of each url, relative to DIR/images.
  """
  target = folder / 'captions'
  target.mkdir(exist_ok=True)
  _write_rows(target / f'{split}.tsv', rows)
  _write_rows(target / f'{split}_index.tsv', list(paths.items()))


def _write_rows(path, rows):
  text = ''.join('\t'.join(row) + '\n' for row in rows)
  path.write_text(text, encoding='utf-8')


def _write_json(path, value):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(value), encoding='utf-8')


def _info(description):
  return {'description': description, 'version': '1.0', 'url': ''}


def _settings_of(folder):
  """The settings in a folder's README, or None where there are none."""
  readme = folder / _README_NAME
  if not readme.is_file():
    return None
  for line in readme.read_text(encoding='utf-8').splitlines():
    if line.startswith(_SETTINGS_MARK):
      return json.loads(line.removeprefix(_SETTINGS_MARK))
  return None
