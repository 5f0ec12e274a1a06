"""TFRecords written to any open file."""

from typing import BinaryIO

from apache_beam.io.tfrecordio import _TFRecordUtil

_BEFORE = 8 + 4  # length of the record, and a checksum of it
_AFTER = 4  # checksum of the record


class RecordWriter:
  """Writes records; TensorFlow's own writer knows local files alone.

  Attributes:
    size: bytes written so far.
  """

  def __init__(self, file: BinaryIO, digest):
    """Takes an open file.

    Args:
      file: that the records go to.
      digest: of `hashlib`, that is told all bytes as well.
    """
    self._file = file
    self._digest = digest
    self.size = 0

  def write(self, record: bytes) -> int:
    """Writes one serialized record.

    Args:
      record: its bytes.

    Returns:
      Place of the first of them in the file.
    """
    _TFRecordUtil.write_record(_Both(self._file, self._digest), record)
    start = self.size + _BEFORE
    self.size = start + len(record) + _AFTER
    return start


class _Both:
  def __init__(self, file, digest):
    self._file, self._digest = file, digest

  def write(self, content: bytes) -> None:
    self._file.write(content)
    self._digest.update(content)
