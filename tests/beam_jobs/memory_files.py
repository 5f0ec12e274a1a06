"""Files in memory under memory://, as an object store keeps them."""

import io
import time

from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem

FILES: dict[str, bytes] = {}


class _Upload(io.BytesIO):
  """Appears when it is closed."""

  def __init__(self, path):
    super().__init__()
    self._path = path

  def close(self):
    if not self.closed:
      FILES[self._path] = self.getvalue()
    super().close()


class MemoryFileSystem(FileSystem):
  """Found by Beam through its scheme."""

  @classmethod
  def scheme(cls):
    return 'memory'

  def join(self, basepath, *paths):
    return '/'.join([basepath.rstrip('/'), *paths])

  def split(self, path):
    return tuple(path.rsplit('/', 1))

  def mkdirs(self, path):
    pass

  def has_dirs(self):
    return False

  def _list(self, dir_or_prefix):
    for path in sorted(FILES):
      if path.startswith(dir_or_prefix):
        yield self.metadata(path)

  def create(self, path, mime_type='', compression_type='auto'):
    return _Upload(path)

  def open(self, path, mime_type='', compression_type='auto'):
    if path not in FILES:
      raise BeamIOError('no such object', {path: 'missing'})
    return io.BytesIO(FILES[path])

  def copy(self, source_file_names, destination_file_names):
    for source, target in zip(
      source_file_names, destination_file_names, strict=True
    ):
      FILES[target] = FILES[source]

  def rename(self, source_file_names, destination_file_names):
    self.copy(source_file_names, destination_file_names)
    self.delete(source_file_names)

  def exists(self, path):
    return path in FILES

  def size(self, path):
    return len(FILES[path])

  def last_updated(self, path):
    return time.time()

  def metadata(self, path):
    return FileMetadata(path, len(FILES[path]), 0.0)

  def checksum(self, path):
    return str(hash(FILES[path]))

  def delete(self, paths):
    for path in paths:
      del FILES[path]
