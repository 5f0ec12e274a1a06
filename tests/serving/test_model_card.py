"""What a model card says, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from serving import model_card, signatures
from serving.calls import Call


class Fixed:
  """A model whose outputs are given."""

  def __init__(self, **outputs):
    self._outputs = {k: tf.constant(v) for k, v in outputs.items()}

  def answer_eagerly(self, name, inputs):
    del name, inputs
    return self._outputs


def test_rounding_is_measured_output_by_output():
  exact = Fixed(scores=[0.5, 0.25], answers=['yes', 'no'], status=['', ''])
  rounded = Fixed(scores=[0.5, 0.375], answers=['yes', 'so'], status=['', ''])
  call = Call(signature='answer', inputs={'x': np.zeros([2])})

  found = model_card.rounding([call], exact, rounded)

  assert found == {
    'answer.scores': {
      'largest_difference': 0.125,
      'mean_difference': 0.0625,
    },
    'answer.answers': {'share_equal': 0.5},
  }


def test_metrics_are_those_of_the_last_evaluation(tmp_path):
  writer = tf.summary.create_file_writer(str(tmp_path / 'validation'))
  with writer.as_default():
    for step, accuracy in ((100, 0.25), (200, 0.5)):
      tf.summary.scalar('vqa_accuracy', accuracy, step=step)
  writer.close()

  metrics = model_card.metrics_of_run(str(tmp_path))

  assert metrics == {'vqa_accuracy': pytest.approx(0.5), 'step': 200}
  assert model_card.metrics_of_run(str(tmp_path / 'none')) == {}


def test_a_card_lists_every_input_and_output(tmp_path):
  card = model_card.describe({'serving_default': signatures.VQA}, [1, 8])
  model_card.write(str(tmp_path / 'card.json'), card)

  described = card['signatures']['serving_default']
  assert card['batch_sizes'] == [1, 8]
  assert described['inputs'].keys() == {'image', 'question', 'boxes'}
  assert described['inputs']['boxes']['shape'] == [None, None, 4]
  assert described['outputs']['scores']['dtype'] == 'float32'
  assert '"batch_sizes"' in (tmp_path / 'card.json').read_text()
