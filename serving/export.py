"""Exports a trained model as a SavedModel that TF Serving loads.

Examples:
  vlbert-export --model_dir=runs/vqa --output_dir=export/vlbert
  vlbert-export --model_dir=runs/detector --output_dir=export/detector

Writes OUTPUT_DIR/VERSION, the next number that is free. Decoding, tokenizing,
the model and the choice of the best answers are all inside the graph. A
detector has the signature `detect`: the bytes of images to their RoIs, with
boxes, categories, scores and appearance.
"""

from absl import flags, logging

from vlbert_tf import program

_MODEL_DIR = flags.DEFINE_string(
  'model_dir', None, 'Folder that vlbert-train wrote.'
)
_CHECKPOINT = flags.DEFINE_string(
  'checkpoint', '', 'A checkpoint other than the newest of --model_dir.'
)
_OUTPUT_DIR = flags.DEFINE_string(
  'output_dir', None, 'Base path of the served model.'
)
_VERSION = flags.DEFINE_integer(
  'version', 0, 'Version to write; 0 is the one after the last.'
)


def main(argv: list[str]) -> None:
  """Reads flags, restores the model, writes the SavedModel."""
  del argv
  program.require(model_dir=_MODEL_DIR.value, output_dir=_OUTPUT_DIR.value)
  # TensorFlow takes seconds to import, and --help should not pay for it.
  from serving import saved_model

  module = _module(_MODEL_DIR.value, _CHECKPOINT.value)
  folder = saved_model.publish(module, _OUTPUT_DIR.value, _VERSION.value)
  logging.info('Exported to %s.', folder)


def _module(model_dir: str, checkpoint: str):
  """What is served of a model folder."""
  from serving import detector, saved_model
  from vlbert_tf.tasks import saved

  name = saved.experiment_of(model_dir)
  if name == saved.VQA:
    # XLA compiles each new shape on its first request, and not every server is
    # built with it.
    task = saved.load_task(model_dir, {'model': {'xla': 'none'}})
    module = saved_model.VqaModule
  elif name == saved.DETECTION:
    task, module = saved.load_task(model_dir), detector.DetectorModule
  else:
    raise ValueError(
      'Only models for question answering and detectors can be exported. '
      f'Received: {model_dir}, trained for {name}.'
    )
  return module(task, saved.restore_trained(task, model_dir, checkpoint))


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
