"""What training itself predicts, for an export to be held against.

The requests are made from raw records, the predictions from the batches that
the input pipeline makes of the same records.
"""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from serving import signatures
from serving.calls import Arrays, Call
from vlbert_tf import elements
from vlbert_tf.data import pipeline, record_contents
from vlbert_tf.tasks import base, refcoco, saved, vcr
from vlbert_tf.tasks.trained import Trained

_EXAMPLES = 4
_REAL = 'real'


def calls(trained: Trained, names: dict[str, str]) -> list[Call]:
  """Calls with the predictions of the model on the first validation examples.

  Args:
    trained: that has records; of another there are no calls.
    names: keys of the signatures that take boxes with an image or with
      features, as the model reads them, by their function.

  Returns:
    One call, or none where there are no records or no such predictions.
  """
  function, texts, change, predict = _PREDICTIONS[trained.task]
  if function not in names or not _has_records(trained):
    return []
  task, config = trained.records, trained.records.task_config
  data = config.validation_data.replace(
    is_training=False, global_batch_size=_EXAMPLES
  )
  before = {name: getattr(config, name) for name in change}
  config.override(change)
  try:
    batch = next(iter(task.build_inputs(data)))
    raw = next(iter(_raw(trained, data, texts)))
  finally:
    config.override(before)
  inputs = _inputs(trained, {k: v.numpy() for k, v in raw.items()}, texts)
  # Training cuts texts that are too long; a request with one is refused.
  whole = ~batch[base.TEXT_CUT].numpy().reshape(_EXAMPLES, -1).any(axis=1)
  if not whole.any():
    return []
  expected = predict(trained, batch)
  return [
    Call(
      signature=names[function],
      inputs={name: value[whole] for name, value in inputs.items()},
      expected={name: value[whole] for name, value in expected.items()},
    )
  ]


def _has_records(trained: Trained) -> bool:
  """A model that was passed on comes without, and so do converted weights."""
  if trained.records is None:
    return False
  path = trained.records.task_config.validation_data.path
  return bool(path) and tf.io.gfile.exists(path)


def _raw(trained: Trained, data, texts: dict[str, str]) -> Iterator:
  """Batches of the same records, as they are stored."""
  reads_features = trained.architecture.resnet is None

  def prepare(record, epoch):
    del epoch
    row = record[pipeline.ROWS][0]
    boxes = record['roi/box']
    stored = {name: record[key][row] for name, key in texts.items()}
    if reads_features:
      stored['image_size'] = tf.stack(
        [record['image/height'], record['image/width']]
      )
      stored['appearance'] = record[record_contents.ROI_FEATURE]
      stored['image_appearance'] = record[record_contents.IMAGE_FEATURE]
    else:
      stored['image'] = record[record_contents.ENCODED]
    if 'roi/tag' in record:
      stored['roi_tags'] = record['roi/tag']
      stored['outlines'] = record['roi/polygons']
    return {
      'boxes': boxes,
      _REAL: tf.ones(tf.shape(boxes)[:1], tf.bool),
      **stored,
    }

  source = pipeline.ExampleSource(prepare=prepare, finish=lambda batch: batch)
  split = trained.records.open_split(data)
  return iter(pipeline.build_dataset(data, split, source))


def _inputs(trained: Trained, raw: Arrays, texts) -> Arrays:
  most = trained.shape.roi_buckets[-1]
  real = raw[_REAL][:, :most]
  boxes = np.where(
    real[..., None], raw['boxes'][:, :most], signatures.PADDING_COORDINATE
  )
  inputs = {**_visual(trained, raw, most), 'boxes': boxes.astype(np.float32)}
  if trained.outlines:
    inputs['outlines'] = np.where(real, raw['outlines'][:, :most], b'')
  if trained.task == saved.VCR:
    tags = np.where(real, raw['roi_tags'][:, :most], -1)
    return {**inputs, **_choice(trained, raw, tags)}
  return {**inputs, **{name: raw[name] for name in texts}}


def _visual(trained: Trained, raw: Arrays, most: int) -> Arrays:
  """Images, or the features of at most so many RoIs."""
  if trained.architecture.resnet is not None:
    return {'image': raw['image']}
  image_appearance = raw['image_appearance'].astype(np.float32)
  if trained.architecture.arithmetic.image_appearance == 'mean':
    image_appearance = np.zeros_like(image_appearance)
  return {
    'image_size': raw['image_size'].astype(np.float32),
    'appearance': raw['appearance'][:, :most].astype(np.float32),
    'image_appearance': image_appearance,
  }


def _choice(trained: Trained, raw: Arrays, of_rois: np.ndarray) -> Arrays:
  """Words and tags of a multiple choice; tags become rows of boxes."""
  words, tags = (_sections(trained, raw, part) for part in ('', '_tags'))
  return {
    'question': words[0],
    'question_tags': _as_rows(tags[0], of_rois),
    'candidates': words[1],
    'candidate_tags': _as_rows(tags[1], of_rois),
  }


def _sections(trained: Trained, raw: Arrays, part: str):
  """What is given, object `[B]`, and the candidates, `[B, 4]`."""
  question = raw[f'question{part}'].astype(object)
  answers = raw[f'answers{part}'].astype(object)
  if trained.records.task_config.sub_task == vcr.ANSWER:
    return question, answers
  right = np.maximum(raw['label'], 0)[:, None]
  answer = np.take_along_axis(answers, right, axis=1)[:, 0]
  return question + b' ' + answer, raw[f'rationales{part}'].astype(object)


def _as_rows(tags: np.ndarray, of_rois: np.ndarray) -> np.ndarray:
  """Tags of texts, with rows of boxes for the numbers that RoIs have.

  Args:
    tags: object `[B]` or `[B, N]`, numbers with spaces between them.
    of_rois: `[B, R]`, -1 where there is no RoI.
  """
  named = []
  for texts, numbers in zip(
    tags.reshape(len(tags), -1), of_rois.tolist(), strict=True
  ):
    known = {tag: row for row, tag in enumerate(numbers) if tag >= 0}
    named.append(
      [
        ' '.join(str(known.get(int(tag), -1)) for tag in text.split())
        for text in texts
      ]
    )
  return np.array(named, object).reshape(tags.shape)


def _answers(trained: Trained, batch) -> Arrays:
  logits = trained.model(batch)[elements.ANSWER_LOGITS].numpy()
  probabilities = (
    1.0 / (1.0 + np.exp(-logits))
    if trained.independent_answers
    else tf.nn.softmax(logits).numpy()
  )
  best = np.argsort(-probabilities, axis=1, kind='stable')
  best = best[:, : signatures.TOP_ANSWERS]
  names = np.array([answer.encode() for answer in trained.answers], object)
  return {
    'answers': names[best],
    'scores': np.take_along_axis(probabilities, best, axis=1),
  }


def _regions(trained: Trained, batch) -> Arrays:
  logits = trained.model(batch)[elements.ROI_LOGITS]
  real = batch[elements.ROI_MASK]
  best = refcoco.best_rois(logits, real)
  scores = tf.where(real, tf.sigmoid(logits), 0.0).numpy()
  longest = real.numpy().sum(axis=1).max()
  return {
    'index': best.numpy().astype(np.int32), 'scores': scores[:, :longest]
  }  # fmt: skip


def _choices(trained: Trained, batch) -> Arrays:
  logits = trained.model(batch)[elements.CANDIDATE_LOGITS]
  return {'probabilities': tf.nn.softmax(logits).numpy()}


def _matches(trained: Trained, batch) -> Arrays:
  logits = trained.model(batch)[elements.RELATIONSHIP_LOGITS]
  return {'score': tf.sigmoid(logits).numpy()}


_CHOICE_TEXTS = {
  'question': 'choice/question',
  'question_tags': 'choice/question_tags',
  'answers': 'choice/answers',
  'answers_tags': 'choice/answer_tags',
  'rationales': 'choice/rationales',
  'rationales_tags': 'choice/rationale_tags',
  'label': 'choice/answer_label',
}
_NOTHING_HIDDEN = {
  'word_mask_rate': 0.0, 'roi_mask_rate': 0.0, 'swap_probability': 0.0
}  # fmt: skip

Predict = Callable[[Trained, dict], Arrays]

# Function, its texts in records, settings of the task meanwhile, predictions.
_PREDICTIONS: dict[str, tuple[str, dict, dict, Predict]] = {
  saved.VQA: ('answer', {'question': 'question/text'}, {}, _answers),
  saved.REFCOCO: ('ground', {'expression': 'expression/text'}, {}, _regions),
  saved.VCR: ('choose', _CHOICE_TEXTS, {}, _choices),
  saved.PRETRAINING: (
    'match', {'caption': 'caption/text'}, _NOTHING_HIDDEN, _matches
  ),
}  # fmt: skip
