"""The jobs that tests run, and what came of them."""

import hashlib
import pathlib

import tensorflow as tf

from beam_jobs import job
from vlbert_tf.data import example_schema


def request(tmp_path, *splits, **changes):
  fields = {
    'dataset': 'vqa',
    'name': 'toy',
    'output_dir': f'{tmp_path}/out',
    'splits': splits,
    'images_per_shard': 4,
  }
  return job.Request(**{**fields, **changes})


def folder(tmp_path) -> pathlib.Path:
  return tmp_path / 'out' / 'toy' / '1.0.0'


def records(tmp_path, split='val'):
  opened = example_schema.open_split(f'{tmp_path}/out/toy', split)
  return [
    example_schema.parse_example(record, opened.kind, opened.contents)
    for record in tf.data.TFRecordDataset(list(opened.paths))
  ]


def checksums(tmp_path) -> dict[str, str]:
  """Checksums of all but the manifest (the command), the report (seconds)."""
  place = folder(tmp_path)
  return {
    str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(place.rglob('*'))
    if path.is_file() and path.name not in ('manifest.json', 'report.json')
  }
