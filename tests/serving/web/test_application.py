"""The page's server over HTTP, in front of a real server of models."""

import io
import json
import re
import urllib.error
import urllib.request

import PIL.Image
import pytest

from serving.web import application, pictures
from tests.serving.web import conftest, toy

BOUNDARY = 'a-line-that-no-field-holds'


def call(url, data=None, **headers):
  """Status, body, headers."""
  request = urllib.request.Request(url, data, headers)
  try:
    with urllib.request.urlopen(request, timeout=60) as response:
      return response.status, response.read(), response.headers
  except urllib.error.HTTPError as error:
    return error.code, error.read(), error.headers


def form(**fields):
  """Body of a form; bytes are files, a list is several fields of a name."""
  parts = b''
  pairs = [
    (name, value)
    for name, values in fields.items()
    for value in (values if isinstance(values, list) else [values])
  ]
  for name, value in pairs:
    file = '; filename="f"' if isinstance(value, bytes) else ''
    data = value if isinstance(value, bytes) else value.encode()
    disposition = f'form-data; name="{name}"{file}'
    head = f'--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n'
    parts += head.encode() + data + b'\r\n'
  return parts + f'--{BOUNDARY}--\r\n'.encode()


def ask(page, what, text, image=None, **fields):
  status, body, _ = call(
    f'{page}api/ask/{what}',
    form(image=image or toy.image(40, 20), text=text, **fields),
    **{'Content-Type': f'multipart/form-data; boundary={BOUNDARY}'},
  )
  return status, json.loads(body)


def test_the_page_is_told_what_the_served_models_can_do(page):
  status, body, _ = call(f'{page}api/abilities')
  told = json.loads(body)

  assert status == 200
  functions = {'answer', 'attend', 'detect', 'fill_mask', 'ground', 'match'}
  assert told['models'] == dict.fromkeys(functions, 'toy')
  assert told['missing'] == ['gone']
  assert told['about'] == 'A toy that knows cats and balls.'


def test_regions_have_the_names_of_their_categories(page):
  status, body, _ = call(f'{page}api/regions', toy.image(40, 20))

  assert status == 200
  first, second = json.loads(body)['regions']
  # Categories are counted from 1.
  assert (first['box'], first['category']) == ([0, 0, 20, 10], 'cat')
  assert (second['box'], second['category']) == ([20, 10, 40, 20], 'ball')
  assert first['score'] == pytest.approx(0.9)


def test_a_question_is_answered_with_scores_boxes_and_attention(page):
  status, found = ask(page, 'answer', 'what is it')

  assert status == 200
  assert found['answers'] == [
    {'text': '40x20', 'score': 0.75},
    {'text': 'other', 'score': 0.25},
  ]
  assert found['boxes'] == [[0, 0, 20, 10], [20, 10, 40, 20]]
  assert found['attention'] == [0.3, 0.7]


def test_attention_comes_for_each_word_by_layer_and_head(page):
  status, found = ask(page, 'attend', 'what')

  assert status == 200
  assert found['pieces'] == toy.PIECES
  assert len(found['word_attention']) == toy.LAYERS
  for layer, heads in enumerate(found['word_attention']):
    for head, words in enumerate(heads):
      expected = toy.FIRST[layer, head]
      assert [row[0] for row in words] == pytest.approx(expected, abs=1e-4)
      place = toy.PIECES.index('[MASK]')
      assert found['attention'][layer][head] == words[place]


def test_blanks_are_filled_with_the_image_and_with_a_plain_one(page):
  status, found = ask(page, 'fill_mask', 'a ___ wall', toy.image(9, 9, 'red'))

  assert status == 200
  assert [word['score'] for word in found['words'][0]] == [1.0, 0.0]
  # The mean red of ImageNet is 124 of 255.
  unseen = found['words_without_image'][0]
  assert unseen[0]['score'] == pytest.approx(124 / 255, abs=1e-3)


def test_an_expression_names_its_box_and_a_caption_its_probability(page):
  status, found = ask(page, 'ground', 'the right one')

  assert (status, found['index']) == (200, 1)
  assert found['scores'] == [0.2, 0.8]
  assert ask(page, 'match', 'a cat')[1]['score'] == pytest.approx(0.9)


def test_four_answers_get_probabilities_and_numbers_name_regions(choice_page):
  # The first region is a cat, and [0] is written with its number alone.
  status, found = ask(
    choice_page,
    'choose',
    'why is [0]?',
    candidate=['why is cat ?', 'why is [1]?', 'why is [0] ?', 'why'],
  )

  assert status == 200
  assert found['probabilities'] == [0.1, 0.1, 0.7, 0.1]
  # Words of the question, and the region that each of them names.
  status, told = ask(
    choice_page, 'choose', 'repeat [1], [0][1]!', candidate=['a', 'b', 'c', 'd']
  )
  assert status == 422
  assert told['error'] == 'repeat ball , cat ball ! | -1 1 -1 0 1 -1'


@pytest.mark.parametrize(
  ('text', 'candidates', 'sentence'),
  [
    ('what', ['a', 'b', 'c'], 'must have 4 candidates'),
    ('what', ['a', 'b', 'c', ' '], 'A candidate must have words.'),
    ('what', ['a', 'b', 'c', '[2]'], 'Received: [2]; there are [0] to [1].'),
    ('what', ['a', 'b', 'c', 'x' * 1001], 'at most 1,000 characters'),
  ],
)
def test_a_wrong_choice_is_told_with_its_rule(
  choice_page, text, candidates, sentence
):
  status, told = ask(choice_page, 'choose', text, candidate=candidates)

  assert (status, sentence in told['error']) == (400, True), told


@pytest.mark.parametrize(
  ('what', 'text', 'status', 'sentence'),
  [
    ('answer', ' ', 400, 'A question must have words.'),
    ('answer', 'a b c d e f', 422, toy.TOO_LONG),
    ('answer', 'x' * 1001, 400, 'at most 1,000 characters'),
    ('fill_mask', 'no gap', 400, 'must have a blank, written as ___'),
  ],
)
def test_a_wrong_text_is_told_with_its_rule(page, what, text, status, sentence):
  found, told = ask(page, what, text)

  assert (found, sentence in told['error']) == (status, True), told


@pytest.mark.parametrize(
  ('data', 'status', 'sentence'),
  [
    (b'%PDF-1.7', 400, 'An image must be a JPEG, PNG, GIF, BMP or WebP.'),
    (b'', 400, 'An image must be'),
    (toy.image(90, 90, kind='JPEG')[:-200], 400, 'An image must be whole.'),
    (b'\xff' * (2 << 20), 413, 'An image may have at most 1 MB.'),
  ],
)
def test_a_wrong_image_is_told_with_its_rule(page, data, status, sentence):
  found, body, _ = call(f'{page}api/image', data)

  assert (found, sentence in json.loads(body)['error']) == (status, True), body


def test_an_image_comes_back_as_the_models_get_it(page):
  side = pictures.LONGEST_SIDE
  status, body, headers = call(
    f'{page}api/image', toy.image(2 * side, side, kind='WEBP')
  )

  assert (status, headers['Content-Type']) == (200, 'image/jpeg')
  assert PIL.Image.open(io.BytesIO(body)).size == (side, side // 2)


def test_a_server_that_is_away_is_told(lonely_page):
  status, body, _ = call(f'{lonely_page}api/abilities')

  assert status == 503
  assert '127.0.0.1:1' in json.loads(body)['error']
  assert 'Start vlbert-serve' in json.loads(body)['error']


def test_every_offered_photo_is_an_image_with_its_credit(page):
  photos = json.loads(call(f'{page}api/abilities')[1])['photos']

  assert photos
  for photo in photos:
    status, body, _ = call(f'{page}photos/{photo["name"]}')
    assert status == 200
    PIL.Image.open(io.BytesIO(body)).verify()
    assert photo['credit']
  assert call(f'{page}photos/..%2f..%2fapplication.py')[0] == 404


def test_other_sites_are_refused(page):
  port = page.rstrip('/').rpartition(':')[2]

  assert call(f'{page}', Host=f'evil.example:{port}')[0] == 403
  assert call(f'{page}api/image', b'x', Origin='http://evil.example')[0] == 403
  assert call(f'{page}', Host=f'localhost:{port}')[0] == 200


def test_files_of_the_page_may_be_links_and_no_others_are_served(
  models, tmp_path, monkeypatch
):
  link = tmp_path / 'style.css'
  link.symlink_to(application._STATIC['style.css'])
  monkeypatch.setitem(application._STATIC, 'style.css', link)

  with conftest.page_of(models, 'toy') as page:
    status, body, headers = call(f'{page}static/style.css')
    others = [
      call(f'{page}static/{name}')[0]
      for name in ('..%2Fapplication.py', '..', 'none.js')
    ]

  assert (status, body) == (200, link.read_bytes())
  assert headers['Content-Type'].startswith('text/css')
  assert others == [404] * 3


def test_nothing_is_loaded_from_elsewhere(page):
  _, html, headers = call(page)
  policy = headers['Content-Security-Policy']

  assert "default-src 'none'" in policy
  assert 'http' not in policy
  names = re.findall(r'(?:src|href)="([^"]+)"', html.decode())
  assert len(names) == 3
  for name in names:
    status, body, _ = call(page + name)
    assert status == 200
    assert b'http' not in body.replace(b'http://www.w3.org/2000/svg', b'')
