"""Trains VL-BERT: pre-training on captions, or fine-tuning on a task.

Examples:
  vlbert-train --experiment=vlbert/pretraining \\
      --config_file=configs/pretrain/tiny.yaml --model_dir=runs/pretrain \\
      --params_override=task.train_data.path=records/captions
  vlbert-train --experiment=vlbert/vqa --config_file=configs/vqa/tiny.yaml \\
      --model_dir=runs/vqa \\
      --params_override=task.init_checkpoint=runs/pretrain

The same command resumes a run that was stopped, at its last checkpoint.

Several machines run it at the same time, each with its own TF_CONFIG; see
docs/training.md. With --profile_input it trains nothing, and prints how many
batches a second the input gives, and whether it or the step is the limit.
"""

import os

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
_PROFILE_STEPS = flags.DEFINE_list(
  'profile_steps', None, 'FIRST,LAST: steps that are traced for TensorBoard.'
)
_PROFILE_INPUT = flags.DEFINE_bool(
  'profile_input', False, 'Measure the input and the step; train nothing.'
)


def main(argv: list[str]) -> None:
  """Reads flags, loads the settings, trains."""
  del argv
  program.require(experiment=_EXPERIMENT.value)
  if not _PROFILE_INPUT.value:
    program.require(model_dir=_MODEL_DIR.value)
  profile_steps = _steps(_PROFILE_STEPS.value)
  # TensorFlow takes seconds to import, and --help should not pay for it.
  from vlbert_tf.training import experiments, input_profile, runner

  params = experiments.load_experiment(
    _EXPERIMENT.value, _CONFIG_FILE.value, _PARAMS_OVERRIDE.value
  )
  if _PROFILE_INPUT.value:
    print(input_profile.measure(params).report())
    return
  runner.train(
    params, _MODE.value, _MODEL_DIR.value, profile_steps=profile_steps
  )


def _steps(texts: list[str] | None) -> tuple[int, int] | None:
  if texts is None:
    return None
  if len(texts) != 2 or not all(text.isdigit() for text in texts):
    raise ValueError(
      '--profile_steps takes two steps, FIRST,LAST. '
      f'Received: {",".join(texts)}.'
    )
  return int(texts[0]), int(texts[1])


def cli() -> None:
  """The installed program."""
  # One of several hosts has to take leave of the others.
  alone = not os.environ.get('TF_CONFIG')
  program.run(main, usage=__doc__, leaves_at_once=alone)


if __name__ == '__main__':
  cli()
