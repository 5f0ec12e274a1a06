"""One's own questions: from JSON lines to answers of a server."""

import json

import pytest

from tests.integration import runs
from tests.serving.server_process import ServerProcess

pytestmark = pytest.mark.slow


def test_ones_own_questions_are_answered_by_a_server(fixtures, tmp_path):
  photos = fixtures / 'coco' / 'images'
  names = sorted(path.name for path in photos.iterdir())[:4]
  box, question = [1, 1, 60, 60], 'What is in the box?'
  (tmp_path / 'mine.jsonl').write_text(
    ''.join(
      json.dumps(
        {
          'image': name,
          'question': question,
          'answers': [('a red thing', 'nothing')[k % 2]],
          'boxes': [{'box': box}],
        }
      )
      + '\n'
      for k, name in enumerate(names)
    )
  )
  source = f'train,questions={tmp_path}/mine.jsonl,images={photos}'
  runs.build(tmp_path, 'own', source)
  answers = str(tmp_path / 'own' / '1.0.0' / 'answers.txt')
  settings = runs.reads_text(fixtures, answers_file=answers)
  model_dir = runs.train(tmp_path, 'own', 'vlbert/vqa', 'train', **settings)
  export = f'{tmp_path}/export'
  runs.program(
    'serving.export', model_dir=model_dir, output_dir=export, batch_sizes=1
  )

  with ServerProcess(tmp_path, f'--model_dir={export}') as server:
    said = runs.program(
      'serving.ask',
      str(photos / names[0]),
      question,
      server=server.address,
      boxes=','.join(map(str, box)),
    )

  # The answers are one's own, as the metric writes them, and no others.
  lines = sorted(line.partition(' %  ') for line in said.splitlines())
  assert {answer for *_, answer in lines} == {'red thing', 'nothing'}
  assert sum(float(share) for share, *_ in lines) == pytest.approx(100, abs=0.2)
