"""Which folders are versions."""

from vlbert_tf.data.version_folders import numbered


def test_versions_are_numbers_and_keep_their_names():
  names = ['9/', '0010', '11.partial', 'x', '²', '-3', '']

  assert numbered(names) == {9: '9', 10: '0010'}
  assert max(numbered(names).items()) == (10, '0010')
