"""The model of many GPUs, against hand-worked numbers."""

import pytest

from benchmarks import scaling


def test_flops_of_the_encoder_are_those_worked_by_hand():
  # S 2, D 3, F 5: 2·2·(4·9 + 2·15) = 264, and 4·4·3 = 48; two layers.
  assert scaling.encoder_flops(2, 3, 5, 2) == 2 * (264 + 48)


def test_the_network_is_resnet_101_up_to_res4_with_res5_for_each_roi():
  inputs = scaling.Inputs(height=224, width=224, rois=0)
  # He et al. (2016), table 1: 7.6e9 multiply-adds at 224×224, of which res5,
  # here on 7×7 as there, with its strides in the first 1×1.
  assert scaling.visual_flops(inputs) / 2 == pytest.approx(7.6e9, rel=0.03)
  # 44.5 M parameters, less 2 M of the classifier.
  network = scaling.parameters(inputs) - scaling.parameters(
    scaling.Inputs(visual_features='precomputed')
  )
  assert network == pytest.approx(42.5e6, rel=0.01)


def test_bert_base_has_its_parameters():
  inputs = scaling.Inputs(visual_features='precomputed')

  # BERT-base has 110 M; 4096×768 of the projection, and heads, come on top.
  heads = 4096 * 768 + 3 * 768**2 + 2 * 768 * 1600
  assert scaling.parameters(inputs) - heads == pytest.approx(110e6, rel=0.02)


def test_a_ring_sends_nothing_alone_and_almost_twice_the_gradients_in_sixteen():
  alone, sixteen = scaling.Inputs(gpus=1), scaling.Inputs(gpus=16)

  assert scaling.reduced_bytes(alone) == 0
  gradients = 4 * scaling.parameters(sixteen)
  assert scaling.reduced_bytes(sixteen) == pytest.approx(gradients * 30 / 16)


@pytest.mark.parametrize('gpus', [1, 4, 8, 16])
@pytest.mark.parametrize('features', ['pixels', 'precomputed'])
def test_recipes_fit_into_sixteen_gigabytes(gpus, features):
  inputs = scaling.Inputs(
    visual_features=features, gpus=gpus, micro_batches=max(1, 16 // gpus)
  )

  # A fifth is left for what the model does not know of.
  assert scaling.memory(inputs) < 0.8 * 16e9
