"""Exports a trained model as a SavedModel that TF Serving loads.

Example:
  vlbert-export --model_dir=runs/vqa --output_dir=export/vlbert

Writes OUTPUT_DIR/VERSION, the next number that is free. Decoding, tokenizing,
the model and the choice of the best answers are all inside the graph.
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
  from vlbert_tf.tasks import saved

  # XLA compiles each new shape on its first request, and not every server is
  # built with it.
  overrides = {'model': {'xla': 'none'}}
  task = saved.load_task(_MODEL_DIR.value, overrides)
  if task.task_config.name != saved.VQA:
    raise ValueError(
      'Only models for question answering can be exported. '
      f'Received: {_MODEL_DIR.value}, trained for {task.task_config.name}.'
    )
  model = saved.restore_trained(task, _MODEL_DIR.value, _CHECKPOINT.value)
  folder = saved_model.publish(
    saved_model.VqaModule(task, model), _OUTPUT_DIR.value, _VERSION.value
  )
  logging.info('Exported to %s.', folder)


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
