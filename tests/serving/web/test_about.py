"""What the page tells of a model."""

import json

import pytest

from serving.web import about

CARD = {
  'task': 'vlbert/vqa',
  'settings': {'train_data': {'path': '/data/records/scenes_vqa'}},
  'answers': {'count': 1024},
  'metrics': {'vqa_accuracy': 0.876, 'step': 2500},
}


def test_a_card_is_told_in_plain_words(tmp_path):
  path = tmp_path / 'model_card.json'
  path.write_text(json.dumps(CARD))

  told = about.read_card(str(path))

  assert told.startswith(
    'This model answers questions; it was trained on scenes_vqa. '
    'It knows 1,024 answers. '
    'Its accuracy was 88 % in its last evaluation. Expect '
  )


def test_converted_weights_name_no_data():
  card = {**CARD, 'settings': {}, 'metrics': {}}

  assert 'data that its export does not name' in about.describe(card)
  assert '%' not in about.describe(card)


@pytest.mark.parametrize('content', [None, '[]', '{}', 'no'])
def test_what_is_no_card_is_refused(tmp_path, content):
  path = tmp_path / 'card.json'
  if content is not None:
    path.write_text(content)

  with pytest.raises(ValueError, match='A model card is assets.extra'):
    about.read_card(str(path))
