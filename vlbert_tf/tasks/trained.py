"""A trained VL-BERT with all that its inputs and outputs are read by.

Found in a folder that `vlbert-train` wrote, or in one of `vlbert-convert`,
which has neither vocabulary nor answers.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
import tf_keras

from vlbert_tf.checkpoints import folder, models, native
from vlbert_tf.data import batching
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.tasks import base, saved
from vlbert_tf.text.answers import read_answer_vocabulary
from vlbert_tf.text.vocabulary import read_vocabulary

FLOAT32 = 'float32'
DTYPES = (FLOAT32, 'bfloat16', 'float16')

_TASKS = {
  models.PRETRAIN: saved.PRETRAINING,
  models.VQA: saved.VQA,
  models.REFCOCO: saved.REFCOCO,
  models.VCR: saved.VCR,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """What is to be loaded.

  Attributes:
    path: folder of `vlbert-train` or `vlbert-convert`.
    checkpoint: other than the newest of the folder; '' for that one.
    vocab_file: of converted weights.
    answers_file: of converted weights for question answering.
    text_buckets: lengths that texts are padded to; empty for those of the
      settings.
    roi_buckets: the same for RoIs.
  """

  path: str
  checkpoint: str = ''
  vocab_file: str = ''
  answers_file: str = ''
  text_buckets: tuple[int, ...] = ()
  roi_buckets: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
  """A model that answers.

  Attributes:
    task: one of `saved.TASKS`.
    model: `backbone` and the heads of the task.
    heads: names of those of its heads that have learned.
    vocabulary: word pieces by id.
    answers: of question answering, by class; else empty.
    independent_answers: whether each answer has a probability of its own
      (sigmoid), in place of one distribution over all (softmax).
    shape: that batches are padded to.
    settings: of the task, for people to read.
    checkpoint: where the weights come from.
    outlines: whether it has seen objects within their outlines.
    records: the task that reads its records, or None for converted weights.
  """

  task: str
  model: tf_keras.Model
  heads: frozenset[str]
  vocabulary: tuple[str, ...]
  answers: tuple[str, ...]
  independent_answers: bool
  shape: batching.BatchShape
  settings: dict[str, Any]
  checkpoint: str
  outlines: bool = False
  records: base.VlBertTask | None = None

  @property
  def architecture(self) -> Architecture:
    """Of the encoder."""
    return self.model.architecture


_HEADS = {
  saved.PRETRAINING: ('relationship', 'masked_word', 'roi_category'),
  saved.VQA: ('answer',),
  saved.REFCOCO: ('roi_score',),
  saved.VCR: ('candidate',),
}


def load(request: Request, dtype: str = FLOAT32) -> Trained:
  """Loads a model.

  Args:
    request: what.
    dtype: that it computes in; weights stay float32.

  Returns:
    The model.

  Raises:
    ValueError: the folder is neither kind, or its files do not fit.
  """
  with _computing_in(dtype):
    if tf.io.gfile.exists(f'{request.path}/{native.SIZES}'):
      return _converted(request)
    return _trained(request)


def _trained(request: Request) -> Trained:
  name = saved.experiment_of(request.path)
  # XLA compiles each new shape on its first request, and not every server is
  # built with it.
  task = saved.load_task(request.path, {'model': {'xla': 'none'}})
  checkpoint = native.find_checkpoint(request.checkpoint or request.path)
  config = task.task_config
  model = saved.restore_trained(task, request.path, request.checkpoint)
  return Trained(
    task=name,
    model=model,
    heads=frozenset(_HEADS[name]),
    vocabulary=tuple(read_vocabulary(config.vocab_file)),
    answers=tuple(task.answers) if name == saved.VQA else (),
    independent_answers=name == saved.VQA and config.answer_loss == 'sigmoid',
    shape=_with_buckets(
      task.batch_shape(config.validation_data), request, model.architecture
    ),
    settings=config.as_dict(),
    checkpoint=checkpoint,
    outlines=name == saved.VCR and config.outlines,
    records=task,
  )


def _converted(request: Request) -> Trained:
  model, report = folder.read(request.path)
  sizes, task = model.architecture, _TASKS[model.task]
  vocabulary = _vocabulary(request, sizes.vocab_size)
  answers = ()
  if task == saved.VQA:
    answers = _answers(request, model.num_answers)
  new = {path.split('.')[0] for path in report.new}
  return Trained(
    task=task,
    model=model,
    heads=frozenset(_HEADS[task]) - new,
    vocabulary=vocabulary,
    answers=answers,
    # The released code learns answers one by one, and choices from outlines.
    independent_answers=True,
    shape=_with_buckets(_usual_shape(sizes), request, sizes),
    settings=dataclasses.asdict(sizes),
    outlines=task == saved.VCR and sizes.resnet is not None,
    checkpoint=native.find_checkpoint(request.path),
  )


def _vocabulary(request: Request, size: int) -> tuple[str, ...]:
  if not request.vocab_file:
    raise ValueError(
      'Converted weights need --vocab_file, the vocabulary that they were '
      f'trained with. Received: none for {request.path}. Pass the vocab.txt '
      'of BERT that the weights started from.'
    )
  words = read_vocabulary(request.vocab_file)
  if len(words) != size:
    raise ValueError(
      f'A vocabulary must hold as many words as the model knows, {size}. '
      f'Received: {request.vocab_file} with {len(words)}. Pass the vocab.txt '
      'that the weights were trained with.'
    )
  return tuple(words)


def _answers(request: Request, count: int) -> tuple[str, ...]:
  if not request.answers_file:
    raise ValueError(
      'Converted weights for question answering need --answers_file, the '
      f'answers by class. Received: none for {request.path}, which has '
      f'{count} classes. Pass the list that the weights were trained with.'
    )
  answers = read_answer_vocabulary(request.answers_file)
  if len(answers) != count:
    raise ValueError(
      f'A list of answers must be as long as the model has classes, {count}. '
      f'Received: {request.answers_file} with {len(answers)}. Pass the list '
      'that the weights were trained with.'
    )
  return tuple(answers)


def _usual_shape(sizes: Architecture) -> batching.BatchShape:
  """The lengths and image sides of the paper, where the model has them."""
  usual = base.TaskConfig().model
  longest = min(usual.max_text_length, _longest_text(sizes))
  return batching.BatchShape(
    text_buckets=(longest,),
    roi_buckets=(usual.max_rois,),
    short_side=usual.image_short_side,
    long_side=usual.image_long_side,
  )


def _longest_text(sizes: Architecture) -> int:
  # RoIs take the position after the text, [END] the one after that.
  return sizes.max_positions - 2


def _with_buckets(
  shape: batching.BatchShape, request: Request, sizes: Architecture
) -> batching.BatchShape:
  """The shape with other buckets."""
  for name in ('text_buckets', 'roi_buckets'):
    buckets = tuple(getattr(request, name))
    if not buckets:
      continue
    if list(buckets) != sorted(set(buckets)) or buckets[0] < 1:
      raise ValueError(
        f'--{name} must be positive and increase. Received: {list(buckets)}.'
      )
    shape = dataclasses.replace(shape, **{name: buckets})
  if shape.text_buckets[-1] > _longest_text(sizes):
    raise ValueError(
      f'--text_buckets may go up to {_longest_text(sizes)}, for the model has '
      f'{sizes.max_positions} positions. Received: {list(shape.text_buckets)}.'
    )
  return shape


@contextlib.contextmanager
def _computing_in(dtype: str) -> Iterator[None]:
  """Layers that are built inside compute in `dtype`."""
  if dtype not in DTYPES:
    raise ValueError(
      f'--dtype must be one of {", ".join(DTYPES)}. Received: {dtype}.'
    )
  before = tf_keras.mixed_precision.global_policy()
  policy = dtype if dtype == FLOAT32 else f'mixed_{dtype}'
  tf_keras.mixed_precision.set_global_policy(policy)
  try:
    yield
  finally:
    tf_keras.mixed_precision.set_global_policy(before)
