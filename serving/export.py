"""Exports a trained model as a SavedModel that TF Serving loads.

Examples:
  vlbert-export --model_dir=runs/vqa --output_dir=export/vlbert
  vlbert-export --model_dir=runs/vqa --detector=export/detector \\
      --output_dir=export/vlbert
  vlbert-export --model_dir=runs/detector --output_dir=export/detector
  vlbert-export --model_dir=weights/vlbert-vqa --vocab_file=vocab.txt \\
      --answers_file=answers.txt --output_dir=export/vlbert

Writes OUTPUT_DIR/VERSION, the next number that is free. Decoding, tokenizing,
the model and the choice of the best answers are all inside the graph. With
--detector requests need no boxes. The export appears once a fresh process has
loaded it and found its answers to be those of the trained model; requests to
warm a server with and a model card lie in VERSION/assets.extra.
"""

from absl import flags, logging

from vlbert_tf import program

_MODEL_DIR = flags.DEFINE_string(
  'model_dir', None, 'Folder that vlbert-train or vlbert-convert wrote.'
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
_DETECTOR = flags.DEFINE_string(
  'detector', '', 'Folder of an exported detector, or of one that '
  'vlbert-train wrote, that finds the RoIs of requests without boxes.'
)  # fmt: skip
_VOCAB_FILE = flags.DEFINE_string(
  'vocab_file', '', 'Vocabulary of converted weights.'
)
_ANSWERS_FILE = flags.DEFINE_string(
  'answers_file', '', 'Answers of converted weights for question answering.'
)
_DTYPE = flags.DEFINE_string(
  'dtype', 'float32', 'float32, bfloat16 or float16, that it computes in.'
)
_BATCH_SIZES = flags.DEFINE_list(
  'batch_sizes', ['1', '2', '4', '8'], 'Sizes that a server merges requests '
  'into; the export is checked with each, and has requests to warm them.'
)  # fmt: skip
_TEXT_BUCKETS = flags.DEFINE_list(
  'text_buckets', [], 'Lengths that texts are padded to; by default those of '
  'the validation data.'
)  # fmt: skip
_ROI_BUCKETS = flags.DEFINE_list(
  'roi_buckets', [], 'The same for RoIs.'
)  # fmt: skip


def main(argv: list[str]) -> None:
  """Reads flags, restores the model, writes the SavedModel."""
  del argv
  program.require(model_dir=_MODEL_DIR.value, output_dir=_OUTPUT_DIR.value)
  # TensorFlow takes seconds to import, and --help should not pay for it.
  from serving import candidates, publishing, size_list
  from vlbert_tf.tasks import trained

  batch_sizes = size_list.read_sizes('batch_sizes', _BATCH_SIZES.value)
  request = trained.Request(
    path=_MODEL_DIR.value,
    checkpoint=_CHECKPOINT.value,
    vocab_file=_VOCAB_FILE.value,
    answers_file=_ANSWERS_FILE.value,
    text_buckets=size_list.read_sizes('text_buckets', _TEXT_BUCKETS.value),
    roi_buckets=size_list.read_sizes('roi_buckets', _ROI_BUCKETS.value),
  )
  publishing.next_version(_OUTPUT_DIR.value, _VERSION.value)
  candidate = candidates.make(
    request, batch_sizes, _DTYPE.value, _DETECTOR.value
  )
  logging.info(
    'Checking %d requests in a fresh process.',
    len(candidate.warmup) + len(candidate.checks),
  )
  folder = publishing.publish(candidate, _OUTPUT_DIR.value, _VERSION.value)
  logging.info('Exported to %s.', folder)


def cli() -> None:
  """The installed program."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
