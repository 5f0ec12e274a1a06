"""What is said of a server's refusal, and what to do about it."""

import grpc
import pytest

from serving import client, connection
from tests.serving import toy_model


def test_an_export_without_detector_is_asked_otherwise(address):
  with (
    client.Client(address, 'toy', has_detector=True) as connected,
    pytest.raises(connection.ModelError, match='vlbert-ask without --detect'),
  ):
    connected.ask(toy_model.png(7, 5), 'what color?')


def test_an_export_with_detector_is_asked_otherwise():
  # As TensorFlow Serving says it.
  details = (
    'input size does not match signature: 3!=2 len({boxes,image,question}) != '
    'len({image,question}). Sent extra: {boxes}. Missing but required: {}.'
  )

  error = connection.model_error(
    connection.Settings(target='host:1'),
    grpc.StatusCode.INVALID_ARGUMENT,
    details,
  )

  assert str(error).endswith('has_detector=True (vlbert-ask --detect).')
  assert error.details == details
