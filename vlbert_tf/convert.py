"""Converts weights made elsewhere into a folder that training starts from.

Examples:
  vlbert-convert --from=official_vlbert --input=vl-bert-base-e2e.model \\
      --output=weights/vlbert
  vlbert-convert --from=huggingface_bert --input=bert-base-uncased \\
      --output=weights/bert
  vlbert-convert --from=butd_detectron2 --input=detector.pkl \\
      --categories=objects_vocab.txt --attributes=attributes_vocab.txt \\
      --output=weights/detector
  vlbert-convert --to=official_vlbert --input=weights/vlbert \\
      --output=again.model

Prints what became of every tensor, and keeps it in OUTPUT/report.json.
"""

from absl import flags

from vlbert_tf import program

_FROM = flags.DEFINE_string(
  'from', '', 'official_vlbert, huggingface_bert, google_bert, kerashub_bert, '
  'torchvision_resnet or butd_detectron2.'
)  # fmt: skip
_TO = flags.DEFINE_string(
  'to', '', 'The other way: official_vlbert or safetensors.'
)
_INPUT = flags.DEFINE_string('input', None, 'File or folder to read.')
_OUTPUT = flags.DEFINE_string(
  'output', None, 'Folder to write, or file with --to.'
)
_PRESET = flags.DEFINE_string(
  'preset', 'paper', 'Arithmetic that text weights are put under.'
)
_VISUAL_FEATURES = flags.DEFINE_string(
  'visual_features', 'pixels', 'Of text weights: pixels or precomputed.'
)
_NUM_HEADS = flags.DEFINE_integer(
  'num_heads', 0, 'Attention heads; by default those of a config.json or '
  'manifest.json beside the weights, or 64 wide.'
)  # fmt: skip
_BASE = flags.DEFINE_string(
  'base', '', 'Converted weights that are kept where --input has none.'
)


_VOCAB = flags.DEFINE_string(
  'vocab', '', 'Word pieces of the weights; by default vocab.txt beside them.'
)
_CATEGORIES = flags.DEFINE_string(
  'categories', '', 'Names of a detector, one a line; by default '
  'objects_vocab.txt beside the weights.'
)  # fmt: skip
_ATTRIBUTES = flags.DEFINE_string(
  'attributes', '', 'Likewise, by default attributes_vocab.txt.'
)


def main(argv: list[str]) -> None:
  """Reads flags, converts, prints the report."""
  del argv
  program.require(input=_INPUT.value, output=_OUTPUT.value)
  # TensorFlow takes seconds to import, and --help should not pay for it.
  from vlbert_tf.checkpoints import sources

  _check('from', _FROM.value, ('', *sources.SOURCES))
  _check('to', _TO.value, ('', *sources.TARGETS))
  if bool(_FROM.value) == bool(_TO.value):
    raise ValueError(
      'Either --from or --to must be given. '
      f'Received: --from={_FROM.value} --to={_TO.value}.'
    )
  if _TO.value:
    left_out = sources.export(_TO.value, _INPUT.value, _OUTPUT.value)
    for path in left_out:
      print(f'Left out, unknown to {_TO.value}: {path}')
    return
  options = sources.Options(
    preset=_PRESET.value,
    visual_features=_VISUAL_FEATURES.value,
    num_heads=_NUM_HEADS.value,
    base=_BASE.value,
    vocab=_VOCAB.value,
    categories=_CATEGORIES.value,
    attributes=_ATTRIBUTES.value,
  )
  report = sources.convert(_FROM.value, _INPUT.value, _OUTPUT.value, options)
  print('\n'.join(report.lines()))


def _check(flag: str, value: str, known: tuple[str, ...]) -> None:
  if value not in known:
    raise ValueError(
      f'--{flag} must be one of {", ".join(filter(None, known))}. '
      f'Received: {value}.'
    )


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
