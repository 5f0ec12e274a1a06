"""Copies a trained model into a folder that can be passed on.

Examples:
  vlbert-publish --model_dir=runs/detector --output_dir=detector
  vlbert-publish --model_dir=runs/vqa --output_dir=vqa_model

The folder holds the weights without the optimizer's state, the settings, the
vocabulary, the answers and the object categories: vlbert-export, a training's
init_checkpoint and init_detector read it on any machine.
"""

from absl import flags, logging

from vlbert_tf import program

_MODEL_DIR = flags.DEFINE_string(
  'model_dir', None, 'Folder that vlbert-train wrote.'
)
_OUTPUT_DIR = flags.DEFINE_string(
  'output_dir', None, 'Folder to write, not there yet.'
)
_CHECKPOINT = flags.DEFINE_string(
  'checkpoint', '', 'One of the model folder; by default the newest.'
)


def main(argv: list[str]) -> None:
  """Reads flags, copies."""
  del argv
  program.require(model_dir=_MODEL_DIR.value, output_dir=_OUTPUT_DIR.value)
  # TensorFlow takes seconds to import, and --help should not pay for it.
  from vlbert_tf.tasks.published import publish

  publish(_MODEL_DIR.value, _OUTPUT_DIR.value, _CHECKPOINT.value)
  logging.info('Wrote %s.', _OUTPUT_DIR.value)


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
