"""The whole way, small but real: from official files to an answer over gRPC.

Examples:
  vlbert-demo --output_dir=build/demo
  vlbert-demo --dataset=easy_vqa --output_dir=build/easy_vqa

Makes the data, builds records with Beam, pre-trains on captions, fine-tunes
on questions with and without pre-training, evaluates, exports, serves and
asks. Each step is an installed program, run as a user would run it; a step
whose output exists is skipped.
"""

import os
import time

from absl import flags, logging

from vlbert_tf import program

_OUTPUT_DIR = flags.DEFINE_string(
  'output_dir', 'build/demo', 'Folder for everything that the demo writes.'
)
_DATASET = flags.DEFINE_enum(
  'dataset', 'scenes', ['scenes', 'easy_vqa'], 'What is asked about.'
)


def main(argv: list[str]) -> None:
  """Runs the steps and prints the table."""
  del argv
  from vlbert_tf.walkthrough import plans, report

  folder = os.path.abspath(_OUTPUT_DIR.value)
  plan = plans.scenes if _DATASET.value == 'scenes' else plans.easy_vqa
  start = time.monotonic()
  plan(folder)
  print(report.table(folder))
  logging.info(
    'Done in %.0f s. %s/answers.png shows what the model answers and where '
    'it looks; everything else is in the same folder.',
    time.monotonic() - start,
    folder,
  )


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
