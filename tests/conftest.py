"""Fixtures of all tests."""

import os
import pathlib

import pytest

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import tensorflow as tf  # noqa: E402 - reads the environment when imported.

# Two logical CPUs stand in for two GPUs. Devices can only be split before the
# first operation runs, and test modules make tensors as they are imported.
tf.config.set_logical_device_configuration(
  tf.config.list_physical_devices('CPU')[0],
  [tf.config.LogicalDeviceConfiguration()] * 2,
)


@pytest.fixture(scope='session')
def fixtures() -> pathlib.Path:
  """Official data in small: the folder that VLBERT_FIXTURES names."""
  folder = os.environ.get('VLBERT_FIXTURES')
  if not folder:
    pytest.skip('VLBERT_FIXTURES names no folder with official data')
  if not os.path.isdir(folder):
    pytest.fail(f'VLBERT_FIXTURES must name a folder. Received: {folder!r}.')
  return pathlib.Path(folder)
