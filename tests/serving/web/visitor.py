"""What somebody does and sees at the page, by a driver of a browser."""

# Windows, in pixels.
WIDE, PHONE = (1280, 900), (375, 812)


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
