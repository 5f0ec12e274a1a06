"""What a walk-through found, as a table."""

import pathlib

from vlbert_tf.evaluation import vqa
from vlbert_tf.walkthrough.programs import annotations_file

_TYPES = ('yes/no', 'number', 'other')


def table(folder: str) -> str:
  """The accuracies on the test split, in Markdown.

  Args:
    folder: of a finished walk-through.

  Returns:
    A row for each model, the image-blind ones first.
  """
  root = pathlib.Path(folder)
  data = root / 'data'
  test = str(annotations_file(data, 'test'))
  blind = str(root / 'results_blind.json')
  train = str(annotations_file(data, 'train'))
  vqa.write_results(blind, vqa.most_frequent_answers(train, test))
  rows = [
    ('most frequent answer of each question type', 'blind'),
    ('our model, images swapped between questions', 'swapped'),
    ('our model without pre-training', 'vqa_only'),
    ('our model', 'ours'),
  ]
  lines = [
    '| test accuracy, % | all | ' + ' | '.join(_TYPES) + ' |',
    '|---|' + '---|' * (1 + len(_TYPES)),
  ]
  for label, name in rows:
    results = root / f'results_{name}.json'
    if results.exists():
      accuracy = vqa.evaluate_results(str(results), test)
      values = [accuracy.overall] + [
        accuracy.by_answer_type.get(kind) for kind in _TYPES
      ]
      cells = ' | '.join('–' if v is None else f'{v:.1f}' for v in values)
      lines.append(f'| {label} | {cells} |')
  return '\n'.join(lines)
