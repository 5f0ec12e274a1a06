"""Fixtures of all tests."""

import os
import pathlib

import pytest

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')


@pytest.fixture(scope='session')
def fixtures() -> pathlib.Path:
  """Official data in small: the folder that VLBERT_FIXTURES names."""
  folder = os.environ.get('VLBERT_FIXTURES')
  if not folder:
    pytest.skip('VLBERT_FIXTURES names no folder with official data')
  return pathlib.Path(folder)


@pytest.fixture(scope='session', autouse=True)
def two_devices():
  """Two logical CPUs stand in for two GPUs in every process of the tests."""
  import tensorflow as tf

  tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices('CPU')[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
  )
