"""Where records are built, and how they become visible: whole or not at all.

Locally a folder is built under another name and renamed at the end. An object
store has no rename of folders: there the manifest is written last, and readers
refuse a folder without one. What a killed job left is used by the next one.
"""

import dataclasses
import os

from beam_jobs import storage
from vlbert_tf.data import example_schema


@dataclasses.dataclass(frozen=True)
class Output:
  """Folders of one data set.

  Attributes:
    root: OUT/NAME.
    final: where the records are when complete.
    building: where they are until then.
    partial: all that is gone when complete.
    work: plans and results of the shards.
  """

  root: str

  @property
  def final(self) -> str:
    return os.path.join(self.root, example_schema.FOLDER_VERSION)

  @property
  def building(self) -> str:
    if storage.is_remote(self.root):
      return self.final
    return os.path.join(self.partial, example_schema.FOLDER_VERSION)

  @property
  def work(self) -> str:
    return os.path.join(self.partial, 'work')

  @property
  def partial(self) -> str:
    return os.path.join(self.root, '.partial')

  @property
  def _replaced(self) -> str:
    return os.path.join(self.partial, 'replaced')

  def check_free(self, overwrite: bool) -> None:
    """Fails when something is in the way.

    Args:
      overwrite: whether complete records may be replaced.

    Raises:
      ValueError: there are complete records that may not be replaced, or
        there is a folder that is not ours.
    """
    if storage.exists(os.path.join(self.final, example_schema.MANIFEST)):
      if not overwrite:
        raise ValueError(
          f'{self.final} holds complete records, which stay as they are. '
          'Pass --overwrite to replace them, or another --output_dir.'
        )
    elif not storage.is_remote(self.root) and storage.exists(self.final):
      raise ValueError(
        f'{self.final} must be absent, or records written by this program. '
        f'It has no {example_schema.MANIFEST}. Move it, or choose another '
        '--output_dir.'
      )

  def prepare(self) -> None:
    """Clears the way; finished shards of an earlier job stay in them."""
    for name in (example_schema.MANIFEST, example_schema.DATASET_INFO):
      path = os.path.join(self.building, name)
      if storage.exists(path):
        storage.remove([path])
    storage.remove_folder(self._replaced)

  def remove_leftovers(self, expected: set[str]) -> None:
    """Removes every file that an earlier job left and this one will not use.

    Args:
      expected: paths to keep.
    """
    found = [
      *storage.files_below(self.building),
      *storage.files_below(self.work),
    ]
    storage.remove([path for path in found if path not in expected])

  def complete(self) -> None:
    """Makes the records visible, in place of those that were there."""
    if not storage.is_remote(self.root):
      if os.path.isdir(self.final):
        os.rename(self.final, self._replaced)
      os.rename(self.building, self.final)
    storage.remove_folder(self.partial)
