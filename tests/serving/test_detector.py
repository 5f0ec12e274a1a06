"""The exported detector: images of all kinds in, RoIs in their pixels out."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from serving import decoding, regions, signatures
from serving.detector import DetectorModule, open_detector
from tests.beam_jobs import toy_detector
from tests.data import record_folder
from tests.tasks import small_detector
from vlbert_tf.data import pipeline
from vlbert_tf.tasks.detection import DetectionConfig, DetectionTask

RNG = np.random.default_rng(11)
PHOTO = RNG.integers(0, 255, [30, 40, 3], np.uint8)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
  """A folder with an exported detector, and the model in it."""
  folder = tmp_path_factory.mktemp('detector')
  task = _task(record_folder.write_captions(folder))
  model = task.build_model()
  module = DetectorModule(task, model)
  path = str(folder / 'out')
  tf.saved_model.save(module.root, path, signatures=module.signatures)
  return tf.saved_model.load(path), model


def _task(records, **fields):
  return DetectionTask(
    DetectionConfig(
      detector=small_detector.config(
        image_short_side=48,
        image_long_side=64,
        anchor_sizes=[8, 16, 32],
        proposals_before_nms=50,
        proposals=20,
        candidates=60,
        max_rois=12,
        min_rois=3,
      ),
      train_data=pipeline.DataConfig(path=str(records)),
      **fields,
    )
  )


def _detect(exported, *encoded):
  outputs = exported[0].signatures['detect'](image=tf.constant(list(encoded)))
  return {name: value.numpy() for name, value in outputs.items()}


def _encoded(image, form, **options) -> bytes:
  buffer = io.BytesIO()
  image.save(buffer, form, **options)
  return buffer.getvalue()


def test_an_export_has_what_its_signatures_say(exported):
  outputs = exported[0].signatures[signatures.DETECT.name].structured_outputs

  assert outputs.keys() == signatures.DETECT.outputs.keys()
  for name, field in signatures.DETECT.outputs.items():
    assert outputs[name].dtype == field.dtype
    assert outputs[name].shape.rank == len(field.shape)
  (names,) = exported[0].signatures['categories']().values()
  assert [name.decode() for name in names.numpy()] == list(
    record_folder.CATEGORIES
  )


def test_boxes_are_in_pixels_of_the_image_as_it_came(exported):
  found = _detect(exported, _encoded(Image.fromarray(PHOTO), 'PNG'))

  # 30 x 40 pixels are scaled to 48 x 64.
  scaled = tf.image.resize(PHOTO, [48, 64])[None]
  rois = exported[1].detect_rois(scaled, tf.constant([[48.0, 64.0]]))
  count = int(found['count'][0])
  assert count == rois.detections.valid.numpy().sum() >= 3
  np.testing.assert_allclose(
    found['boxes'][0, :count],
    rois.detections.boxes[0, :count] * 30 / 48,
    atol=1e-3,
  )
  np.testing.assert_allclose(
    found['appearance'][0, :count], rois.appearance[0, :count], atol=1e-4
  )
  for name in ('top_categories', 'top_probabilities'):
    np.testing.assert_allclose(
      found[name][0, :count], getattr(rois, name)[0, :count], atol=1e-4
    )
  top = found['top_probabilities'][0, :count]
  assert (np.diff(top) <= 0).all()
  assert (top.sum(1) > 0).all()
  assert (top.sum(1) <= 1 + 1e-5).all()
  assert (found['boxes'][0, count:] == signatures.PADDING_COORDINATE).all()
  assert (found['scores'][0, :count] > 0).all()
  assert set(found['categories'][0, :count]) <= {1, 2, 3}


def test_boxes_that_others_found_have_the_same_appearance(exported):
  encoded = _encoded(Image.fromarray(PHOTO), 'PNG')
  found = _detect(exported, encoded)
  count = int(found['count'][0])
  # In another order, with padding between them.
  boxes = np.full([2, count + 1, 4], signatures.PADDING_COORDINATE, np.float32)
  boxes[0, 1:] = found['boxes'][0, :count][::-1]
  boxes[1, :1] = [[50.0, 1.0, 60.0, 9.0]]  # beyond 40 pixels

  told = exported[0].signatures['appearance'](
    image=tf.constant([encoded] * 2), boxes=tf.constant(boxes)
  )

  assert told['appearance'].shape[:2] == (2, count + 1)
  np.testing.assert_allclose(
    told['appearance'][0, 1:], found['appearance'][0, :count][::-1], atol=1e-4
  )
  np.testing.assert_array_equal(told['appearance'][0, 0], 0.0)
  np.testing.assert_allclose(
    told['image_appearance'][0], found['image_appearance'][0], atol=1e-4
  )
  statuses = [status.decode() for status in told['status'].numpy()]
  assert statuses == ['', regions.OUTSIDE]
  np.testing.assert_array_equal(told['appearance'][1], 0.0)


def test_a_detector_of_attributes_tells_them_by_name(tmp_path):
  names = tmp_path / 'names.txt'
  names.write_text('red\nbig\n')
  records = record_folder.write_captions(tmp_path)
  task = _task(records, attributes_file=str(names))
  model = task.build_model()
  # Whatever the box, the second attribute is the likeliest, by e³ to 1.
  bias = model.roi_head.attribute.bias
  model.roi_head.attribute.kernel.assign(
    tf.zeros_like(model.roi_head.attribute.kernel)
  )
  bias.assign([9.0, 0.0, 3.0])
  module = DetectorModule(task, model)
  path = str(tmp_path / 'out')
  tf.saved_model.save(module.root, path, signatures=module.signatures)

  detector = open_detector(path)
  found = detector.detect(
    tf.constant([_encoded(Image.fromarray(PHOTO), 'PNG')])
  )

  assert set(detector.contracts) == {'detect', 'categories', 'attributes'}
  assert found.keys() == detector.contracts['detect'].outputs.keys()
  (told,) = detector.signatures['attributes']().values()
  assert told.numpy().tolist() == [b'red', b'big']
  count = int(found['count'][0])
  assert found['attributes'][0, :count].numpy().tolist() == [2] * count
  np.testing.assert_allclose(
    found['attribute_scores'][0, :count],
    np.exp(3) / (np.exp(3) + 1),
    rtol=1e-5,
  )
  assert not found['attribute_scores'][0, count:].numpy().any()


def _exif(image):
  exif = Image.Exif()
  exif[0x0112] = 6
  return _encoded(image, 'JPEG', exif=exif)


@pytest.mark.parametrize(
  'encode',
  [
    lambda image: _encoded(image.convert('L'), 'JPEG'),
    lambda image: _encoded(image.convert('RGBA'), 'PNG'),
    lambda image: _encoded(image.convert('CMYK'), 'JPEG'),
    lambda image: _encoded(image, 'JPEG', progressive=True),
    lambda image: _encoded(
      image, 'GIF', save_all=True, append_images=[image.rotate(90)]
    ),
    _exif,
    lambda image: _encoded(image.resize([16, 16]), 'PNG'),
    lambda image: _encoded(image.resize([1, 1]), 'PNG'),
    lambda image: _encoded(image.resize([500, 16]), 'PNG'),
    lambda image: _encoded(image.resize([8000, 6000], 0), 'JPEG'),
  ],
  ids=[
    'gray', 'RGBA', 'CMYK', 'progressive', 'animated', 'EXIF', '16x16', '1x1',
    '500x16', '8000x6000',
  ],
)  # fmt: skip
def test_images_of_any_kind_and_size_have_rois_inside(exported, encode):
  encoded = encode(Image.fromarray(PHOTO))
  width, height = Image.open(io.BytesIO(encoded)).size

  found = _detect(exported, encoded)

  count = int(found['count'][0])
  boxes = found['boxes'][0, :count]
  assert count >= 1
  assert np.isfinite(found['appearance']).all()
  assert (boxes[:, :2] >= 0).all()
  assert (boxes[:, 2:] <= [width, height]).all()
  assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_images_of_a_batch_do_not_change_each_other(exported):
  one = _encoded(Image.fromarray(PHOTO), 'PNG')
  other = _encoded(Image.fromarray(PHOTO.transpose(1, 0, 2)), 'PNG')

  together, alone = _detect(exported, one, other), _detect(exported, one)

  assert together.pop('status').tolist() == [b'', b'']
  del alone['status']
  for name, value in alone.items():
    np.testing.assert_allclose(
      together[name][:1], value, rtol=1e-4, atol=1e-4, err_msg=name
    )


def test_bytes_that_are_no_image_have_a_status_and_no_rois(exported):
  good = _encoded(Image.fromarray(PHOTO), 'PNG')

  found = _detect(exported, b'no image', good)

  statuses = [status.decode() for status in found['status']]
  assert statuses == [decoding.NOT_AN_IMAGE, '']
  assert found['count'][0] == 0
  assert (found['boxes'][0] == signatures.PADDING_COORDINATE).all()
  assert found['count'][1] >= 3


def test_a_detector_is_opened_from_its_export_alone(tmp_path):
  (tmp_path / 'detector').mkdir()
  for version in ('2', '10'):
    toy_detector.write(tmp_path / 'detector' / version)

  detector = open_detector(str(tmp_path / 'detector'))

  found = detector.detect(
    tf.constant([_encoded(Image.fromarray(PHOTO), 'PNG')])
  )
  # The left and the right half of 40 x 30 pixels.
  assert found['boxes'][0].numpy().tolist() == [
    [0, 0, 20, 30],
    [20, 0, 40, 30],
  ]
  with pytest.raises(ValueError, match=r'which has neither'):
    open_detector(str(tmp_path))
