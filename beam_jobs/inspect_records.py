"""Shows what is in a folder of records, before a model is trained on it.

  vlbert-inspect-records records/vqa2
  vlbert-inspect-records records/vqa2 --split=val --images=24 --sheet=val.png

Prints counts, features and texts by split, checks what must hold of every
record, and draws some records, drawn by chance, with their boxes and texts
into a sheet of pictures (PNG; --sheet= draws none). Ends with 1 when a rule
does not hold.

--check_images=1000 looks at the first 1000 records of a split; 0 at all.
"""

import sys

from absl import flags

from vlbert_tf import program

_SPLIT = flags.DEFINE_multi_string(
  'split', [], 'Splits to look at; by default all. May be repeated.'
)
_SHEET = flags.DEFINE_string('sheet', 'records.png', 'Picture to write.')
_IMAGES = flags.DEFINE_integer('images', 12, 'Records on it.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Of the choice of these records.')
_CHECK_IMAGES = flags.DEFINE_integer(
  'check_images', 0, 'Records of each split that are checked; 0 is all.', 0
)


def main(paths: list[str]) -> None:
  if len(paths) != 1:
    raise ValueError(
      'One folder of records is inspected. '
      f'Received: {" ".join(paths) or "none"}.'
    )
  from beam_jobs import inspection

  found = inspection.inspect(
    paths[0],
    splits=tuple(_SPLIT.value),
    sheet=_SHEET.value,
    images=_IMAGES.value,
    seed=_SEED.value,
    check_images=_CHECK_IMAGES.value,
  )
  sys.stdout.write(found.page)
  if found.flaws:
    raise ValueError(
      f'All rules must hold. Received: {len(found.flaws)} flaws in {paths[0]}, '
      'listed above. Build the records again.'
    )


def cli() -> None:
  """Entry point of `vlbert-inspect-records`."""
  program.run(main, usage=__doc__)


if __name__ == '__main__':
  cli()
