"""The record on disk, in a graph, and through TensorFlow Datasets."""

import json

import numpy as np
import pytest
import tensorflow as tf

from vlbert_tf.data import example_schema, tfds_features
from vlbert_tf.data.annotations import (
  Caption,
  ImageAnnotations,
  Question,
  Region,
)

REGIONS = (
  Region((1.5, 2.0, 30.0, 40.25), category=2, score=0.75),
  Region((0.0, 0.0, 7.0, 11.0), category=1),
)
CAPTIONED = ImageAnnotations(
  'val/3.jpg', 'x.jpg', REGIONS, captions=(Caption('café'), Caption('a b'))
)
ASKED = ImageAnnotations(
  '17',
  'x.jpg',
  REGIONS,
  questions=(
    Question(170, 'How many?', 'how many', 'number', (('2', 7), ('3', 3))),
    Question(171, 'Unanswered?'),
    Question(2**40, 'Red?', 'is', 'yes/no', (('no', 10),)),
  ),
)


def _encode(kind, annotations):
  return example_schema.encode_example(kind, annotations, b'\xff\xd8', 42, 31)


def _write_folder(folder, kind, records, **changes):
  """A complete folder with one shard of records."""
  folder.mkdir(parents=True)
  path = folder / 'toy-val.tfrecord-00000-of-00001'
  with tf.io.TFRecordWriter(str(path)) as writer:
    for record in records:
      writer.write(record)
  manifest = {
    'schema_version': 1,
    'kind': kind,
    'name': 'toy',
    'command': 'vlbert-build-examples --name=toy',
    'categories': ['dog', 'cat'],
    'splits': {
      'val': {
        'shards': 1,
        'images': len(records),
        'annotations': 2,
        'shard_lengths': [len(records)],
      }
    },
    **changes,
  }
  (folder / 'manifest.json').write_text(json.dumps(manifest))
  (folder / 'dataset_info.json').write_text('{}')


def test_captions_come_back_as_they_were_written():
  parsed = example_schema.parse_example(
    tf.constant(_encode('captions', CAPTIONED)), 'captions'
  )
  assert parsed['image/id'] == b'val/3.jpg'
  assert parsed['image/encoded'] == b'\xff\xd8'
  assert (parsed['image/height'], parsed['image/width']) == (42, 31)
  np.testing.assert_array_equal(
    parsed['roi/box'], [[1.5, 2.0, 30.0, 40.25], [0.0, 0.0, 7.0, 11.0]]
  )
  assert parsed['roi/category'].numpy().tolist() == [2, 1]
  assert parsed['roi/score'].numpy().tolist() == [0.75, 1.0]
  assert parsed['roi/source'] == b'annotated'
  assert parsed['schema/version'] == 1
  texts = [text.decode() for text in parsed['caption/text'].numpy()]
  assert texts == ['café', 'a b']


def test_questions_keep_their_answers_apart_in_a_graph():
  records = tf.data.Dataset.from_tensors(_encode('questions', ASKED)).map(
    lambda record: example_schema.parse_example(record, 'questions')
  )
  parsed = next(iter(records))
  assert parsed['question/id'].numpy().tolist() == [170, 171, 2**40]
  assert parsed['question/type'].numpy().tolist() == [b'how many', b'', b'is']
  assert parsed['answer/text'].to_list() == [[b'2', b'3'], [], [b'no']]
  assert parsed['answer/count'].to_list() == [[7, 3], [], [10]]
  assert records.element_spec['answer/text'].shape.as_list() == [None, None]
  assert records.element_spec['roi/box'].shape.as_list() == [None, 4]


def test_an_image_without_regions_or_texts_still_parses():
  empty = ImageAnnotations('1', 'x.jpg')
  parsed = example_schema.parse_example(
    _encode('questions', empty), 'questions'
  )
  assert parsed['roi/box'].shape == (0, 4)
  assert parsed['answer/text'].to_list() == []


@pytest.mark.parametrize(
  ('kind', 'annotations'), [('captions', CAPTIONED), ('questions', ASKED)]
)
def test_tensorflow_datasets_would_write_the_same_features(kind, annotations):
  tfds = pytest.importorskip('tensorflow_datasets')
  serializers = pytest.importorskip(
    'tensorflow_datasets.core.example_serializer'
  )
  features = tfds_features.features_dict(kind)
  assert isinstance(features, tfds.features.FeaturesDict)
  values = {
    'image/id': annotations.image_id,
    'image/height': 42,
    'image/width': 31,
    'image/encoded': b'\xff\xd8',
    'roi/box': np.array([r.box for r in REGIONS], np.float32),
    'roi/category': [2, 1],
    'roi/score': [0.75, 1.0],
    'roi/source': 'annotated',
    'schema/version': 1,
    'detector/fingerprint': '',
  }
  if kind == 'captions':
    values['caption/text'] = ['café', 'a b']
  else:
    values |= {
      'question/id': [170, 171, 2**40],
      'question/text': ['How many?', 'Unanswered?', 'Red?'],
      'question/type': ['how many', '', 'is'],
      'question/answer_type': ['number', '', 'yes/no'],
      'answer/text': [['2', '3'], [], ['no']],
      'answer/count': [[7, 3], [], [10]],
    }
  theirs = serializers.ExampleSerializer(
    features.get_serialized_info()
  ).serialize_example(features.encode_example(values))
  ours = _encode(kind, annotations)
  assert tf.train.Example.FromString(ours) == tf.train.Example.FromString(
    theirs
  )


def test_a_record_has_the_same_bytes_each_time():
  assert _encode('questions', ASKED) == _encode('questions', ASKED)


def test_an_unknown_kind_names_the_known_ones():
  with pytest.raises(ValueError, match="captions, questions.*'poems'"):
    _encode('poems', ASKED)


@pytest.mark.parametrize('path', ['toy', 'toy/', 'toy/1.0.0', 'toy/1.0.0/'])
def test_a_split_opens_with_or_without_the_version(tmp_path, path):
  folder = tmp_path / 'toy' / '1.0.0'
  _write_folder(folder, 'captions', [_encode('captions', CAPTIONED)])
  split = example_schema.open_split(f'{tmp_path}/{path}', 'val')
  assert split.kind == 'captions'
  assert split.paths == (f'{folder}/toy-val.tfrecord-00000-of-00001',)
  assert split.text_paths == (f'{folder}/texts/toy-val-00000-of-00001.tsv',)
  assert (split.images, split.annotations) == (1, 2)
  assert split.categories == ('dog', 'cat')


def test_texts_come_in_the_order_of_the_shards(tmp_path):
  folder = tmp_path / 'toy' / '1.0.0'
  _write_folder(folder, 'captions', [])
  (folder / 'texts').mkdir()
  (folder / 'texts' / 'toy-val-00000-of-00001.tsv').write_text(
    'b.jpg\tcafé\x85 noir\na.jpg\ta dog\n', 'utf-8'
  )
  split = example_schema.open_split(str(folder), 'val')
  ids, captions = example_schema.read_texts(split)
  assert ids.numpy().tolist() == [b'b.jpg', b'a.jpg']
  assert captions.numpy()[0].decode() == 'café\x85 noir'


def test_an_unknown_split_names_the_known_ones(tmp_path):
  _write_folder(tmp_path / 'toy', 'captions', [])
  with pytest.raises(ValueError, match="folder: val. Received: 'tran'"):
    example_schema.open_split(str(tmp_path / 'toy'), 'tran')


def test_another_version_is_refused_with_the_command_that_rebuilds(tmp_path):
  _write_folder(tmp_path / 'toy', 'captions', [], schema_version=2)
  with pytest.raises(ValueError, match='version 2.*again with: vlbert-build'):
    example_schema.open_split(str(tmp_path / 'toy'), 'val')


@pytest.mark.parametrize('missing', ['manifest.json', 'dataset_info.json'])
def test_an_incomplete_folder_is_refused(tmp_path, missing):
  _write_folder(tmp_path / 'toy', 'captions', [])
  (tmp_path / 'toy' / missing).unlink()
  with pytest.raises(ValueError, match=f'{missing}.*incomplete'):
    example_schema.open_split(str(tmp_path / 'toy'), 'val')


def test_a_folder_that_is_not_there_is_refused(tmp_path):
  with pytest.raises(ValueError, match='There is no folder'):
    example_schema.open_split(str(tmp_path / 'toy'), 'val')


def test_two_versions_need_a_choice(tmp_path):
  _write_folder(tmp_path / 'toy' / '1.0.0', 'captions', [])
  _write_folder(tmp_path / 'toy' / '2.0.0', 'captions', [])
  with pytest.raises(ValueError, match=r'1\.0\.0, 2\.0\.0'):
    example_schema.open_split(str(tmp_path / 'toy'), 'val')
