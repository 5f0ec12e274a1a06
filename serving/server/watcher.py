"""Follows the versions on disk: loads, warms, switches, unloads.

A new version is loaded and warmed beside the old one, which is unloaded when
its last call has ended: no request meets a model without a version. A version
that cannot be loaded is refused, and the old one stays.
"""

import pathlib
import threading
from collections.abc import Sequence

import tensorflow as tf
from absl import logging

from serving.server import model, registry, settings, versions, warm_up


class VersionWatcher:
  """Keeps a registry at what the folders of its models hold."""

  def __init__(
    self,
    served: registry.Registry,
    models: Sequence[settings.ModelSettings],
  ) -> None:
    """Loads nothing yet.

    Args:
      served: is changed by this watcher alone.
      models: to follow.
    """
    self._served = served
    self._models = list(models)
    # Folders that could not be loaded, by what they looked like.
    self._refused: dict[pathlib.Path, tuple] = {}
    self._lock = threading.Lock()
    self._stopped = threading.Event()

  def load_all(self) -> None:
    """Serves every model, as a server does before it listens.

    Raises:
      ValueError: a model has no version that can be loaded.
    """
    self.check()
    for settings_ in self._models:
      if not self._served.versions(settings_.name):
        errors = [s.error for s in self._served.statuses(settings_.name)]
        raise ValueError(
          errors[0]
          if errors
          else 'A model must have a version that its policy selects. '
          f'Received: {settings_.name}, {settings_.policy}, versions '
          f'{sorted(versions.complete_versions(settings_.base_path))} in '
          f'{settings_.base_path}. Correct model_version_policy.'
        )

  def check(self) -> None:
    """Looks at all folders once and follows them."""
    with self._lock:
      for settings_ in self._models:
        self._follow(settings_)

  def configure(self, models: Sequence[settings.ModelSettings]) -> None:
    """Serves other models, or the same ones otherwise.

    Raises:
      ValueError: a model has no version that can be loaded; those of before
        are served on then.
    """
    with self._lock:
      before, self._models = self._models, list(models)
    try:
      self.load_all()
    except ValueError:
      with self._lock:
        self._models = before
      self.check()
      self._drop_others()
      raise
    self._drop_others()

  def start(self, seconds: float) -> None:
    """Checks every so many seconds from now on, in a thread."""
    threading.Thread(target=self._poll, args=(seconds,), daemon=True).start()

  def stop(self) -> None:
    """Ends the checks."""
    self._stopped.set()

  def _poll(self, seconds: float) -> None:
    while not self._stopped.wait(seconds):
      try:
        self.check()
      except Exception:  # noqa: BLE001 - a full disk must not end the watch.
        logging.exception('Versions could not be checked')

  def _follow(self, settings_: settings.ModelSettings) -> None:
    name = settings_.name
    folders = versions.complete_versions(settings_.base_path)
    wanted = settings_.policy.select(folders)
    served = {version.version for version in self._served.versions(name)}
    for number in wanted:
      if number not in served and self._load(name, folders[number]):
        served.add(number)
    self._served.set_labels(name, settings_.labels)
    for number in sorted(served - _kept(wanted, served)):
      self._served.withdraw(name, number)
      logging.info('Unloaded %s version %d', name, number)

  def _load(self, name: str, folder: pathlib.Path) -> bool:
    """Serves a version; says False for one that is, or was, refused."""
    look = _look(folder)
    if self._refused.get(folder) == look:
      return False
    number = int(folder.name)
    self._served.note(name, number, registry.State.LOADING)
    try:
      version = model.LoadedVersion(name, folder)
      requests = warm_up.warm_up(version, folder)
    except (ValueError, OSError, tf.errors.OpError) as error:
      message = ' '.join(str(error).split())
      logging.error('Refused %s version %d: %s', name, number, message)
      self._served.note(name, number, registry.State.END, message)
      self._refused[folder] = look
      return False
    self._served.publish(version)
    logging.info(
      'Serving %s version %d after %d warm-up requests', name, number, requests
    )
    return True

  def _drop_others(self) -> None:
    """Unloads models that are followed no more."""
    with self._lock:
      followed = {settings_.name for settings_ in self._models}
      for name in self._served.names() - followed:
        for version in self._served.versions(name):
          self._served.withdraw(name, version.version)


def _kept(wanted: Sequence[int], served: set[int]) -> set[int]:
  """Versions that stay: those wanted, and old ones in place of missing."""
  kept = served & set(wanted)
  old = sorted(served - kept, reverse=True)
  # An empty folder is more likely a lost disk than a wish to serve nothing.
  missing = max(len(wanted), 1) - len(kept)
  return kept | set(old[: max(missing, 0)])


def _look(folder: pathlib.Path) -> tuple:
  """Changes when the folder is written anew."""
  stats = [path.stat() for path in sorted(folder.rglob('*'))]
  return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)
