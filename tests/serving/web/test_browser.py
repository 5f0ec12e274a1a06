"""The page in Chromium: chosen, asked, answered, drawn, and what goes wrong.

Skipped where there is no browser. `make test-web` installs one where it may.
"""

import json
import shutil
import socket

import pytest

from serving.server import listener, registry
from tests.serving.web import toy
from tests.serving.web.conftest import page_of
from tests.serving.web.visitor import PHONE, Visitor

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome')
DRIVER = shutil.which('chromedriver')


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
  selenium = pytest.importorskip(
    'selenium.webdriver', reason='the package selenium is not installed'
  )
  if not (CHROMIUM and DRIVER):
    pytest.skip('chromium and chromedriver are not installed')
  options = selenium.ChromeOptions()
  options.binary_location = CHROMIUM
  profile = tmp_path_factory.mktemp('profile')
  for flag in (
    '--headless=new',
    '--no-sandbox',
    '--disable-dev-shm-usage',
    f'--user-data-dir={profile}',
    # Names of other machines lead nowhere.
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  ):
    options.add_argument(flag)
  options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
  driver = selenium.Chrome(
    options=options, service=selenium.ChromeService(DRIVER)
  )
  yield driver
  driver.quit()


@pytest.fixture
def image(tmp_path):
  path = tmp_path / 'red.png'
  path.write_bytes(toy.image(200, 100, 'red'))
  return path


def percent(share):
  """Two significant digits."""
  return f'{float(f"{100 * share:.2g}"):g}%'


def test_a_chosen_image_is_shown_with_its_regions(browser, page, image):
  visitor = Visitor(browser, page)
  visitor.wait_for_text('#about', 'A toy that knows cats and balls.')
  visitor.choose(image)

  assert visitor.rects() == [(0, 0, 100, 50), (100, 50, 100, 50)]
  assert visitor.labels() == ['cat', 'ball']
  chips = [chip.text for chip in visitor.all('#region-list button')]
  assert chips == ['cat 90%', 'ball 60%']
  # A box on the screen lies where it does in the image.
  picture, box = (
    visitor.one('#image').rect,
    visitor.all('#overlay rect')[1].rect,
  )
  assert abs(box['x'] - picture['x'] - picture['width'] / 2) < 4
  assert abs(box['width'] - picture['width'] / 2) < 8


def test_an_answer_comes_with_attention_by_word_layer_and_head(
  browser, page, image
):
  from selenium.webdriver import ActionChains
  from selenium.webdriver.support.ui import Select

  visitor = Visitor(browser, page)
  visitor.choose(image)
  visitor.ask('answer', 'what is it')
  visitor.wait(lambda: visitor.one('#gaze').is_displayed())

  answers = [li.text.split('\n') for li in visitor.all('#answer .scores li')]
  assert answers == [['200x100', '75%'], ['other', '25%']]
  words = visitor.all('#words button')
  assert [word.text for word in words] == [
    '[CLS]', 'what', '[SEP]', 'answer', '[SEP]',
  ]  # fmt: skip

  def expected(place, layers, heads):
    # The page gets four digits.
    shares = [toy.FIRST.round(4), (1 - toy.FIRST).round(4)]
    cat, ball = (share[layers, heads, place].mean() for share in shares)
    return [f'cat {percent(cat)}', f'ball {percent(ball)}']

  every = slice(None)
  assert visitor.labels() == expected(3, 1, every)  # The last layer.
  ActionChains(browser).move_to_element(words[1]).perform()
  visitor.wait(lambda: visitor.labels() == expected(1, 1, every))
  # A sharp eye: one head of one layer; labels fall away below a share.
  Select(visitor.one('#layer')).select_by_visible_text('1')
  Select(visitor.one('#head')).select_by_visible_text('3')
  words[3].click()
  shown = expected(3, 0, 2)
  visitor.wait(lambda: visitor.labels() == shown)
  rows = [td.text for td in visitor.all('#attention td')]
  assert sorted([f'{rows[0]} {rows[1]}', f'{rows[2]} {rows[3]}']) == sorted(
    shown
  )


def test_the_box_that_an_expression_means_lights_up(browser, page, image):
  visitor = Visitor(browser, page)
  visitor.choose(image)
  visitor.ask('ground', 'the right one')
  visitor.wait(lambda: visitor.lit() == [False, True])
  assert visitor.labels() == ['ball 80%']

  visitor.ask('ground', 'the left one')
  visitor.wait(lambda: visitor.lit() == [True, False])
  assert visitor.rects()[0] == (0, 0, 100, 50)


def test_words_and_captions_are_judged(browser, page, image):
  visitor = Visitor(browser, page)
  visitor.choose(image)
  visitor.ask('fill_mask', 'a ___ wall')
  visitor.wait_for_text('#fill_mask .result', 'Without it')
  columns = [column.text for column in visitor.all('#fill_mask .pair > div')]
  assert columns[0].split('\n')[1:3] == ['red', '100%']
  assert columns[1].split('\n')[1:3] == ['red', '49%']

  visitor.ask('match', 'a cat')
  visitor.wait_for_text('#match .result', 'probability of 90%')


def test_regions_are_named_in_texts_by_typing_and_by_choosing_them(
  browser, choice_page, image
):
  from selenium.webdriver import ActionChains, Keys

  visitor = Visitor(browser, choice_page)
  visitor.choose(image)
  assert visitor.labels() == ['[0] cat', '[1] ball']
  visitor.one('#choose-text').send_keys('why is [0] ?')
  answers = visitor.all('#choose fieldset input')
  texts = ('why is cat ?', 'why is [1] ?', '', 'why')
  for field, text in zip(answers, texts, strict=True):
    field.send_keys(text)
  answers[2].send_keys('why is ')
  # The upper left quarter of the picture is the cat.
  box = visitor.one('#overlay').rect
  ActionChains(browser).move_to_element_with_offset(
    visitor.one('#overlay'), -box['width'] / 4, -box['height'] / 4
  ).click().perform()
  assert answers[2].get_property('value') == 'why is [0]'
  # By keys: the list of regions, and back where one wrote.
  answers[3].send_keys(' ')
  visitor.all('#region-list button')[1].send_keys(Keys.ENTER)
  assert answers[3].get_property('value') == 'why [1]'
  assert browser.switch_to.active_element == answers[3]
  answers[2].send_keys(' ?\n')
  visitor.wait_for_text('#choose .result', '70%')

  found = [li.text.split('\n') for li in visitor.all('#choose .scores li')]
  assert found == [
    ['why is [0] ?', '70%'],
    ['why is cat ?', '10%'],
    ['why is [1] ?', '10%'],
    ['why [1]', '10%'],
  ]


def test_a_page_goes_on_by_itself_when_the_model_is_there(
  browser, slow_server, image
):
  server, publish = slow_server
  with page_of(server, 'toy') as address:
    visitor = Visitor(browser, address)
    visitor.wait_for_text('#status', 'The server is loading toy.')
    assert not visitor.one('#answer').is_displayed()
    assert not visitor.one('#problem').is_displayed()
    # Regions of a picture that was chosen too early are found later.
    visitor.one('#file').send_keys(str(image))
    visitor.wait_for_text('#status', 'is ready')
    assert not visitor.rects()
    publish()
    visitor.wait(lambda: visitor.one('#answer').is_displayed())
    visitor.wait(lambda: len(visitor.rects()) == 2)
    visitor.ask('answer', 'what is it')
    visitor.wait_for_text('#answer .result', '200x100')


def test_a_page_goes_on_by_itself_when_the_server_is_there(browser, versions):
  with socket.socket() as held:
    held.bind(('127.0.0.1', 0))
    port = held.getsockname()[1]
  with page_of(f'127.0.0.1:{port}', 'toy') as address:
    visitor = Visitor(browser, address)
    visitor.wait_for_text('#problem', 'Start vlbert-serve')
    server = listener.Listener(registry.Registry([versions['toy']]), port=port)
    try:
      visitor.wait(lambda: visitor.one('#answer').is_displayed())
      assert not visitor.one('#problem').is_displayed()
    finally:
      server.drain(0)


def test_what_goes_wrong_is_said(browser, page, image, tmp_path):
  visitor = Visitor(browser, page)
  visitor.wait(lambda: visitor.one('#answer').is_displayed())
  visitor.ask('answer', 'what?')
  visitor.wait_for_text('#problem', 'Choose one first.')

  wrong = tmp_path / 'notes.png'
  wrong.write_text('no picture')
  visitor.one('#file').send_keys(str(wrong))
  visitor.wait_for_text('#problem', 'An image must be a JPEG, PNG, GIF')

  large = tmp_path / 'large.png'
  large.write_bytes(b'x' * (1200 << 10))
  visitor.one('#file').send_keys(str(large))
  visitor.wait_for_text('#problem', 'An image may have at most 1 MB.')

  visitor.choose(image)
  assert not visitor.one('#problem').is_displayed()
  visitor.ask('answer', 'one two three four five six')
  visitor.wait_for_text('#problem', toy.TOO_LONG)


def test_a_server_that_is_away_is_said_with_a_way_to_try_again(
  browser, lonely_page
):
  visitor = Visitor(browser, lonely_page)
  visitor.wait_for_text('#problem', 'Start vlbert-serve')

  assert visitor.one('#retry').is_displayed()
  assert not visitor.one('#answer').is_displayed()


def test_everything_is_reached_by_keys_alone(browser, page):
  from selenium.webdriver import ActionChains, Keys

  visitor = Visitor(browser, page)
  visitor.wait(lambda: visitor.all('#photos button'))

  def press(*keys):
    ActionChains(browser).send_keys(*keys).perform()

  def focused():
    return browser.switch_to.active_element

  press(Keys.TAB)
  assert focused().get_dom_attribute('id') == 'file'
  press(Keys.TAB)
  press(Keys.ENTER)  # The first photo.
  visitor.wait_for_text('#status', 'is ready')
  for _ in range(30):
    if focused().get_dom_attribute('id') == 'answer-text':
      break
    press(Keys.TAB)
  press('what', Keys.ENTER)
  visitor.wait(lambda: visitor.one('#gaze').is_displayed())
  press(Keys.TAB)
  press(Keys.TAB)
  assert focused().text == '[CLS]'
  visitor.wait_for_text('#caption', 'Attention of “[CLS]”')


def test_a_phone_shows_all_without_scrolling_sideways(browser, page, image):
  visitor = Visitor(browser, page, PHONE)
  visitor.choose(image)
  visitor.ask('answer', 'what')
  visitor.wait(lambda: visitor.one('#gaze').is_displayed())

  wide, seen = browser.execute_script(
    'return [document.documentElement.scrollWidth, innerWidth]'
  )
  assert wide <= seen


def test_each_control_has_a_name_and_the_console_is_clean(browser, page, image):
  visitor = Visitor(browser, page)
  visitor.choose(image)
  visitor.ask('answer', 'what')
  visitor.wait(lambda: visitor.one('#gaze').is_displayed())

  for control in visitor.all('input, select, button'):
    if control.is_displayed() or control.get_dom_attribute('id') == 'file':
      assert control.accessible_name, control.get_attribute('outerHTML')
  # What failed in other tests was meant to.
  browser.get_log('browser')
  browser.refresh()
  visitor.choose(image)
  assert not browser.get_log('browser'), json.dumps(browser.get_log('browser'))
