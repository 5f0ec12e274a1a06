"""Annotations are grouped on disk: memory does not follow their number."""

import tracemalloc

import pytest

from beam_jobs import job, output, plans, sources, storage
from tests.beam_jobs import job_runs, official_files
from vlbert_tf.data.readers import files

_SETTINGS = plans.Settings(
  name='toy', kind='captions', max_rois=3, max_pixels=99
)


def _plan(folder, dataset: str, paths: str):
  source = sources.parse_split(dataset, f'val,{paths}', detected=True)
  with files.through(storage.ForReaders()):
    items = sources.read(source, ('object',))
    place = output.Output(f'{folder}/out')
    return job.plan_split(items, _SETTINGS, 50, place)


def _write_captions(folder, images: int) -> str:
  (folder / 'captions.tsv').write_text(
    ''.join(f'caption {k} of some words\thttp://h/{k}\n' for k in range(images))
  )
  (folder / 'index.tsv').write_text(
    ''.join(f'http://h/{k}\t{k}.jpg\n' for k in reversed(range(images)))
  )
  names = 'captions', 'image_index'
  files = 'captions.tsv', 'index.tsv'
  pairs = zip(names, files, strict=True)
  return f'images={folder},' + ','.join(f'{k}={folder}/{v}' for k, v in pairs)


def _write_own(folder, images: int) -> str:
  (folder / 'own.jsonl').write_text(
    ''.join(
      f'{{"image": "{k * 7 % images}.jpg", "question": "Who is it?"}}\n'
      for k in range(images)
    )
  )
  return f'images={folder},questions={folder}/own.jsonl'


def _write_list(folder, images: int) -> str:
  (folder / 'list.tsv').write_text(
    ''.join(f'{k}\t{k}.jpg\n' for k in range(images))
  )
  return f'images={folder},index={folder}/list.tsv'


@pytest.mark.parametrize(
  ('dataset', 'write'),
  [
    ('captions', _write_captions),
    ('own', _write_own),
    ('images', _write_list),
  ],
)
def test_memory_does_not_grow_with_the_annotations(
  tmp_path, monkeypatch, dataset, write
):
  monkeypatch.setattr(files, '_BLOCK', 1 << 12)

  def peak(images):
    folder = tmp_path / str(images)
    folder.mkdir()
    paths = write(folder, images)
    tracemalloc.start()
    try:
      work = _plan(folder, dataset, paths)
      assert sum(task.images for task in work.tasks) == images
      return tracemalloc.get_traced_memory()[1]
    finally:
      tracemalloc.stop()

  peak(100)  # What is made once, such as caches.
  small = peak(500)
  # Captions of 2,000 more images take 1.2 MB as objects; 40 more shards are
  # known by their paths, a kilobyte each.
  assert peak(2500) < small + 300_000


def test_an_image_with_very_many_captions_is_one_record(tmp_path):
  paths = official_files.write_captions(tmp_path / 'a', 9)
  table = tmp_path / 'a' / 'captions.tsv'
  url = table.read_text().splitlines()[0].partition('\t')[2]
  hot = [f'c {k} .' for k in range(3000)]
  # In two places of the file, with the other rows between them.
  table.write_text(
    ''.join(f'{text}\t{url}\n' for text in hot[:1000])
    + table.read_text()
    + ''.join(f'{text}\t{url}\n' for text in hot[1000:])
  )
  manifest = job.run(
    job_runs.request(tmp_path, f'val,{paths}', dataset='captions')
  )

  assert manifest['splits']['val']['annotations'] == 3018
  assert manifest['splits']['val']['shard_lengths'] == [3, 3, 3]
  texts = [
    [text.decode() for text in record['caption/text'].numpy()]
    for record in job_runs.records(tmp_path)
  ]
  assert sorted(map(len, texts)) == [2] * 8 + [3002]
  right = [*hot[:1000], 'a 0 .', 'b 0 .', *hot[1000:]]
  assert max(texts, key=len) == right
