"""Trains VL-BERT: pre-training on captions, or fine-tuning on a task.

Examples:
  vlbert-train --experiment=vlbert/pretraining \\
      --config_file=configs/pretrain/tiny.yaml --model_dir=runs/pretrain \\
      --params_override=task.train_data.path=records/captions
  vlbert-train --experiment=vlbert/vqa --config_file=configs/vqa/tiny.yaml \\
      --model_dir=runs/vqa \\
      --params_override=task.init_checkpoint=runs/pretrain

The same command resumes a run that was stopped, at its last checkpoint.
"""

from absl import flags

from vlbert_tf import program

_EXPERIMENT = flags.DEFINE_string(
  'experiment',
  None,
  'vlbert/pretraining, vlbert/vqa, vlbert/vcr, vlbert/refcoco or '
  'vlbert/detection.',
)
_CONFIG_FILE = flags.DEFINE_multi_string(
  'config_file', [], 'YAML file with settings; may be repeated.'
)
_PARAMS_OVERRIDE = flags.DEFINE_string(
  'params_override', '', 'Settings as a.b=1,a.c=2, or as YAML in braces.'
)
_MODEL_DIR = flags.DEFINE_string(
  'model_dir', None, 'Folder for settings, checkpoints and summaries.'
)
_MODE = flags.DEFINE_string('mode', 'train', 'train or train_and_eval.')


def main(argv: list[str]) -> None:
  """Reads flags, loads the settings, trains."""
  del argv
  program.require(experiment=_EXPERIMENT.value, model_dir=_MODEL_DIR.value)
  # TensorFlow takes seconds to import, and --help should not pay for it.
  from vlbert_tf.training import experiments, runner

  params = experiments.load_experiment(
    _EXPERIMENT.value, _CONFIG_FILE.value, _PARAMS_OVERRIDE.value
  )
  runner.train(params, _MODE.value, _MODEL_DIR.value)


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
