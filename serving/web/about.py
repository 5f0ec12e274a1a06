"""What people should know of a model before they ask it."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from absl import logging

_CARD = 'assets.extra/model_card.json'
_TASKS = {
  'vlbert/vqa': 'answers questions',
  'vlbert/refcoco': 'finds what an expression means',
  'vlbert/pretraining': 'fills in words and judges captions',
  'vlbert/vcr': 'chooses among four answers',
  'vlbert/detection': 'finds regions',
}
_METRICS = {
  'vqa_accuracy': 'accuracy',
  'accuracy': 'accuracy',
  'masked_word_accuracy': 'accuracy on masked words',
  'relationship_accuracy': 'accuracy on captions',
}
_EXPECT = (
  'Expect sense from pictures like those of its training, and little from '
  'others.'
)
_UNNAMED = 'data that its export does not name'


def read_card(path: str) -> str:
  """Says in a few sentences what a model card holds.

  Args:
    path: `assets.extra/model_card.json` of an export.

  Returns:
    What the model does, what it was trained on, how good it was.

  Raises:
    ValueError: there is no such file, or it is no card.
  """
  try:
    card = json.loads(pathlib.Path(path).read_text(encoding='utf-8'))
    return describe(card)
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise ValueError(
      'A model card is assets.extra/model_card.json of an export. '
      f'Received: {path}, {type(error).__name__}. Correct --model_cards.'
    ) from error


def of_export(version: pathlib.Path) -> str:
  """See `read_card`, of an export's folder; '' where it has no good card."""
  path = version / _CARD
  if not path.is_file():
    return ''
  try:
    return read_card(str(path))
  except ValueError as error:
    # The model answers without it.
    logging.warning('%s', error)
    return ''


def describe(card: Mapping[str, Any]) -> str:
  """See `read_card`."""
  does = _TASKS.get(card['task'], card['task'])
  records = card['settings'].get('train_data', {}).get('path', '')
  source = pathlib.PurePath(records).name or _UNNAMED
  known = card.get('answers', {}).get('count', 0)
  parts = [f'This model {does}; it was trained on {source}.']
  if known:
    parts.append(f'It knows {known:,} answers.')
  for name, words in _METRICS.items():
    if name in card['metrics']:
      parts.append(
        f'Its {words} was {100 * card["metrics"][name]:.0f} % '
        'in its last evaluation.'
      )
  return ' '.join([*parts, _EXPECT])
