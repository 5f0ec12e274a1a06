"""A vocabulary under which texts can be written for the golden vectors' ids."""

import pathlib

import numpy as np

SIZE = 2000
ANSWERS = 40
_SPECIAL = {0: '[PAD]', 100: '[UNK]', 101: '[CLS]', 102: '[SEP]', 103: '[MASK]'}
WORDS = [_SPECIAL.get(i, f'w{i}') for i in range(SIZE)]


def write(folder: pathlib.Path) -> dict[str, str]:
  """Writes vocabulary and answers; returns their paths by field."""
  files = {
    'vocab_file': (folder / 'vocab.txt', WORDS),
    'answers_file': (folder / 'answers.txt', [f'a{i}' for i in range(ANSWERS)]),
  }
  for path, lines in files.values():
    path.write_text(''.join(f'{line}\n' for line in lines))
  return {field: str(path) for field, (path, _) in files.items()}


def texts(ids: np.ndarray, lengths: np.ndarray) -> list[str]:
  """Texts whose word pieces have these ids."""
  return [
    ' '.join(WORDS[i] for i in row[:length])
    for row, length in zip(ids, lengths, strict=True)
  ]


def regions(arrays) -> dict[str, np.ndarray]:
  """RoIs of golden inputs, whose row 0 is the whole image, for a request."""
  boxes, features = arrays['boxes'], arrays['roi_features']
  real = boxes[:, 1:, :1] > -1.5
  return {
    'image_size': arrays['image_size'][:, ::-1].astype(np.float32),
    'boxes': np.where(real, boxes[:, 1:], -1.0).astype(np.float32),
    'appearance': np.where(real, features[:, 1:], 0.0).astype(np.float32),
    'image_appearance': features[:, 0].astype(np.float32),
  }
