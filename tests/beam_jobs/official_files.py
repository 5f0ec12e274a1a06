"""Small data sets in official form, with real JPEGs, for tests."""

import json
import pathlib

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 21, 34


def write_jpeg(path: pathlib.Path, seed: int) -> None:
  """A blurred picture that follows from `seed`."""
  coarse = np.random.default_rng(seed).integers(0, 255, [3, 5, 3], np.uint8)
  Image.fromarray(coarse).resize((WIDTH, HEIGHT)).save(path)


def write_vqa(
  folder: pathlib.Path, images: int = 11, year: str = 'val2014', first: int = 1
) -> str:
  """Image k has k % 3 + 1 questions and two boxes.

  Args:
    folder: that gets the files.
    images: how many.
    year: part of file names, such as 'val2014'.
    first: number of the first image.

  Returns:
    The paths as `--split` takes them, without the split's name.
  """
  pictures = folder / year
  pictures.mkdir(parents=True)
  numbers = range(first, first + images)
  for k in numbers:
    write_jpeg(pictures / f'COCO_{year}_{k:012d}.jpg', k)
  asked = [(k, 10 * k + n) for k in numbers for n in range(k % 3 + 1)]
  files = {
    'questions': {
      'questions': [
        {'image_id': k, 'question_id': q, 'question': f'Is it {k}?'}
        for k, q in asked
      ]
    },
    'annotations': {
      'annotations': [
        {
          'image_id': k,
          'question_id': q,
          'question_type': 'is it',
          'answer_type': 'yes/no',
          'answers': [{'answer': 'yes'}] * 7 + [{'answer': 'no'}] * 3,
        }
        for k, q in asked
      ]
    },
    'instances': {
      'images': [
        {
          'id': k,
          'file_name': f'COCO_{year}_{k:012d}.jpg',
          'height': HEIGHT,
          'width': WIDTH,
        }
        for k in numbers
      ],
      'annotations': [
        {'id': 10 * k + n, 'image_id': k, 'category_id': c, 'bbox': box}
        for k in numbers
        for n, (c, box) in enumerate([(1, [2, 3, 5, 7]), (9, [20, 11, 99, 99])])
      ],
      'categories': [{'id': 1, 'name': 'dog'}, {'id': 9, 'name': 'cat'}],
    },
  }
  for name, content in files.items():
    (folder / f'{name}_{year}.json').write_text(json.dumps(content))
  paths = [f'{name}={folder}/{name}_{year}.json' for name in files]
  return ','.join([*paths, f'images={pictures}'])


def write_captions(folder: pathlib.Path, images: int = 5) -> str:
  """Image k has the captions 'a k .' and 'b k .'; see `write_vqa`."""
  write_vqa(folder, images, 'train2014')
  names = [f'COCO_train2014_{k + 1:012d}.jpg' for k in range(images)]
  (folder / 'captions.tsv').write_text(
    ''.join(
      f'{letter} {k} .\thttp://h/{name}\n'
      for letter in 'ab'
      for k, name in enumerate(names)
    )
  )
  (folder / 'index.tsv').write_text(
    ''.join(f'http://h/{name}\ttrain2014/{name}\n' for name in names)
  )
  return (
    f'captions={folder}/captions.tsv,image_index={folder}/index.tsv,'
    f'images={folder},instances={folder}/instances_train2014.json'
  )
