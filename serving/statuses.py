"""What is wrong with a row of a batch, said without failing the batch.

A server that merges requests runs them in one call of the graph, where an
error of one would be an error of all.
"""

import tensorflow as tf

OK = ''

_BLANKS = {tf.string: '', tf.float32: 0.0, tf.int32: -1}


def rule(broken: tf.Tensor, sentence: str) -> tf.Tensor:
  """A status where a rule is broken.

  Args:
    broken: bool `[B]`.
    sentence: the rule.

  Returns:
    string `[B]`, `OK` where it holds.
  """
  return tf.where(broken, sentence, OK)


def first(*statuses: tf.Tensor) -> tf.Tensor:
  """The first status of each row that is not `OK`, string `[B]`."""
  found = statuses[0]
  for status in statuses[1:]:
    found = tf.where(found == OK, status, found)
  return found


def only_answered(
  outputs: dict[str, tf.Tensor], status: tf.Tensor, blanks: dict[str, float]
) -> dict[str, tf.Tensor]:
  """Empties the rows that break a rule, and says which.

  Args:
    outputs: `[B, ...]` each.
    status: string `[B]`.
    blanks: what an output is emptied to, where that is not '', 0, or -1 of
      whole numbers.

  Returns:
    The outputs, and `status`.
  """
  shown = {}
  for name, value in outputs.items():
    ok = tf.reshape(status == OK, [-1] + [1] * (value.shape.rank - 1))
    blank = tf.constant(blanks.get(name, _BLANKS[value.dtype]), value.dtype)
    shown[name] = tf.where(ok, value, blank)
  return {**shown, 'status': status}
