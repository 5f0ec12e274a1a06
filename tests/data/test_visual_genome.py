"""Visual Genome's files: names, attributes, what is set aside."""

import json

import pytest

from vlbert_tf.data.annotations import Drop, Region
from vlbert_tf.data.readers import visual_genome


def write_files(folder):
  """Objects of three images, of which the second has no usable one."""

  def thing(number, box, names, **rest):
    x, y, w, h = box
    return {
      'object_id': number, 'x': x, 'y': y, 'w': w, 'h': h, 'names': names,
      **rest,
    }  # fmt: skip

  objects = [
    {
      'image_id': 7,
      'objects': [
        thing(1, (2, 3, 10, 12), ['puppy']),
        thing(2, (20, 4, 30, 12), ['Cap', 'hat']),
        thing(3, (1, 1, 5, 5), ['unheard of']),
        thing(4, (1, 1, float('nan'), 5), ['dog']),
        thing(5, (50, 60, 5, 5), ['dog']),
      ],
    },
    {'image_id': 8, 'objects': [{'object_id': 6, 'names': ['dog']}]},
    {'image_id': 9, 'objects': [thing(7, (0, 0, 9, 9), ['hat'])]},
  ]
  attributes = [
    {
      'image_id': 7,
      'attributes': [
        {'object_id': 1, 'attributes': ['grey', 'Small', 'gray', 'odd']},
        {'object_id': 2, 'names': ['hat']},
      ],
    }
  ]
  sizes = [{'image_id': k, 'width': 40, 'height': 30} for k in (7, 8, 9)]
  for name, content in (
    ('objects', objects),
    ('attributes', attributes),
    ('image_data', sizes),
  ):
    (folder / f'{name}.json').write_text(json.dumps(content))
  (folder / 'objects_vocab.txt').write_text('hat,cap\ndog,puppy\n')
  (folder / 'attributes_vocab.txt').write_text('red\ngray,grey\nsmall\n')


def _read(folder, image_paths):
  return list(
    visual_genome.read_images(
      str(folder / 'objects.json'),
      str(folder / 'image_data.json'),
      image_paths,
      visual_genome.read_vocabulary(str(folder / 'objects_vocab.txt')),
      visual_genome.read_vocabulary(str(folder / 'attributes_vocab.txt')),
      str(folder / 'attributes.json'),
    )
  )


def test_objects_have_numbers_of_names_and_attributes(tmp_path):
  write_files(tmp_path)

  items = _read(tmp_path, {7: '/7.jpg', 8: '/8.jpg'})

  (image,) = [item for item in items if not isinstance(item, Drop)]
  assert (image.image_id, image.size, image.count) == ('7', (30, 40), 1)
  assert image.regions == (
    Region((2.0, 3.0, 12.0, 15.0), 2, attributes=(2, 3)),
    # Cut to the image.
    Region((20.0, 4.0, 40.0, 16.0), 1),
  )
  drops = {item.item: item.reason for item in items if isinstance(item, Drop)}
  assert drops == {
    'region 3': 'region_category_unknown',
    'region 4': 'region_not_finite',
    'region 2 of image 7': 'region_without_area',
    'region 6': 'region_malformed',
    'image 8': 'image_without_regions',
    'image 9': 'image_missing',
  }


def test_a_file_of_another_kind_is_refused(tmp_path):
  write_files(tmp_path)
  (tmp_path / 'image_data.json').write_text('{"images": []}')

  with pytest.raises(ValueError, match='must be a JSON list of objects'):
    _read(tmp_path, {})


def test_the_published_vocabularies_have_1600_and_400_names(fixtures):
  place = fixtures / 'visual_genome'
  objects = visual_genome.read_vocabulary(str(place / 'objects_vocab.txt'))
  attributes = visual_genome.read_vocabulary(
    str(place / 'attributes_vocab.txt')
  )

  assert (len(objects.names), len(attributes.names)) == (1600, 400)
  assert objects.number_of('yolk') == 1
  assert attributes.number_of('grey') == attributes.number_of('gray') == 1
