"""The registry: which version a request gets, and until when."""

import threading

import pytest
import tensorflow as tf

from serving.server import model, registry
from tests.serving import toy_model

DEADLINE = 30


@pytest.fixture(scope='module')
def versions(tmp_path_factory):
  """Versions 10 and 9, with the factors 5 and 7."""
  root = tmp_path_factory.mktemp('versions')
  return [
    model.LoadedVersion('toy', toy_model.export(root / str(number), factor))
    for number, factor in ((10, 5.0), (9, 7.0))
  ]


@pytest.fixture
def served(versions):
  return registry.Registry(versions)


def test_the_newest_or_the_one_asked_for_is_found(served):
  def product(version):
    inputs = {'x': tf.constant([2.0])}
    return version.call('arithmetic', inputs)['product'].numpy().tolist()

  assert product(served.find('toy')) == [10.0]
  assert product(served.find('toy', 9)) == [14.0]
  assert [v.version for v in served.versions('toy')] == [9, 10]


def test_a_label_is_another_name_of_a_version(served):
  served.set_labels('toy', {'stable': 9, 'canary': 11})

  assert served.find('toy', label='stable').version == 9
  with pytest.raises(tf.errors.NotFoundError, match=r'Specific\(toy, 11\)'):
    served.find('toy', label='canary')
  with pytest.raises(tf.errors.InvalidArgumentError, match='label: old'):
    served.find('toy', label='old')


def test_a_version_is_withdrawn_when_its_last_call_has_ended(served):
  with served.use('toy') as found:
    withdrawing = threading.Thread(target=served.withdraw, args=('toy', 10))
    withdrawing.start()
    with served._changed:
      assert served._changed.wait_for(
        lambda: served.statuses('toy')[0].state is registry.State.UNLOADING,
        DEADLINE,
      )

    assert found.version == 10
    assert withdrawing.is_alive()
  withdrawing.join(DEADLINE)

  assert not withdrawing.is_alive()
  assert served.find('toy').version == 9
  assert served.statuses('toy')[0].state is registry.State.END
