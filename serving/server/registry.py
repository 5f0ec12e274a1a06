"""The versions that are served now, and what became of the others."""

import collections
import contextlib
import dataclasses
import enum
import threading
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf

from serving.server import model

_Key = tuple[str, int]


class State(enum.IntEnum):
  """Of a version, with the numbers of ModelVersionStatus."""

  LOADING = 20
  AVAILABLE = 30
  UNLOADING = 40
  END = 50


@dataclasses.dataclass(frozen=True, kw_only=True)
class VersionStatus:
  """How a version stands.

  Attributes:
    version: its number.
    state: where it is on its way.
    error: why it was refused; empty otherwise.
  """

  version: int
  state: State
  error: str = ''


class Registry:
  """Models by name, version and label; may be used from any thread."""

  def __init__(self, versions: Sequence[model.LoadedVersion] = ()) -> None:
    """Starts with versions that are served at once."""
    self._changed = threading.Condition()
    self._versions: dict[_Key, model.LoadedVersion] = {}
    self._statuses: dict[_Key, VersionStatus] = {}
    self._calls: collections.Counter[_Key] = collections.Counter()
    self._labels: dict[str, Mapping[str, int]] = {}
    for version in versions:
      self.publish(version)

  def publish(self, version: model.LoadedVersion) -> None:
    """Serves a version from now on."""
    with self._changed:
      self._versions[version.name, version.version] = version
      self.note(version.name, version.version, State.AVAILABLE)

  def withdraw(self, name: str, version: int) -> None:
    """Serves a version no more, and returns when its last call has ended."""
    key = name, version
    with self._changed:
      del self._versions[key]
      self.note(name, version, State.UNLOADING)
      self._changed.wait_for(lambda: not self._calls[key])
      del self._calls[key]
      self.note(name, version, State.END)

  def note(
    self, name: str, version: int, state: State, error: str = ''
  ) -> None:
    """Records how a version stands."""
    status = VersionStatus(version=version, state=state, error=error)
    with self._changed:
      self._statuses[name, version] = status
      self._changed.notify_all()

  def set_labels(self, name: str, labels: Mapping[str, int]) -> None:
    """Replaces the labels of a model."""
    with self._changed:
      self._labels[name] = dict(labels)

  def names(self) -> set[str]:
    """Models with a version that is served."""
    with self._changed:
      return {name for name, _ in self._versions}

  def versions(self, name: str) -> list[model.LoadedVersion]:
    """Versions of a model, oldest first; none for an unknown name."""
    with self._changed:
      keys = sorted(key for key in self._versions if key[0] == name)
      return [self._versions[key] for key in keys]

  def statuses(self, name: str) -> list[VersionStatus]:
    """Of all versions of a model that were seen, newest first."""
    with self._changed:
      keys = sorted(key for key in self._statuses if key[0] == name)
      return [self._statuses[key] for key in reversed(keys)]

  def find(
    self, name: str, version: int | None = None, label: str = ''
  ) -> model.LoadedVersion:
    """The version that a request is for.

    Args:
      name: name of the model.
      version: None for the newest.
      label: name of a version, in place of its number.

    Raises:
      tf.errors.NotFoundError: no such model or version.
      tf.errors.InvalidArgumentError: the model has no such label.
    """
    if label:
      version = self._labeled(name, label)
    found = [
      v for v in self.versions(name) if version is None or v.version == version
    ]
    if not found:
      wanted = f'Latest({name})'
      if version is not None:
        wanted = f'Specific({name}, {version})'
      raise tf.errors.NotFoundError(
        None,
        None,
        f'Servable not found for request: {wanted}. '
        f'Served here: {self._served()}.',
      )
    return found[-1]

  @contextlib.contextmanager
  def use(
    self, name: str, version: int | None = None, label: str = ''
  ) -> Iterator[model.LoadedVersion]:
    """Finds a version, which is not unloaded before the context ends."""
    with self._changed:
      found = self.find(name, version, label)
      key = found.name, found.version
      self._calls[key] += 1
    try:
      yield found
    finally:
      with self._changed:
        self._calls[key] -= 1
        self._changed.notify_all()

  def _labeled(self, name: str, label: str) -> int:
    with self._changed:
      labels = self._labels.get(name, {})
    if label not in labels:
      raise tf.errors.InvalidArgumentError(
        None, None, f'Unrecognized servable version label: {label}'
      )
    return labels[label]

  def _served(self) -> str:
    with self._changed:
      return ', '.join(f'{n} version {v}' for n, v in sorted(self._versions))
