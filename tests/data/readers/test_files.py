"""Whole files are refused with one sentence; texts become one line."""

import pytest

from vlbert_tf.data.readers import files


@pytest.mark.parametrize(
  ('value', 'text'),
  [
    (' What\tis\n this? ', 'What is this?'),
    ('caf\u00e9\u00a0noir\u2028', 'café noir'),
    ('half \ud83d of a pair', 'half ? of a pair'),
    ('a\0b', 'a b'),
    (None, ''),
    (7, ''),
  ],
)
def test_texts_become_one_line(value, text):
  assert files.clean_text(value) == text


@pytest.mark.parametrize(
  ('name', 'number'),
  [
    ('COCO_val2014_000000000042.jpg', 42),
    ('000000000042.jpg', 42),
    ('42.PNG', 42),
    ('0.jpeg', 0),
    ('42.txt', None),
    ('42.jpg.part', None),
    ('cat.jpg', None),
  ],
)
def test_an_image_is_known_by_its_number(name, number):
  assert files.image_number(name) == number


def test_the_first_folder_wins(tmp_path):
  for folder, name in [('a', '7.jpg'), ('b', '07.png'), ('b', '8.jpg')]:
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / name).touch()
  found = files.images_by_number([f'{tmp_path}/a', f'{tmp_path}/b'])
  assert found == {7: f'{tmp_path}/a/7.jpg', 8: f'{tmp_path}/b/8.jpg'}


def test_a_folder_of_images_must_be_there(tmp_path):
  with pytest.raises(ValueError, match=r"from a folder. Received: '.*gone'"):
    files.images_by_number([f'{tmp_path}/gone'])


@pytest.mark.parametrize(
  ('content', 'sentence'),
  [
    (b'{"questions": [', 'must be JSON, whole'),
    (b'[1]', "list 'questions'.*Received: a list"),
    (b'{"annotations": []}', "list 'questions'.*\\['annotations'\\]"),
    (b'{"questions": {}}', "list 'questions'"),
    (b'PK\xff\xfe', 'UTF-8 text.*byte 0xff at 2'),
  ],
)
def test_a_malformed_file_is_refused_as_a_whole(tmp_path, content, sentence):
  path = tmp_path / 'file.json'
  path.write_bytes(content)
  with pytest.raises(ValueError, match=sentence):
    files.read_json(str(path), 'questions')


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(ValueError, match='must exist.*gone.json'):
    files.read_json(f'{tmp_path}/gone.json')


@pytest.mark.parametrize('block', [1, 2, 3, 100])
@pytest.mark.parametrize(
  ('content', 'lines'),
  [
    (b'', []),
    (b'a', ['a']),
    (b'a\nbc\n', ['a', 'bc']),
    (b'\n\na', ['', '', 'a']),
    (b'\xef\xbb\xbfa\nb', ['a', 'b']),
    ('é\r\n\u2028x\n'.encode(), ['é\r', '\u2028x']),
  ],
)
def test_lines_are_whole_however_a_file_is_read(
  tmp_path, monkeypatch, block, content, lines
):
  monkeypatch.setattr(files, '_BLOCK', block)
  path = tmp_path / 'file.txt'
  path.write_bytes(content)
  assert list(files.lines(str(path))) == lines


def test_a_byte_that_is_no_text_is_named_by_its_place_in_the_file(tmp_path):
  path = tmp_path / 'file.txt'
  path.write_bytes(b'ab\ncd\xff\n')
  with pytest.raises(ValueError, match='UTF-8 text.*byte 0xff at 5'):
    list(files.lines(str(path)))
