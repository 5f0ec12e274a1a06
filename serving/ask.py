"""vlbert-ask: asks a model about an image.

  vlbert-ask street.jpg 'What color is the bus?'
  vlbert-ask street.jpg 'Is it raining?' --server=127.0.0.1:8500
  vlbert-ask street.jpg 'How many dogs?' --boxes='10,20,110,90; 5,5,60,200'
  vlbert-ask street.jpg 'How many dogs?' --boxes=boxes.json
  vlbert-ask street.jpg 'the left dog' --function=ground --boxes=boxes.json
  vlbert-ask street.jpg 'a [MASK] bus' --function=fill_mask
  vlbert-ask street.jpg 'two dogs in a street' --function=match
  vlbert-ask street.jpg 'why is it here ?' --function=choose \\
      --candidate='it waits' --candidate='it sleeps' --candidate='it runs' \\
      --candidate='it eats'

A server must run, see vlbert-serve --help. Boxes are x1,y1,x2,y2 in pixels of
the image, in a file as a JSON list of such lists; without any, one box covers
the whole image, or with --detect the export's detector finds them. Prints the
answers with their probabilities, the most probable first; of grounding, the
boxes.
"""

import pathlib

from absl import flags

from serving import answer_lines, box_list, client, connection, requests
from serving import images as image_files
from vlbert_tf import program

_SERVER = flags.DEFINE_string(
  'server', '127.0.0.1:8500', 'HOST:PORT of the server.'
)
_MODEL_NAME = flags.DEFINE_string(
  'model_name', 'vlbert', 'Name of the model on the server.'
)
_FUNCTION = flags.DEFINE_enum(
  'function',
  'answer',
  ['answer', 'ground', 'choose', 'fill_mask', 'match'],
  'What is asked; the model has to be one that was trained for it.',
)
_CANDIDATES = flags.DEFINE_multi_string(
  'candidate', [], 'Of --function=choose: one of four, words with spaces.'
)
_BOXES = flags.DEFINE_string(
  'boxes', '', 'Regions of the image: x1,y1,x2,y2;... or a .json file.'
)
_OUTLINES = flags.DEFINE_string(
  'outlines',
  '',
  'Of --function=choose, for a model that was trained with them: a .json file '
  'with a list of polygons of [x, y] for each of --boxes.',
)
_DETECT = flags.DEFINE_bool(
  'detect',
  False,
  'For an export with a detector: it finds the boxes, unless --boxes does.',
)
_VERSION_LABEL = flags.DEFINE_string(
  'version_label', '', 'A version by its label, such as stable.'
)
_CA_FILE = flags.DEFINE_string(
  'ca_file', '', 'Certificate of whom to trust, for a server with encryption.'
)
_TIMEOUT_SECONDS = flags.DEFINE_float(
  'timeout_seconds', 30, 'Time that the answer may take.', lower_bound=0
)


def main(argv: list[str]) -> None:
  """Prints the answer to one question."""
  if len(argv) != 2:
    raise ValueError(
      'vlbert-ask takes an image and a text. '
      f'Received: {len(argv)} arguments, {argv}. '
      "Quote the question: vlbert-ask IMAGE 'What color is the bus?'"
    )
  request = _request(*argv)
  with client.Client(
    _SERVER.value,
    _MODEL_NAME.value,
    timeout_seconds=_TIMEOUT_SECONDS.value,
    version_label=_VERSION_LABEL.value,
    has_detector=_DETECT.value,
    tls=_tls(_CA_FILE.value),
  ) as asking:
    answer = asking.send(request)
  print('\n'.join(answer_lines.lines(answer)))


def _request(image: str, text: str) -> requests.Request:
  kind = _REQUESTS[_FUNCTION.value]
  given = {
    'image': image_files.read_image(image),
    'boxes': box_list.read_boxes(_BOXES.value),
    'text': text,
  }
  if kind is requests.Choice:
    given['candidates'] = _CANDIDATES.value
    given['candidate_tags'] = [()] * len(_CANDIDATES.value)
    given['outlines'] = box_list.read_outlines(_OUTLINES.value)
  return kind(**given)


_REQUESTS = {
  kind.function: kind
  for kind in (
    requests.Question,
    requests.Expression,
    requests.Choice,
    requests.MaskedText,
    requests.Caption,
  )
}


def _tls(ca_file: str) -> connection.Tls | None:
  if not ca_file:
    return None
  return connection.Tls(authority=pathlib.Path(ca_file).read_bytes())


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
