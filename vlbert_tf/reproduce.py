"""The claims of the paper in miniature: tables of models with and without.

Examples:
  vlbert-reproduce --output_dir=build/reproduce
  vlbert-reproduce --quick --output_dir=build/reproduce_quick
  vlbert-reproduce --results=build/reproduce/results.json

Scenes with many captions and few labels: VQA, VCR and RefCOCO+ with and without
pre-training, three seeds of each; the same with four times the steps of
pre-training, and RefCOCO+ with one part after the other left out, one seed;
--quick takes one seed and less of everything, and does without the longer runs.
OUTPUT_DIR/results.json gets a record a run, OUTPUT_DIR/results.md tables of
them, which are printed too. Stopped, the same command goes on; a run that has
its result is not done again.

With --results nothing is trained: the tables of that file are printed.
"""

import json
import pathlib
import time

from absl import flags, logging

from vlbert_tf import program

_OUTPUT_DIR = flags.DEFINE_string(
  'output_dir',
  '',
  'Folder for everything; by default build/reproduce, or with --quick '
  'build/reproduce_quick.',
)
_QUICK = flags.DEFINE_bool('quick', False, 'One seed, and less of everything.')
_WORKERS = flags.DEFINE_integer(
  'workers', 2, 'Runs at a time; they share the cores.', lower_bound=1
)
_RUNS = flags.DEFINE_list(
  'runs', [], 'Only these runs, and what they start from; by default all.'
)
_RESULTS = flags.DEFINE_string(
  'results', '', 'A results.json to print the tables of.'
)


def main(argv: list[str]) -> None:
  """Trains what is left to train, and prints the tables."""
  del argv
  if _RESULTS.value:
    from vlbert_tf.study import tables

    records = json.loads(pathlib.Path(_RESULTS.value).read_text())
    print(tables.page(records), end='')
    return
  from vlbert_tf.study import execution, runs

  folder = _OUTPUT_DIR.value or (
    'build/reproduce_quick' if _QUICK.value else 'build/reproduce'
  )
  start = time.monotonic()
  page = execution.study(
    str(pathlib.Path(folder).absolute()),
    runs.QUICK if _QUICK.value else runs.FULL,
    _WORKERS.value,
    runs.chosen(_RUNS.value),
  )
  print(page, end='')
  seconds = time.monotonic() - start
  logging.info('Done in %.0f s. Everything is in %s.', seconds, folder)


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
