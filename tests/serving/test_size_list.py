"""Sizes as flags give them."""

import pytest

from serving import size_list


def test_sizes_are_read_in_order():
  assert size_list.read_sizes('batch_sizes', ['1', '2', '8']) == (1, 2, 8)
  assert size_list.read_sizes('batch_sizes', []) == ()


@pytest.mark.parametrize('values', ['2,1', '1,1', '0', 'one'])
def test_sizes_that_do_not_increase_are_refused(values):
  with pytest.raises(
    ValueError, match='--batch_sizes must be positive'
  ) as told:
    size_list.read_sizes('batch_sizes', values.split(','))
  assert f'Received: {values}.' in str(told.value)
