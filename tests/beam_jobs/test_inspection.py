"""What is shown of records, and which rules are checked."""

import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from beam_jobs import contact_sheet, inspection
from tests.data import record_folder
from vlbert_tf.data import example_schema
from vlbert_tf.data.record_contents import Contents


def test_counts_features_and_a_sheet_of_what_was_drawn(tmp_path):
  folder = record_folder.write_captions(tmp_path, images=5)
  found = inspection.inspect(
    str(folder), sheet=f'{tmp_path}/sheet.png', images=3
  )

  assert found.flaws == ()
  assert 'train: 5 images, 10 captions, 2 files; looked at 5' in found.page
  # Images 0 to 4 have 1, 2, 3, 1 and 2 boxes.
  assert '1.8 RoIs and 2.00 captions an image' in found.page
  assert 'caption/text' in found.page
  assert '3 records are drawn' in found.page
  sheet = Image.open(tmp_path / 'sheet.png')
  assert sheet.size == (3 * 320, 320 + 4 * 12)
  pixels = np.asarray(sheet.convert('RGB')).reshape(-1, 3)
  # The color of the first box of an image.
  assert (pixels == [0xE6, 0x19, 0x4B]).all(axis=1).sum() > 300


@pytest.mark.parametrize(
  'write',
  [
    record_folder.write_questions,
    record_folder.write_expressions,
    record_folder.write_choices,
  ],
)
def test_every_kind_of_records_can_be_shown(tmp_path, write):
  found = inspection.inspect(
    str(write(tmp_path)), sheet=f'{tmp_path}/sheet.png'
  )
  assert found.flaws == ()
  assert Image.open(io.BytesIO((tmp_path / 'sheet.png').read_bytes()))


def test_features_stand_on_gray(tmp_path):
  folder = record_folder.write_captions(
    tmp_path, contents=Contents(image=False, appearance_size=3)
  )
  found = inspection.inspect(str(folder), sheet=f'{tmp_path}/sheet.png')
  assert found.flaws == ()
  assert '"appearance_size": 3' in found.page


def test_regions_are_labelled_by_attributes_category_and_score(tmp_path):
  folder = record_folder.write_captions(tmp_path)
  split = dataclasses.replace(
    example_schema.open_split(str(folder), 'train'), attributes=('red', 'big')
  )
  record = {
    'roi/box': np.zeros([2, 4]),
    'roi/category': np.array([3, 0]),
    'roi/score': np.array([0.25, 1.0]),
  }
  annotated = {**record, 'roi/attribute': [[2, 1], []]}
  detected = {**record, 'roi/detected_attribute': np.array([0, 2])}

  labels = contact_sheet.labels
  assert labels(record, split) == ['cone 0.25', 'background 1.00']
  assert labels(annotated, split) == ['big red cone 0.25', 'background 1.00']
  assert labels(detected, split) == ['cone 0.25', 'big background 1.00']
  detected['roi/detected_attribute'][0] = 3
  (flaw,) = inspection.broken_attributes(detected, split)
  assert flaw == 'an attribute is none of the 2'


@pytest.mark.parametrize(
  ('changes', 'flaw'),
  [
    ({'roi/box': [[2, 3, 41, 25]]}, 'leaves 30 x 40 pixels'),
    ({'roi/box': [[2, 3, 2, 25]]}, 'no area'),
    ({'roi/box': [[2, np.nan, 5, 25]]}, 'no number'),
    ({'roi/box': np.zeros([0, 4])}, 'no RoI'),
    ({'roi/score': [0.5, 0.5]}, 'roi/score has 2 rows for 1 RoIs'),
    ({'roi/score': [1.5]}, 'no probability'),
    ({'roi/category': [4]}, 'none of the 3'),
    ({'caption/text': [b'']}, 'is empty'),
    ({'caption/text': []}, 'no text'),
    ({'image/encoded': b'no image'}, 'cannot be decoded'),
    ({'image/height': 31}, '(30, 40) pixels in place of (31, 40)'),
  ],
)
def test_a_broken_rule_is_named(tmp_path, changes, flaw):
  folder = str(record_folder.write_captions(tmp_path, images=1))
  split = example_schema.open_split(folder, 'train')
  (serialized,) = tf.data.TFRecordDataset(list(split.paths))
  record = example_schema.parse_example(serialized, split.kind)
  record = {name: value.numpy() for name, value in record.items()}
  assert not list(inspection.broken_rules(record, split))

  for name, value in changes.items():
    scalar = isinstance(value, (bytes, int))
    record[name] = value if scalar else np.array(value)
  assert any(flaw in line for line in inspection.broken_rules(record, split))


def test_counts_that_differ_from_the_manifest_are_a_flaw(tmp_path):
  folder = record_folder.write_captions(tmp_path, images=4)
  path = folder / example_schema.MANIFEST
  path.write_text(path.read_text().replace('"images": 4', '"images": 5'))
  found = inspection.inspect(str(folder))
  assert found.flaws == ('train: 4 images, and the manifest says 5',)
