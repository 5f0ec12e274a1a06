"""Visual question answering (VL-BERT §3.4 and §4.2.2)."""

import dataclasses

import tensorflow as tf
import tf_keras
from official.core import task_factory

from vlbert_tf import elements
from vlbert_tf.data import batching, example_schema, pipeline
from vlbert_tf.modeling import heads
from vlbert_tf.modeling.config import Architecture
from vlbert_tf.modeling.vl_bert import VlBert
from vlbert_tf.tasks import base
from vlbert_tf.text.answers import read_answer_vocabulary
from vlbert_tf.text.sequence import mirror_words, question_sequence

QUESTION_ID = 'question_id'  # int64 [B]
QUESTION = 'question'  # string [B]
QUESTION_TYPE = 'question_type'  # string [B], the data set's, '' for none

ANSWER_LOSSES = ('softmax', 'sigmoid')


@dataclasses.dataclass
class VqaConfig(base.TaskConfig):
  """Settings of visual question answering.

  Attributes:
    flip_probability: as in `base.TaskConfig`; the words left and right of
      question and answers change places.
    answers_file: the K answers, one a line, or a JSON list.
    answer_loss: `softmax`: multi-class cross-entropy with the most frequent
      answer (VL-BERT §4.2.2); `sigmoid`: binary cross-entropy of each answer
      with its soft score (the released code).
  """

  answers_file: str = ''
  answer_loss: str = 'softmax'


class VqaModel(tf_keras.Model):
  """The encoder under a classifier on the answer's [MASK]."""

  def __init__(self, architecture: Architecture, num_answers: int, **kwargs):
    super().__init__(autocast=False, **kwargs)
    self.architecture = architecture
    self.backbone = VlBert(architecture, name='backbone')
    self.answer = heads.AnswerHead(architecture, num_answers, name='answer')

  def call(self, inputs, seed=None, return_attention=False):
    """Answers questions.

    Args:
      inputs: tensors by the names of `elements`.
      seed: int32 `[2]` for dropout, or None outside training.
      return_attention: whether the attention of [MASK] over the RoIs is
        returned as well.

    Returns:
      `elements.ANSWER_LOGITS`, and on request `elements.ANSWER_ATTENTION`.
    """
    states = self.backbone(inputs, seed, return_attention)
    position = inputs[elements.ANSWER_POSITION]
    outputs = {elements.ANSWER_LOGITS: self.answer(states.text, position)}
    if return_attention:
      of_answer = tf.gather(
        tf.reduce_mean(states.attention[-1], axis=1), position, batch_dims=1
      )
      first_roi = tf.shape(states.text)[1]
      outputs[elements.ANSWER_ATTENTION] = of_answer[:, first_roi:-1]
    return outputs


@task_factory.register_task_cls(VqaConfig)
class VqaTask(base.VlBertTask):
  """Cross-entropy over the answers."""

  metric_names = (
    'answer_loss',
    'vqa_accuracy',
    'unknown_answers',
    'cut_texts',
  )

  def __init__(self, params, logging_dir=None, name=None):
    super().__init__(params, logging_dir=logging_dir, name=name)
    if not params.answers_file:
      raise ValueError(
        'Question answering needs task.answers_file, the list of answers. '
        'Received an empty path. Pass the official list, or the answers.txt '
        'that vlbert-build-examples wrote beside the records.'
      )
    if params.answer_loss not in ANSWER_LOSSES:
      raise ValueError(
        f'task.answer_loss must be one of {", ".join(ANSWER_LOSSES)}. '
        f'Received: {params.answer_loss!r}.'
      )
    self.answers = read_answer_vocabulary(params.answers_file)

  def build_model(self):
    architecture = self.architecture()
    return base.built(
      VqaModel(architecture, len(self.answers)),
      {
        elements.ANSWER_POSITION: tf.zeros([1], tf.int32),
        **base.dummy_inputs(architecture),
      },
      self.task_config.train_data.seed,
    )

  def example_source(self, split, config):
    base.check_kind(
      split, config.path, example_schema.QUESTIONS, 'Question answering', 'vqa'
    )
    shape = self.batch_shape(config)
    self.check_flips(shape)
    table = tf.lookup.StaticHashTable(
      tf.lookup.KeyValueTensorInitializer(
        tf.constant(self.answers), tf.range(len(self.answers))
      ),
      default_value=-1,
    )
    return pipeline.ExampleSource(
      prepare=lambda record, epoch: self._prepare(
        record, epoch, table, shape, config
      ),
      finish=lambda batch: self._finish(batch, shape),
    )

  def _prepare(self, record, epoch, table, shape, config):
    rows = record[pipeline.ROWS]
    ids = tf.gather(record['question/id'], rows)
    visual, flip = self.maybe_flip(
      batching.decode_visual(record, shape),
      tf.strings.as_string(ids[0]),
      epoch,
      config,
    )

    def targets(row):
      return answer_targets(
        table.lookup(mirror_words(record['answer/text'][row], flip)),
        record['answer/count'][row],
        len(self.answers),
      )

    labels, scores = tf.map_fn(
      targets, rows, fn_output_signature=(tf.int32, tf.float32)
    )
    return {
      elements.EXAMPLE_ID: tf.strings.as_string(ids),
      QUESTION_ID: ids,
      QUESTION: mirror_words(tf.gather(record['question/text'], rows), flip),
      QUESTION_TYPE: tf.gather(record['question/type'], rows),
      elements.ANSWER_LABEL: labels,
      elements.ANSWER_SCORES: tf.ensure_shape(
        scores, [None, len(self.answers)]
      ),
      **visual,
    }

  def _finish(self, batch, shape):
    for name in (
      elements.EXAMPLE_ID,
      QUESTION_ID,
      QUESTION,
      QUESTION_TYPE,
      elements.ANSWER_LABEL,
      elements.ANSWER_SCORES,
    ):
      batch[name] = batching.merge_texts(batch[name])
    sequence, position = question_sequence(
      self.tokenizer.tokenize(batch[QUESTION]),
      self.tokenizer,
      shape.text_buckets[-1],
    )
    return {
      **batching.pad_visual(batch, shape),
      **base.padded_text(sequence, sequence.word_ids, shape),
      elements.ANSWER_POSITION: position,
    }

  def label_weights(self, batch):
    return {'answer_loss': base.example_weights(batch)}

  def compute_losses(self, batch, outputs):
    logits = outputs[elements.ANSWER_LOGITS]
    if self.task_config.answer_loss == 'sigmoid':
      each = tf.nn.sigmoid_cross_entropy_with_logits(
        labels=batch[elements.ANSWER_SCORES], logits=logits
      )
      loss = tf.reduce_sum(each, axis=-1)
    else:
      # An answer outside the vocabulary is a row of zero targets: it adds
      # nothing to the loss, and still counts as an example.
      one_hot = tf.one_hot(batch[elements.ANSWER_LABEL], len(self.answers))
      loss = tf.nn.softmax_cross_entropy_with_logits(
        labels=one_hot, logits=logits
      )
    weights = self.label_weights(batch)['answer_loss']
    return {'answer_loss': base.sum_loss(loss, weights)}

  def compute_scores(self, batch, outputs):
    best = tf.argmax(outputs[elements.ANSWER_LOGITS], -1)
    score = tf.gather(batch[elements.ANSWER_SCORES], best, batch_dims=1)
    weights = base.example_weights(batch)
    return {
      'vqa_accuracy': (score, weights),
      'unknown_answers': (batch[elements.ANSWER_LABEL] < 0, weights),
      'cut_texts': (batch[base.TEXT_CUT], weights),
    }


def answer_targets(
  classes: tf.Tensor, counts: tf.Tensor, num_answers: int
) -> tuple[tf.Tensor, tf.Tensor]:
  """What a question's human answers say about the K classes.

  Args:
    classes: int32 `[M]`, class of each distinct answer, -1 outside the
      vocabulary.
    counts: int64 `[M]`, how many people gave it.
    num_answers: K.

  Returns:
    The class of the most frequent answer, int32 scalar, -1 when it is outside
    the vocabulary; and float32 `[K]`, the accuracy that each class would get:
    the mean, over the people left out in turn, of min(1, others / 3).
  """
  count = tf.cast(counts, tf.float32)
  people = tf.maximum(tf.reduce_sum(count), 1.0)
  with_all = tf.minimum(count / 3.0, 1.0)
  without_one = tf.minimum((count - 1.0) / 3.0, 1.0)
  score = (with_all * (people - count) + without_one * count) / people
  scores = tf.reduce_sum(
    tf.one_hot(classes, num_answers) * score[:, None], axis=0
  )
  # A test question has no answers at all.
  padded_classes = tf.concat([classes, [-1]], axis=0)
  best = tf.argmax(tf.concat([counts, [0]], axis=0))
  return padded_classes[best], scores
