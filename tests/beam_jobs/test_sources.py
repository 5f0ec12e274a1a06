"""What --split takes, and what it refuses."""

import pytest

from beam_jobs import sources


def test_a_split_names_its_files_and_several_folders_of_images():
  source = sources.parse_split(
    'vqa', 'train,questions=q=1.json,images=gs://b/i,images=j,instances=n'
  )
  assert source == sources.SplitSource(
    'vqa',
    'train',
    {
      'questions': ('q=1.json',),
      'images': ('gs://b/i', 'j'),
      'instances': ('n',),
    },
  )


@pytest.mark.parametrize(
  ('dataset', 'text', 'sentence'),
  [
    ('vqa', 'val,question=q', 'Did you mean questions=?'),
    ('vqa', 'val,questions=', "Received: 'questions='"),
    ('vqa', 'val', 'needs questions=, images=, instances='),
    ('vqa', 'val,questions=a,questions=b', 'questions= once'),
    ('captions', 'val,images=a,images=b', 'images= once'),
    ('captions', 'val,questions=q', 'takes captions=, images='),
    ('vqa', 'questions=q,images=i', 'name of a split must be letters'),
    ('vqa', '', 'name of a split must be letters'),
    ('vqa', 'val-1,questions=q', "Received: 'val-1'"),
  ],
)
def test_a_split_that_makes_no_sense_is_refused(dataset, text, sentence):
  with pytest.raises(ValueError, match='Received') as caught:
    sources.parse_split(dataset, text)
  assert sentence in str(caught.value)
