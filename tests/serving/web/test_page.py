"""The page before its models are there."""

import json
import socket

import pytest

from serving.web import application, page, photos, upstream
from tests.serving.web import toy
from tests.serving.web.conftest import page_of
from tests.serving.web.test_application import ask, call


def abilities(address):
  status, body, _ = call(f'{address}api/abilities')
  assert status == 200, body
  return json.loads(body)


def test_a_page_waits_for_a_server_that_starts_after_it(models):
  asked = application.Models(names=['toy'])
  settings = application.Settings(photos=photos.in_packages())
  with page.beside(asked, settings, page.Place()) as port:
    address = f'http://127.0.0.1:{port}/'
    before = abilities(address)
    status, told = ask(address, 'answer', 'what is it')
    asked.about = 'It knows cats.'
    asked.upstream = upstream.Upstream(models, ['toy'])
    after = abilities(address)

  assert (before['models'], before['loading']) == ({}, ['toy'])
  # Pictures can be chosen meanwhile.
  assert before['photos']
  assert (status, 'still is being loaded, toy.' in told['error']) == (503, True)
  assert after['models']['answer'] == 'toy'
  assert (after['loading'], after['about']) == ([], 'It knows cats.')


def test_a_model_that_is_being_loaded_is_not_taken_for_missing(slow_server):
  server, publish = slow_server
  with page_of(server, 'toy', 'gone') as address:
    before = abilities(address)
    publish()
    after = abilities(address)
    status, found = ask(address, 'match', 'a cat')

  assert (before['loading'], before['missing']) == (['toy'], ['gone'])
  assert (after['loading'], after['missing']) == ([], ['gone'])
  assert set(after['models']) == (toy.ASKED | toy.EYES) - {
    'fill_mask_on_boxes', 'categories',
  }  # fmt: skip
  assert (status, found['score']) == (200, pytest.approx(0.9))


def test_a_port_that_is_taken_is_told():
  with socket.socket() as held:
    held.bind(('127.0.0.1', 0))
    held.listen()
    place = page.Place(port=held.getsockname()[1])
    with (
      pytest.raises(ValueError, match='The page needs a free port'),
      page.beside(application.Models(names=[]), application.Settings(), place),
    ):
      pass
