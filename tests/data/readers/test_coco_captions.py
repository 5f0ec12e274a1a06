"""COCO's captions: five people, one image."""

import json

import pytest

from vlbert_tf.data.annotations import Caption, Drop, Region
from vlbert_tf.data.readers import coco, coco_captions

BOX = Region((0.0, 0.0, 2.0, 3.0), 1)
INSTANCES = coco.Instances(
  ('dog',), {42: coco.ImageRegions((BOX,), (7, 11))}, {}, ()
)
FILES = {42: 'train2014/COCO_train2014_000000000042.jpg', 9: '9.jpg'}


def _caption(caption_id, image_id=42, text='A dog.'):
  return {'id': caption_id, 'image_id': image_id, 'caption': text}


def _read(tmp_path, captions, images=(42, 9)):
  path = tmp_path / 'captions_train2014.json'
  rows = [image if isinstance(image, dict) else {'id': image}
          for image in images]  # fmt: skip
  path.write_text(json.dumps({'images': rows, 'annotations': captions}))
  items = list(coco_captions.read_images(str(path), FILES, INSTANCES))
  drops = [item for item in items if isinstance(item, Drop)]
  return [item for item in items if not isinstance(item, Drop)], drops


def test_captions_come_together_by_image_in_the_order_of_the_file(tmp_path):
  images, drops = _read(
    tmp_path,
    [
      _caption(3, 9, 'A cat\nsleeps. '),
      _caption(1, 42, 'A dog.'),
      _caption(2, 42, 'It barks.'),
      _caption(4, 42, 'A dog.'),
    ],
  )

  assert drops == []
  dog, cat = images
  assert dog.image_id == '42'
  assert dog.image_path == FILES[42]
  # Two people may write the same.
  assert dog.captions == tuple(map(Caption, ('A dog.', 'It barks.', 'A dog.')))
  assert dog.regions == (BOX,)
  assert dog.size == (7, 11)
  assert cat.captions == (Caption('A cat sleeps.'),)
  assert cat.regions == ()


@pytest.mark.parametrize(
  ('caption', 'item', 'reason'),
  [
    (_caption(1), 'caption row 1', 'caption_duplicate'),
    (_caption(2, text=' \n'), 'caption 2', 'caption_empty'),
    (_caption(2, text=None), 'caption 2', 'caption_empty'),
    (_caption(2, image_id=7), 'caption 2', 'caption_without_image'),
    (_caption(2, image_id='x'), 'caption row 1', 'caption_malformed'),
    (_caption(True), 'caption row 1', 'caption_malformed'),
    ('A dog.', 'caption row 1', 'caption_malformed'),
    ({'id': 2, 'image_id': 42}, 'caption 2', 'caption_empty'),
  ],
)
def test_a_bad_caption_is_set_aside(tmp_path, caption, item, reason):
  images, drops = _read(
    tmp_path, [_caption(1), caption, _caption(8)], images=[42]
  )

  assert [len(image.captions) for image in images] == [2]
  assert [(d.item, d.reason, d.images, d.annotations) for d in drops] == [
    (item, reason, 0, 1)
  ]


def test_images_without_file_or_caption_are_counted_as_images(tmp_path):
  images, drops = _read(
    tmp_path,
    [_caption(1, 5), _caption(2, 5), _caption(3, 42), _caption(4, 9, '')],
    images=[5, 42, 9, 8, 42, {'file_name': 'x.jpg'}],
  )

  assert [image.image_id for image in images] == ['42']
  assert {(d.item, d.reason, d.images, d.annotations) for d in drops} == {
    ('image row 4', 'image_duplicate', 0, 0),
    ('image row 5', 'image_malformed', 0, 0),
    ('caption 4', 'caption_empty', 0, 1),
    ('image 9', 'image_without_caption', 1, 0),
    ('image 8', 'image_without_caption', 1, 0),
    ('image 5', 'image_missing', 1, 2),
  }


def test_a_file_of_instances_without_captions_is_told_from_captions(tmp_path):
  path = tmp_path / 'captions.json'
  path.write_text('{"questions": []}')
  with pytest.raises(ValueError, match="with a list 'images'"):
    list(coco_captions.read_images(str(path), FILES, INSTANCES))
