"""One job at a time writes into a folder.

On a local disk the operating system keeps the lock, and takes it from a
process that dies. An object store has no locks: there a small file is written
again and again while a job lives, and one whose content stands still belongs
to a job that is dead.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator

from absl import logging

from beam_jobs import storage

_NAME = 'lock.json'
_SECONDS_BETWEEN_BEATS = 20.0


@contextlib.contextmanager
def held(folder: str, beat: float = _SECONDS_BETWEEN_BEATS) -> Iterator[None]:
  """Holds a folder for this process.

  Args:
    folder: of a job, local or remote.
    beat: seconds between two signs of life, where locks are files.

  Yields:
    Once, while the folder is held.

  Raises:
    ValueError: another job holds it.
  """
  path = os.path.join(folder, _NAME)
  if storage.is_remote(folder):
    with _beating(path, beat):
      yield
    return
  os.makedirs(folder, exist_ok=True)
  with open(path, 'a+') as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      file.seek(0)
      raise _taken(folder, file.read()) from error
    if not os.fstat(file.fileno()).st_nlink:
      # Its holder has just completed and removed it.
      raise _taken(folder, '')
    file.truncate(0)
    file.write(_whose(0))
    file.flush()
    yield


@contextlib.contextmanager
def _beating(path: str, beat: float) -> Iterator[None]:
  ended = threading.Event()
  if storage.exists(path):
    before = storage.read(path)
    logging.info('Waits %.0f s for a sign of life of another job.', 3 * beat)
    ended.wait(3 * beat)
    if storage.exists(path) and storage.read(path) != before:
      raise _taken(os.path.dirname(path), before.decode('utf-8'))
  owner = uuid.uuid4().hex

  def live():
    number = 0
    while not ended.wait(beat):
      number += 1
      storage.write(path, _whose(number, owner).encode('utf-8'))

  storage.write(path, _whose(0, owner).encode('utf-8'))
  thread = threading.Thread(target=live, daemon=True)
  thread.start()
  try:
    yield
  finally:
    ended.set()
    thread.join()
    if storage.exists(path):
      storage.remove([path])


def _whose(beat: int, owner: str = '') -> str:
  return json.dumps(
    {
      'host': socket.gethostname(),
      'process': os.getpid(),
      'owner': owner,
      'beat': beat,
    }
  )


def _taken(folder: str, content: str) -> ValueError:
  try:
    holder = json.loads(content)
    who = f'process {holder["process"]} on {holder["host"]}'
  except (ValueError, KeyError):
    who = 'another process'
  return ValueError(
    f'One job at a time may write into a folder. Received: {folder}, into '
    f'which {who} writes. Wait for it, or pass another --name.'
  )
