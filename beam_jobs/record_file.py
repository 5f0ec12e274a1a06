"""TFRecords written to any open file."""

from typing import BinaryIO

from apache_beam.io.tfrecordio import _TFRecordUtil

# Length and its checksum before a record, checksum of the record after it.
_FRAME = 8 + 4 + 4


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

  def write(self, record: bytes) -> None:
    """Writes one serialized record."""
    _TFRecordUtil.write_record(_Both(self._file, self._digest), record)
    self.size += _FRAME + len(record)


class _Both:
  def __init__(self, file, digest):
    self._file, self._digest = file, digest

  def write(self, content: bytes) -> None:
    self._file.write(content)
    self._digest.update(content)
