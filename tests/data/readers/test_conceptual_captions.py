"""Conceptual Captions' rows come together by image."""

import pytest

from vlbert_tf.data.annotations import Caption, Drop, Region
from vlbert_tf.data.readers import coco, conceptual_captions

INSTANCES = coco.Instances(
  ('dog',),
  {42: coco.ImageRegions((Region((0.0, 0.0, 2.0, 3.0), 1),), (7, 11))},
  {'x.jpg': 42},
  (),
)


def _read(tmp_path, rows, index=None, downloads=()):
  captions = tmp_path / 'captions.tsv'
  captions.write_bytes(rows)
  index_path = None
  if index is not None:
    index_path = tmp_path / 'index.tsv'
    index_path.write_bytes(index)
  images = tmp_path / 'images'
  images.mkdir()
  for name in downloads:
    (images / name).touch()
  items = list(
    conceptual_captions.read_images(
      str(captions), str(images), INSTANCES, index_path and str(index_path)
    )
  )
  drops = [item for item in items if isinstance(item, Drop)]
  return [item for item in items if not isinstance(item, Drop)], drops


def test_an_index_says_where_each_url_is(tmp_path):
  images, drops = _read(
    tmp_path,
    b'a dog .\thttp://h/1\na cat .\thttp://h/2\r\nit barks .\thttp://h/1\n',
    index=b'http://h/2\tb/y.jpg\nhttp://h/1\ta/x.jpg\n',
  )
  assert drops == []
  assert [image.image_id for image in images] == ['a/x.jpg', 'b/y.jpg']
  assert images[0].image_path == f'{tmp_path}/images/a/x.jpg'
  assert images[0].captions == (Caption('a dog .'), Caption('it barks .'))
  assert images[0].regions == INSTANCES.of_id(42).regions
  assert images[0].size == (7, 11)
  assert images[1].regions == ()


def test_without_an_index_images_are_named_by_row(tmp_path):
  images, drops = _read(
    tmp_path,
    b'zero\thttp://h/0\none\thttp://h/1\ntwo\thttp://h/2\n',
    downloads=['00002.jpg', '0.png'],
  )
  assert [(i.image_id, i.captions[0].text) for i in images] == [
    ('0.png', 'zero'),
    ('00002.jpg', 'two'),
  ]
  assert [(d.item, d.reason, d.images, d.annotations) for d in drops] == [
    ('image http://h/1', 'image_missing', 1, 1)
  ]


@pytest.mark.parametrize(
  ('row', 'reason'),
  [
    (b' \thttp://h/1', 'caption_empty'),
    (b'no url', 'row_malformed'),
    (b'no url\t', 'row_malformed'),
    (b'', 'row_malformed'),
    (b'a\tb\thttp://h/1', 'row_malformed'),
    (b'a  dog\thttp://h/1', 'caption_duplicate'),
  ],
)
def test_a_bad_row_is_set_aside(tmp_path, row, reason):
  images, drops = _read(
    tmp_path,
    b'a dog\thttp://h/1\n' + row + b'\nit barks\thttp://h/1\n',
    index=b'http://h/1\tx.jpg\n',
  )
  assert images[0].captions == (Caption('a dog'), Caption('it barks'))
  assert [(d.item, d.reason, d.annotations) for d in drops] == [
    ('line 2 of captions.tsv', reason, 1)
  ]


def test_a_line_separator_in_a_caption_ends_no_row(tmp_path):
  images, _ = _read(
    tmp_path,
    'one\u2028line\x85still\thttp://h/1\n'.encode(),
    index=b'http://h/1\tx.jpg\n',
  )
  assert images[0].captions == (Caption('one line still'),)


@pytest.mark.parametrize('content', [b'', b'{"questions": []}'])
def test_a_file_without_columns_is_refused(tmp_path, content):
  with pytest.raises(ValueError, match='two columns with a tab'):
    _read(tmp_path, content)


def test_an_index_without_columns_is_refused(tmp_path):
  with pytest.raises(ValueError, match='url<TAB>path.*line 2 of'):
    _read(
      tmp_path, b'a\thttp://h/1\n', index=b'http://h/1\tx.jpg\nhttp://h/2\n'
    )
