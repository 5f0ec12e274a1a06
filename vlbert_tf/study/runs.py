"""Which models the study trains, and the settings in which they differ.

The same tiny model, captions and labelled images throughout. A run differs
from the one that it is compared with in what its `changes` and its `start`
say, and in nothing else.
"""

import dataclasses
from collections.abc import Iterator, Sequence

from vlbert_tf.walkthrough import programs

PRETRAINING = 'pretraining'
VQA = 'vqa'
VCR = 'vcr'
REFCOCO = 'refcoco'

# What a model sees: what the detector computed beforehand, or the image.
FEATURES = 'features'
PIXELS = 'pixels'

LONGER = '_longer'  # ends the names of such runs

# Names of records.
CAPTIONS = 'study_captions'
QUESTIONS = 'study_vqa'
CHOICES = 'study_vcr'
ANNOTATED = 'study_refcoco_annotated'
DETECTED = 'study_refcoco_detected'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scale:
  """How much is trained, and on how much.

  Attributes:
    caption_images: with two captions each, for pre-training.
    labelled_images: with questions, expressions and choices, to train on.
    test_images: likewise, to test on.
    pretraining_steps: of each pre-training.
    longer: times as many steps have the runs that ask what more of them bring;
      0 leaves those out.
    vqa_steps: of each fine-tuning on questions.
    vcr_steps: on each half of VCR.
    refcoco_steps: on expressions.
    seeds: of each run with and without pre-training, numbered from 0.
    ablation_seeds: of each run with something left out; at most `seeds`.
    easy_vqa: whether the published easy-VQA is trained on as well.
  """

  caption_images: int
  labelled_images: int
  test_images: int
  pretraining_steps: int
  longer: int
  vqa_steps: int
  vcr_steps: int
  refcoco_steps: int
  seeds: int
  ablation_seeds: int
  easy_vqa: bool

  def steps(self, run: 'Run') -> int:
    """Training steps of a run."""
    more = self.longer if run.longer and run.task == PRETRAINING else 1
    return more * getattr(self, f'{run.task}_steps')


FULL = Scale(
  caption_images=6000,
  labelled_images=200,
  test_images=600,
  pretraining_steps=3000,
  longer=4,
  vqa_steps=600,
  vcr_steps=400,
  refcoco_steps=400,
  seeds=3,
  ablation_seeds=1,
  easy_vqa=True,
)
QUICK = Scale(
  caption_images=2500,
  labelled_images=150,
  test_images=300,
  pretraining_steps=1000,
  longer=0,
  vqa_steps=300,
  vcr_steps=200,
  refcoco_steps=200,
  seeds=1,
  ablation_seeds=1,
  easy_vqa=False,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
  """A training, whatever its seed.

  Attributes:
    name: unique; part of file names.
    task: `pretraining`, `vqa`, `vcr` (both halves) or `refcoco`.
    records: what it reads.
    sees: `features` or `pixels`.
    start: name of the pre-training that it starts from; empty for random
      weights (of a visual network, always the detector's).
    changes: settings beyond those of the recipe, the scale and `sees`.
    hide: whether it is tested without images as well.
    ablation: whether something is left out of it, or added to it, that the
      paper's tables 2 to 4 do not have.
    longer: whether its pre-training is; see `Scale`.
  """

  name: str
  task: str
  records: str
  sees: str
  start: str = ''
  changes: tuple[str, ...] = ()
  hide: bool = False
  ablation: bool = False
  longer: bool = False


# Parts of pre-training that are left out. What is not asked for is not hidden
# and not swapped either.
_TASKS_LEFT_OUT = {
  'no_relationship': (
    'task.relationship_weight=0.0',
    'task.swap_probability=0.0',
  ),
  'no_masked_words': ('task.masked_word_weight=0.0', 'task.word_mask_rate=0.0'),
  'no_masked_rois': ('task.masked_roi_weight=0.0', 'task.roi_mask_rate=0.0'),
}
# The recipe of the demo does without; the paper does not.
_RELATIONSHIP = ('task.relationship_weight=1.0', 'task.swap_probability=0.5')
# Parts of the model that are left out, in pre-training and after it.
_PARTS_LEFT_OUT = {
  'no_geometry': ('task.model.geometry=false',),
  'no_image_for_words': ('task.model.words_see_image=false',),
  'numbered_rois': ('task.model.shared_roi_position=false',),
}
_JOINT = ('task.model.frozen_stages=0',)
_NOT_ZEROED = ('task.model.zeroed_pixels=false',)
# Features belong to images as they are: nothing is mirrored.
_NO_FLIPS = 'task.flip_probability=0.0'
# Random weights want a larger rate than trained ones.
_RATE_OF_RANDOM_WEIGHTS = 'trainer.learning_rate=0.001'


def _pretraining(name, sees=FEATURES, changes=()):
  if name != 'no_relationship':
    changes = (*_RELATIONSHIP, *changes)
  return Run(
    name=f'pretraining_{name}',
    task=PRETRAINING,
    records=CAPTIONS,
    sees=sees,
    changes=changes,
    ablation=name not in (FEATURES, PIXELS),
  )


def _with_and_without(task, records, sees, changes=(), alone=()):
  """A fine-tuning that starts from pre-training, and one that does not."""
  name = records.removeprefix('study_')
  with_it = Run(
    name=name,
    task=task,
    records=records,
    sees=sees,
    start=f'pretraining_{sees}',
    changes=changes,
    hide=True,
  )
  without = dataclasses.replace(
    with_it, name=f'{name}_alone', start='', changes=(*changes, *alone)
  )
  return with_it, without


def _grounding(name, sees=FEATURES, changes=()):
  """Grounding in detected boxes, after a pre-training of the same name."""
  return Run(
    name=f'refcoco_detected_{name}',
    task=REFCOCO,
    records=DETECTED,
    sees=sees,
    start=f'pretraining_{name}',
    changes=(_NO_FLIPS, *changes),
    ablation=True,
  )


def _longer(run):
  """The same with more pre-training: one itself, or one that starts from it."""
  return dataclasses.replace(
    run,
    name=f'{run.name}{LONGER}',
    start=run.start and f'{run.start}{LONGER}',
    hide=False,
    ablation=True,
    longer=True,
  )


# In an order in which what a run starts from stands before it.
_CLAIMS_AND_ABLATIONS = (
  _pretraining(FEATURES),
  _pretraining(PIXELS, PIXELS),
  *_with_and_without(
    VQA, QUESTIONS, FEATURES, alone=(_RATE_OF_RANDOM_WEIGHTS,)
  ),
  *_with_and_without(REFCOCO, DETECTED, FEATURES, (_NO_FLIPS,)),
  *_with_and_without(REFCOCO, ANNOTATED, PIXELS),
  *_with_and_without(VCR, CHOICES, PIXELS),
  _pretraining('not_zeroed', PIXELS, _NOT_ZEROED),
  _pretraining('joint', PIXELS, _JOINT),
  _grounding('pixels', PIXELS),
  _grounding('not_zeroed', PIXELS),
  _grounding('joint', PIXELS, _JOINT),
  *(_pretraining(name, FEATURES, c) for name, c in _TASKS_LEFT_OUT.items()),
  *(_grounding(name) for name in _TASKS_LEFT_OUT),
  *(_pretraining(name, FEATURES, c) for name, c in _PARTS_LEFT_OUT.items()),
  *(_grounding(name, FEATURES, c) for name, c in _PARTS_LEFT_OUT.items()),
)
RUNS = (
  *_CLAIMS_AND_ABLATIONS,
  *(
    _longer(run)
    for run in _CLAIMS_AND_ABLATIONS
    if not run.ablation and (run.start or run.task == PRETRAINING)
  ),
)
BY_NAME = {run.name: run for run in RUNS}
EASY_VQA = 'easy_vqa'
_WARMUP = 10  # steps are so many times those of the warm-up


def settings(run: Run, scale: Scale, seed: int) -> tuple[str, ...]:
  """What a run sets beyond its recipe, but for paths.

  Args:
    run: the run.
    scale: gives the steps.
    seed: of initial weights, order and masks.

  Returns:
    Settings, `a.b=c` each.
  """
  steps = scale.steps(run)
  common = (
    f'trainer.train_steps={steps}',
    f'trainer.warmup_steps={steps // _WARMUP}',
    f'task.train_data.seed={seed}',
  )
  if run.sees == FEATURES:
    common += programs.FEATURES
  return (*common, *run.changes)


def batches(
  wanted: Sequence[Run], scale: Scale
) -> Iterator[tuple[int, list[Run]]]:
  """What is run one after the other: all seeds of the claims come first.

  Args:
    wanted: of `RUNS`, in their order.
    scale: gives the seeds.

  Yields:
    A seed, and runs that may go side by side.
  """
  for ablation, seeds in ((False, scale.seeds), (True, scale.ablation_seeds)):
    part = [
      run
      for run in wanted
      if run.ablation == ablation and (scale.longer or not run.longer)
    ]
    for seed in range(seeds):
      yield seed, part


def chosen(names: Sequence[str]) -> tuple[Run, ...]:
  """Runs by name, and those that they start from.

  Args:
    names: of `RUNS`; none means all.

  Returns:
    Runs in the order of `RUNS`.

  Raises:
    ValueError: a name is unknown.
  """
  unknown = sorted(set(names) - BY_NAME.keys())
  if unknown:
    raise ValueError(
      f'A run of the study is one of {", ".join(BY_NAME)}. '
      f'Received: {", ".join(unknown)}.'
    )
  wanted = set(names) | {BY_NAME[name].start for name in names}
  return tuple(run for run in RUNS if not names or run.name in wanted)
