"""A SavedModel that appears in its place only when it is complete and right."""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from serving import calls as calls_files
from serving import model_card, validation
from serving.calls import Call
from serving.detector import DetectorModule
from serving.saved_model import ServedModel
from vlbert_tf.data import version_folders

WARMUP_FILE = 'assets.extra/tf_serving_warmup_requests'
CARD_FILE = 'assets.extra/model_card.json'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
  """What is to be published.

  Attributes:
    module: with the `root` of its variables and its `signatures`.
    warmup: calls that a server makes before it takes requests.
    checks: calls, with their answers, that the export must pass.
    card: what is known of the model.
    dtype: that it computes in.
  """

  module: ServedModel | DetectorModule
  warmup: Sequence[Call]
  checks: Sequence[Call]
  card: Mapping[str, Any]
  dtype: str


def next_version(base_path: str, version: int) -> int:
  """The version to write.

  Args:
    base_path: folder that holds one folder a version.
    version: that is wanted; 0 is the one after the last.

  Returns:
    Its number.

  Raises:
    ValueError: the version exists.
  """
  gfile = tf.io.gfile
  names = gfile.listdir(base_path) if gfile.isdir(base_path) else []
  numbers = version_folders.numbered(names)
  if version in numbers:
    raise ValueError(
      f'A version is written once. Received: --version={version}, which '
      f'{base_path} already holds. Leave it out to write the next one.'
    )
  return version or max(numbers, default=0) + 1


def publish(candidate: Candidate, base_path: str, version: int = 0) -> str:
  """Writes a version aside, checks it in a fresh process, puts it in place.

  Args:
    candidate: what is written.
    base_path: folder that holds one folder a version.
    version: to write; 0 is the one after the last.

  Returns:
    The folder of the version.

  Raises:
    ValueError: the version exists, or the export does not answer as it must;
      then nothing is left of it.
  """
  gfile = tf.io.gfile
  version = next_version(base_path, version)
  was_there = gfile.exists(base_path)
  folder, partial = f'{base_path}/{version}', f'{base_path}/{version}.partial'
  if gfile.exists(partial):
    gfile.rmtree(partial)
  try:
    _write(candidate, partial)
    with tempfile.TemporaryDirectory() as place:
      checks = f'{place}/checks.tfrecord'
      calls_files.write(checks, [*candidate.warmup, *candidate.checks])
      validation.validate(partial, checks, candidate.dtype)
    gfile.rename(partial, folder)
  except BaseException:
    if gfile.exists(partial):
      gfile.rmtree(partial)
    if not was_there and not gfile.listdir(base_path):
      gfile.rmtree(base_path)
    raise
  return folder


def _write(candidate: Candidate, folder: str) -> None:
  module = candidate.module
  tf.saved_model.save(module.root, folder, signatures=module.signatures)
  tf.io.gfile.makedirs(f'{folder}/{WARMUP_FILE}'.rpartition('/')[0])
  # A server needs no answers to get warm.
  calls_files.write(
    f'{folder}/{WARMUP_FILE}',
    [dataclasses.replace(call, expected={}) for call in candidate.warmup],
  )
  model_card.write(f'{folder}/{CARD_FILE}', candidate.card)
