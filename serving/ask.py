"""vlbert-ask: asks a question about an image.

  vlbert-ask street.jpg 'What color is the bus?'
  vlbert-ask street.jpg 'Is it raining?' --server=127.0.0.1:8500
  vlbert-ask street.jpg 'How many dogs?' --boxes='10,20,110,90; 5,5,60,200'
  vlbert-ask street.jpg 'How many dogs?' --boxes=boxes.json

A server must run, see vlbert-serve --help. Boxes are x1,y1,x2,y2 in pixels of
the image, in a file as a JSON list of such lists; without any, one box covers
the whole image. Prints the answers with their probabilities, the most
probable first.
"""

from absl import flags

from serving import box_list, client
from vlbert_tf import program

_SERVER = flags.DEFINE_string(
  'server', '127.0.0.1:8500', 'HOST:PORT of the server.'
)
_MODEL_NAME = flags.DEFINE_string(
  'model_name', 'vlbert', 'Name of the model on the server.'
)
_BOXES = flags.DEFINE_string(
  'boxes', '', 'Regions of the image: x1,y1,x2,y2;... or a .json file.'
)
_TIMEOUT_SECONDS = flags.DEFINE_float(
  'timeout_seconds', 30, 'Time that the answer may take.', lower_bound=0
)


def main(argv: list[str]) -> None:
  """Prints the answers to one question."""
  if len(argv) != 2:
    raise ValueError(
      'vlbert-ask takes an image and a question. '
      f'Received: {len(argv)} arguments, {argv}. '
      "Quote the question: vlbert-ask IMAGE 'What color is the bus?'"
    )
  image, question = argv
  with client.Client(
    _SERVER.value, _MODEL_NAME.value, _TIMEOUT_SECONDS.value
  ) as connection:
    answer = connection.ask(image, question, box_list.read_boxes(_BOXES.value))
  for scored in answer.answers:
    print(f'{100 * scored.score:5.1f} %  {scored.text}')


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
