"""The whole way, small but real: from official files to an answer over gRPC.

Examples:
  vlbert-demo --output_dir=build/demo
  vlbert-demo --tasks=all --output_dir=build/demo_all
  vlbert-demo --dataset=easy_vqa --output_dir=build/easy_vqa

Makes the data, builds records with Beam, pre-trains on captions, fine-tunes
on questions with and without pre-training, evaluates, exports, serves and
asks. Each step is an installed program, run as a user would run it; a step
whose output exists is skipped. With --tasks=all one pre-trained model is
fine-tuned for VQA, RefCOCO+ and both halves of VCR instead, and evaluated.
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
_TASKS = flags.DEFINE_enum(
  'tasks', 'vqa', ['vqa', 'all'], 'Scenes: questions alone, or every task.'
)


def main(argv: list[str]) -> None:
  """Runs the steps and prints the table."""
  del argv
  from vlbert_tf.walkthrough import every_task, plans, report

  folder = os.path.abspath(_OUTPUT_DIR.value)
  every = _TASKS.value == 'all'
  if every and _DATASET.value != 'scenes':
    raise ValueError(
      'All tasks are those of scenes. '
      f'Received: --tasks=all with --dataset={_DATASET.value}.'
    )
  start = time.monotonic()
  if every:
    every_task.every_task(folder)
    print(every_task.table(folder))
  else:
    plan = plans.scenes if _DATASET.value == 'scenes' else plans.easy_vqa
    plan(folder)
    print(report.table(folder))
    logging.info(
      '%s/answers.png shows what the model answers and where it looks.', folder
    )
  seconds = time.monotonic() - start
  logging.info('Done in %.0f s. Everything is in %s.', seconds, folder)


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
