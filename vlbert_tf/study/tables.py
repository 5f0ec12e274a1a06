"""Results of the study as tables, laid out as those of the paper (§4.2)."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from vlbert_tf.study import runs
from vlbert_tf.study.measures import ALL, BLIND, HELD_OUT, IMAGE_HIDDEN

Records = Sequence[dict]

_NONE = '–'
_ACCURACY = ('accuracy',)
_VCR = ('Q->A', 'QA->R', 'Q->AR')
_PRETRAINING = (
  'masked_word_accuracy',
  'masked_roi_accuracy',
  'relationship_accuracy',
)


class Cells(NamedTuple):
  """A row: its label, a run and which part of its test; see `measures`."""

  label: str
  run: str
  part: str = ALL


class Claim(NamedTuple):
  """What pre-training adds to a metric, here and in the paper (§4.2)."""

  label: str
  run: str
  metric: str
  paper: float


# Differences of the rows of the paper's tables 2 (val), 3 (test-dev), 4 (val).
CLAIMS = (
  Claim('VCR Q→A', 'vcr', 'Q->A', 0.2),
  Claim('VCR QA→R', 'vcr', 'QA->R', 0.1),
  Claim('VCR Q→AR', 'vcr', 'Q->AR', 0.2),
  Claim('VQA', 'vqa', 'accuracy', 0.92),
  Claim('RefCOCO+, annotated', 'refcoco_annotated', 'accuracy', 4.48),
  Claim('RefCOCO+, detected', 'refcoco_detected', 'accuracy', 5.92),
)


class LeftOut(NamedTuple):
  """A row of the ablations, and the run that it is compared with."""

  label: str
  run: str
  base: str = ''


LEFT_OUT = (
  LeftOut('features; nothing left out', 'refcoco_detected'),
  LeftOut('all of pre-training', 'refcoco_detected_alone', 'refcoco_detected'),
  *(
    LeftOut(label, f'refcoco_detected_{name}', 'refcoco_detected')
    for label, name in (
      ('sentence-image relationship', 'no_relationship'),
      ('masked words', 'no_masked_words'),
      ('masked RoIs', 'no_masked_rois'),
      ('geometry', 'no_geometry'),
      ('whole-image feature of words', 'no_image_for_words'),
      ('one position for all RoIs: they are numbered', 'numbered_rois'),
    )
  ),
  LeftOut('joint training; nothing left out', 'refcoco_detected_joint'),
  LeftOut(
    'joint training: precomputed features',
    'refcoco_detected',
    'refcoco_detected_joint',
  ),
  LeftOut(
    'joint training: pixels, but a visual network that does not learn',
    'refcoco_detected_pixels',
    'refcoco_detected_joint',
  ),
  LeftOut(
    'zeroed pixels of masked RoIs, in pre-training; network does not learn',
    'refcoco_detected_not_zeroed',
    'refcoco_detected_pixels',
  ),
)

_NOTES = """\
In per cent, on the test split: mean ± standard deviation over seeds, where
there are several. *Held out*: questions about images with an object whose
color and shape no training text or image has together, and expressions and
choices that mean such an object. *Image hidden*: the same model shown plain
gray, or features of nothing, with the boxes as they are.
"""


def page(records: Records) -> str:
  """All tables, with a dash where there is no result yet.

  Args:
    records: one a run and seed, as `execution.study` writes them.

  Returns:
    Markdown.
  """
  parts = [
    '# The claims of VL-BERT in miniature',
    _NOTES + _sizes(records),
    '## What pre-training adds',
    _claims(records),
    '## VCR (table 2)',
    _table(records, ('Q→A', 'QA→R', 'Q→AR'), _VCR, _with_and_without('vcr')),
    '## VQA (table 3)',
    _table(
      records,
      ('accuracy',),
      _ACCURACY,
      [
        *_with_and_without('vqa'),
        Cells('most frequent answer of each type of question', 'vqa', BLIND),
      ],
    ),
    '## RefCOCO+ (table 4)',
    *(_grounding(records, track) for track in ('annotated', 'detected')),
    '## What is left out (RefCOCO+, detected boxes)',
    _left_out(records),
    '## More steps of pre-training',
    _longer(records),
    '## Pre-training itself, on captions that were not trained on',
    _table(
      records,
      ('masked words', 'masked RoIs', 'relationship'),
      _PRETRAINING,
      [
        Cells(run.name.removeprefix('pretraining_').replace('_', ' '), run.name)
        for run in runs.RUNS
        if run.task == runs.PRETRAINING
      ],
    ),
    _leak(records),
    '## easy-VQA, all of it, without pre-training',
    _table(
      records,
      ('accuracy',),
      _ACCURACY,
      [
        Cells('our model', runs.EASY_VQA),
        Cells('image hidden', runs.EASY_VQA, IMAGE_HIDDEN),
        Cells('most frequent answer', runs.EASY_VQA, BLIND),
      ],
    ),
  ]
  return '\n\n'.join(part.strip() for part in parts) + '\n'


def spread(values: Sequence[float], signed: bool = False) -> str:
  """Mean ± sample standard deviation; the mean alone of one value."""
  if not values:
    return _NONE
  mean = f'{statistics.mean(values):{"+" if signed else ""}.1f}'
  if len(values) == 1:
    return mean
  return f'{mean} ± {statistics.stdev(values):.1f}'


def verdict(differences: Sequence[float]) -> str:
  """Whether differences have the paper's sign, which is positive.

  Args:
    differences: of each seed.

  Returns:
    Words; undecided where the mean is no larger than the deviation.
  """
  if not differences:
    return _NONE
  mean = statistics.mean(differences)
  if len(differences) > 1 and abs(mean) <= statistics.stdev(differences):
    return 'undecided: within the deviation'
  words = 'as in the paper' if mean > 0 else '**contradicts the paper**'
  return words if len(differences) > 1 else f'{words} (one seed)'


def _with_and_without(task: str) -> list[Cells]:
  return [
    Cells(f'{which}{suffix}', f'{task}{run}', part)
    for suffix, part in (
      ('', ALL),
      (', held out', HELD_OUT),
      (', image hidden', IMAGE_HIDDEN),
    )
    for which, run in (
      ('with pre-training', ''),
      ('without pre-training', '_alone'),
    )
  ]


def _values(records: Records, run: str, metric: str, part: str = ALL):
  """Values by seed."""
  return {
    record['seed']: record['metrics'][part][metric]
    for record in records
    if record['run'] == run and metric in record['metrics'].get(part, {})
  }


def _differences(records: Records, one: str, other: str, metric: str):
  """One minus the other, by seed."""
  ours, theirs = (_values(records, run, metric) for run in (one, other))
  return {k: ours[k] - theirs[k] for k in sorted(ours.keys() & theirs.keys())}


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  lines = [head, ['---'] * len(head), *rows]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _table(records, head, metrics, rows: Sequence[Cells]) -> str:
  return _rows(
    ['', *head],
    [
      [
        row.label,
        *(
          spread(list(_values(records, row.run, m, row.part).values()))
          for m in metrics
        ),
      ]
      for row in rows
    ],
  )


def _claims(records: Records) -> str:
  added = {
    claim.label: _differences(
      records, claim.run, f'{claim.run}_alone', claim.metric
    )
    for claim in CLAIMS
  }
  paper = {claim.label: claim.paper for claim in CLAIMS}
  # Most where words must be tied to regions.
  for track in ('annotated', 'detected'):
    regions, whole = added[f'RefCOCO+, {track}'], added['VQA']
    label = f'RefCOCO+, {track}, more than VQA'
    added[label] = {
      k: regions[k] - whole[k] for k in regions.keys() & whole.keys()
    }
    paper[label] = paper[f'RefCOCO+, {track}'] - paper['VQA']
  return _rows(
    ['', 'here', 'paper', ''],
    [
      [
        label,
        spread(list(values.values()), signed=True),
        f'{paper[label]:+.1f}',
        verdict(list(values.values())),
      ]
      for label, values in added.items()
    ],
  )


def _grounding(records: Records, track: str) -> str:
  run = f'refcoco_{track}'
  table = _table(records, (track,), _ACCURACY, _with_and_without(run))
  chance = spread(list(_values(records, run, 'chance').values()))
  return f'{table}\n| a random annotated box | {chance} |'


def _left_out(records: Records) -> str:
  rows = []
  for row in LEFT_OUT:
    difference = _NONE
    if row.base:
      values = _differences(records, row.run, row.base, 'accuracy')
      difference = spread(list(values.values()), signed=True)
    cells = (
      spread(list(_values(records, row.run, 'accuracy', part).values()))
      for part in (ALL, HELD_OUT)
    )
    rows.append([row.label, *cells, difference])
  return _rows(['left out', 'accuracy', 'held out', 'difference'], rows)


def _longer(records: Records) -> str:
  """The claims, where pre-training takes more steps; the same seeds."""
  rows = []
  for claim in CLAIMS:
    name = f'{claim.run}{runs.LONGER}'
    cells = [
      _values(records, run, claim.metric)
      for run in (f'{claim.run}_alone', claim.run, name)
    ]
    seeds = cells[2].keys()
    added = _differences(records, name, f'{claim.run}_alone', claim.metric)
    rows.append(
      [
        claim.label,
        *(spread([v for k, v in cell.items() if k in seeds]) for cell in cells),
        spread(list(added.values()), signed=True),
        verdict(list(added.values())),
      ]
    )
  head = ['', 'without', 'with', f'with {runs.FULL.longer} times the steps']
  return _rows([*head, 'which adds', ''], rows)


def _leak(records: Records) -> str:
  values = _differences(
    records,
    'pretraining_not_zeroed',
    'pretraining_pixels',
    'masked_roi_accuracy',
  )
  return (
    'Masked pixels that are not zeroed change the accuracy of masked RoIs by '
    f'{spread(list(values.values()), signed=True)}: what is above 0 has leaked.'
  )


def _sizes(records: Records) -> str:
  """How much was trained on, of the runs that say so."""
  said = {tuple(r['images'].items()) for r in records if r.get('images')}
  return '\n'.join(
    'Images: ' + ', '.join(f'{count} {kind}' for kind, count in images) + '.'
    for images in sorted(said)
  )
