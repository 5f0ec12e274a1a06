"""The page in Chromium: chosen, asked, answered, drawn, and what goes wrong.

Skipped where there is no browser. `make test-web` installs one where it may.
"""

import json
import shutil

import pytest

from tests.serving.web import toy

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which('chromium') or shutil.which('google-chrome')
DRIVER = shutil.which('chromedriver')
WIDE, PHONE = (1280, 900), (375, 812)


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


class Visitor:
  """Somebody at the page."""

  def __init__(self, driver, address, size=WIDE):
    driver.set_window_size(*size)
    driver.get(address)
    self.driver = driver

  def all(self, css):
    return self.driver.find_elements('css selector', css)

  def one(self, css):
    return self.driver.find_element('css selector', css)

  def wait(self, condition):
    """Until it holds."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(self.driver, 60, 0.1).until(lambda _: condition())

  def wait_for_text(self, css, text):
    self.wait(lambda: text in self.one(css).text)

  def choose(self, path):
    self.one('#file').send_keys(str(path))
    self.wait_for_text('#status', 'is ready')
    self.wait(lambda: self.rects())

  def ask(self, what, text):
    field = self.one(f'#{what}-text')
    field.clear()
    field.send_keys(text + '\n')

  def drawn(self, what):
    """Something of each box that is drawn, all of one moment."""
    script = f'return [...document.querySelectorAll("#overlay g")].map({what})'
    return self.driver.execute_script(script)

  def rects(self):
    """Place and size of the boxes that are drawn, in pixels of the image."""
    names = '["x", "y", "width", "height"]'
    rows = self.drawn(
      f'(g) => {names}.map((n) => +g.firstChild.getAttribute(n))'
    )
    return [tuple(row) for row in rows]

  def lit(self):
    """Which of them light up."""
    return self.drawn('(g) => g.classList.contains("lit")')

  def labels(self):
    """Their labels, but for those that have none."""
    texts = self.drawn('(g) => g.querySelector("text")?.textContent ?? ""')
    return [text for text in texts if text]


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
