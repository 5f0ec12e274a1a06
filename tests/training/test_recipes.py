"""The recipes held against the tables of the paper, typed here by hand."""

import pathlib
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from official.modeling import optimization

from vlbert_tf.tasks.detection import DetectionTask
from vlbert_tf.training import experiments

CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'


class Row(NamedTuple):
  """A column of the paper's table of settings."""

  experiment: str
  config: str
  batch: int
  epochs: int
  examples: int
  peak: float
  warmup: int
  optimizer: str


PAPER = (
  # VL-BERT §4.1: 3.3 M pairs.
  Row('pretraining', 'pretrain', 256, 10, 3_300_000, 1e-4, 8_000, 'adamw'),
  # §4.2.1: 213 k questions to train on.
  Row('vcr', 'vcr', 256, 20, 213_000, 2e-3, 1_000, 'lars'),
  # §4.2.2: 444 k questions to train on.
  Row('vqa', 'vqa', 256, 20, 444_000, 1e-4, 2_000, 'adamw'),
  # §4.2.3: of the 141 k expressions 120,191 are to train on.
  Row('refcoco', 'refcoco', 256, 20, 120_191, 2e-4, 500, 'adamw'),
)
# What the released configurations change of the above.
OFFICIAL = (
  PAPER[0],
  PAPER[1],
  PAPER[2]._replace(epochs=5),
  PAPER[3]._replace(batch=32, peak=2.56e-5),
)


def _params(row, recipe):
  path = str(CONFIGS / row.config / f'{recipe}.yaml')
  return experiments.load_experiment(f'vlbert/{row.experiment}', [path])


def _factory(params):
  return optimization.OptimizerFactory(params.trainer.optimizer_config)


@pytest.mark.parametrize(
  ('row', 'recipe'),
  [(row, 'base') for row in PAPER]
  + [(row, 'official_base') for row in OFFICIAL],
  ids=lambda value: value if isinstance(value, str) else value.experiment,
)
def test_batch_epochs_optimizer_and_rate_are_those_of_the_table(row, recipe):
  params = _params(row, recipe)
  rate = _factory(params).build_learning_rate()
  steps = params.trainer.train_steps

  assert params.task.train_data.global_batch_size == row.batch
  assert abs(steps - row.epochs * row.examples / row.batch) < 1
  assert float(rate(0)) == 0.0
  assert float(rate(row.warmup // 2)) == pytest.approx(row.peak / 2)
  assert float(rate(row.warmup)) == pytest.approx(row.peak)
  if row.experiment == 'vcr':
    # A tenth at epochs 14 and 18, and nothing in between.
    for epoch, before, after in ((14, 1, 0.1), (18, 0.1, 0.01)):
      step = round(epoch * row.examples / row.batch)
      assert float(rate(step - 2)) == pytest.approx(row.peak * before)
      assert float(rate(step + 2)) == pytest.approx(row.peak * after)
    assert float(rate(steps)) == pytest.approx(row.peak * 0.01)
  else:
    middle = (steps + row.warmup) // 2
    assert float(rate(middle)) == pytest.approx(row.peak / 2, rel=1e-3)
    assert float(rate(steps)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize('row', PAPER, ids=lambda row: row.experiment)
def test_momentum_and_decay_are_those_of_the_paper(row):
  optimizer = _params(row, 'base').trainer.optimizer_config.optimizer.get()

  assert optimizer.weight_decay_rate == pytest.approx(1e-4)
  if row.optimizer == 'adamw':
    assert (optimizer.beta_1, optimizer.beta_2) == (0.9, 0.999)
  else:
    assert optimizer.momentum == 0.9


@pytest.mark.parametrize('row', OFFICIAL, ids=lambda row: row.experiment)
def test_released_recipes_decay_everything_and_have_their_arithmetic(row):
  params = _params(row, 'official_base')
  optimizer = params.trainer.optimizer_config.optimizer.get()

  assert params.task.model.preset == 'official'
  assert not optimizer.exclude_from_weight_decay
  clipping = {'pretraining': 10.0, 'vcr': 10.0, 'vqa': 1.0}
  if row.experiment in clipping:
    assert optimizer.global_clipnorm == clipping[row.experiment]
  if row.optimizer == 'adamw':
    assert optimizer.epsilon == 1e-6


def test_the_losses_of_the_released_code_are_set():
  pretraining = _params(OFFICIAL[0], 'official_base').task
  vqa = _params(OFFICIAL[2], 'official_base').task

  assert pretraining.relationship_weight == 0.0
  assert pretraining.swap_probability == 0.0
  assert pretraining.whole_words
  shares = pretraining.random_word_share, pretraining.kept_word_share
  assert shares == (0.1, 0.1)
  assert pretraining.kept_roi_share == 0.1
  assert pretraining.roi_targets == 'soft'
  # Text, RoIs and whole image; 64 word pieces and three special ones in VCR.
  assert pretraining.max_elements == 64
  assert _params(PAPER[0], 'base').task.max_elements == 0
  vcr = _params(OFFICIAL[1], 'official_base').task
  assert vcr.kept_roi_share == 0.1
  assert vcr.outlines
  assert vcr.masked_word_weight == 0.0
  assert vcr.model.max_text_length == 67
  assert vqa.answer_loss == 'sigmoid'


@pytest.mark.parametrize('row', PAPER, ids=lambda row: row.experiment)
def test_images_are_mirrored_where_the_released_code_mirrors_them(row):
  # The paper does not speak of it.
  paper = 0.5 if row.experiment == 'refcoco' else 0.0

  assert _params(row, 'base').task.flip_probability == paper
  assert _params(row, 'official_base').task.flip_probability == 0.5


def test_the_detector_of_visual_genome_has_the_papers_sizes(tmp_path):
  path = str(CONFIGS / 'detection' / 'visual_genome.yaml')
  config = experiments.load_experiment('vlbert/detection', [path]).task
  # Visual Genome's vocabularies have 1,600 objects and 400 attributes.
  for field, count in (('categories_file', 1600), ('attributes_file', 400)):
    names = tmp_path / f'{field}.txt'
    names.write_text(''.join(f'name {k}\n' for k in range(count)))
    setattr(config, field, str(names))
  task = DetectionTask(config)
  sizes = task.architecture()

  assert (sizes.num_categories, sizes.num_attributes) == (1600, 400)
  assert sizes.resnet.depths == (3, 4, 23, 3)
  assert sizes.resnet.frozen_stages == 2
  assert (sizes.resnet.strides[3], sizes.resnet.dilation) == (1, 2)
  # §3.3: a score above 0.5, 10 to 100 RoIs.
  assert (sizes.score_threshold, sizes.min_rois, sizes.max_rois) == (
    0.5, 10, 100,
  )  # fmt: skip
  assert sizes.nms_iou == 0.3
  assert sizes.top_categories == 10
  shape = task.batch_shape()
  assert (shape.short_side, shape.long_side) == (600, 1000)


def test_sgd_has_momentum_and_weight_decay_in_the_gradient():
  params = _params(PAPER[1], 'base')
  optimizer = _factory(params).build_optimizer(0.5)
  kernel = tf.Variable([2.0], name='layer/kernel')
  bias = tf.Variable([2.0], name='layer/bias')

  for _ in range(2):
    gradients = [tf.constant([1.0]), tf.constant([1.0])]
    optimizer.apply_gradients(zip(gradients, [kernel, bias], strict=True))

  # v ← 0.9 v + lr (g + 1e-4 w); w ← w - v, twice, by hand.
  first = 0.5 * (1 + 1e-4 * 2.0)
  second = 0.9 * first + 0.5 * (1 + 1e-4 * (2.0 - first))
  np.testing.assert_allclose(kernel, [2.0 - first - second], rtol=1e-6)
  np.testing.assert_allclose(bias, [2.0 - 0.5 - 0.95], rtol=1e-6)


@pytest.mark.parametrize('recipe', ['base', 'official_base'])
@pytest.mark.parametrize('row', PAPER)
def test_the_detector_is_frozen_up_to_res2_and_images_are_600_by_1000(
  row, recipe
):
  model = _params(row, recipe).task.model

  assert model.frozen_stages == 2  # the stem, and res2
  assert (model.image_short_side, model.image_long_side) == (600, 1000)
