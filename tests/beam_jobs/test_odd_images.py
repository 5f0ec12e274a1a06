"""Odd images become records or are set aside; none is lost."""

import json

import numpy as np
import tensorflow as tf

from beam_jobs import job
from tests.beam_jobs import job_runs, odd_images, toy_detector
from vlbert_tf.vision import image as images


def test_each_odd_image_becomes_a_record_or_a_drop_with_its_reason(tmp_path):
  good, bad = odd_images.usable(), odd_images.unusable()
  (tmp_path / 'i').mkdir()
  for name, (content, _) in (good | bad).items():
    (tmp_path / 'i' / name).write_bytes(content)
  model = toy_detector.write(tmp_path / 'model')
  manifest = job.run(
    job_runs.request(
      tmp_path,
      f'val,images={tmp_path}/i',
      dataset='images',
      detector=model,
      keep='both',
      images_per_shard=100,
      max_drop_fraction=1.0,
    )
  )

  val = manifest['splits']['val']
  assert (val['images'], val['dropped_images']) == (len(good), len(bad))
  records = {
    r['image/id'].numpy().decode(): r for r in job_runs.records(tmp_path)
  }
  sizes = {
    name: (int(r['image/height']), int(r['image/width']))
    for name, r in records.items()
  }
  assert sizes == {name: size for name, (_, size) in good.items()}
  for name, (height, width) in sizes.items():
    right = records[name]['roi/box'][-1, 2]
    assert right == (width if width > height else width / 2), name
  lines = (job_runs.folder(tmp_path) / 'drops.jsonl').read_text().splitlines()
  reasons = {
    drop['item'].removeprefix('image '): drop['reason']
    for drop in map(json.loads, lines)
  }
  assert reasons == {name: reason for name, (_, reason) in bad.items()}


def test_the_stored_pixels_are_what_is_seen_whatever_the_form():
  plain = images.decode(tf.constant(odd_images.usable()['plain.jpg'][0]))

  def difference(name):
    """Mean over pixels; the forms lose a little."""
    other = images.decode(tf.constant(odd_images.usable()[name][0]))
    return np.abs(plain.numpy().astype(int) - other.numpy().astype(int)).mean()

  assert difference('progressive.jpg') == 0
  assert difference('rgba.png') < 6
  # Four inks, not inverted and not shifted.
  assert difference('cmyk.jpg') < 12
