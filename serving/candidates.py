"""From a model folder to all that is published of it."""

from collections.abc import Sequence

import tensorflow as tf
from absl import logging

from serving import detector, model_card, parity, signatures, warmup
from serving.publishing import Candidate
from serving.saved_model import ServedModel
from vlbert_tf.tasks import saved, trained
from vlbert_tf.tasks.trained import FLOAT32


def make(
  request: trained.Request,
  batch_sizes: Sequence[int],
  dtype: str = FLOAT32,
  detector_path: str = '',
) -> Candidate:
  """Loads a model and prepares its export.

  Args:
    request: what is loaded.
    batch_sizes: that a server merges requests into.
    dtype: that the export computes in.
    detector_path: of a detector that becomes part of it; '' for none.

  Returns:
    What is to be published, with what it must answer.

  Raises:
    ValueError: a file is missing or does not fit.
  """
  if _is_detector(request.path):
    return _detector(request, batch_sizes, dtype, detector_path)
  found = detector.open_detector(detector_path) if detector_path else None
  model = trained.load(request, dtype)
  served = ServedModel(model, found)
  logging.info('Signatures: %s.', ', '.join(served.contracts))
  calls = warmup.requests(
    served.contracts,
    model.shape,
    batch_sizes,
    model.architecture.appearance_size,
  )
  calls = warmup.with_answers(calls, served.answer_eagerly)
  checks = parity.calls(model, _on_boxes(served))
  card = {
    **model_card.describe(served.contracts, batch_sizes),
    **model_card.describe_trained(model, dtype),
    'detector': detector_path,
    'training_examples_checked': sum(_rows(call) for call in checks),
  }
  if dtype != FLOAT32:
    exact = ServedModel(trained.load(request), found)
    single = [call for call in calls if _rows(call) == 1]
    card['rounding'] = model_card.rounding([*single, *checks], exact, served)
  return Candidate(
    module=served, warmup=calls, checks=checks, card=card, dtype=dtype
  )


def _is_detector(path: str) -> bool:
  if not tf.io.gfile.exists(f'{path}/{saved.PARAMS_FILE}'):
    return False
  return saved.experiment_of(path) == saved.DETECTION


def _detector(request, batch_sizes, dtype, detector_path) -> Candidate:
  if dtype != FLOAT32 or detector_path:
    raise ValueError(
      'A detector is exported by itself, in float32. '
      f'Received: --dtype={dtype} --detector={detector_path} for '
      f'{request.path}. Leave both out.'
    )
  task = saved.load_task(request.path)
  model = saved.restore_trained(task, request.path, request.checkpoint)
  module = detector.DetectorModule(task, model)
  calls = warmup.requests(module.contracts, task.batch_shape(), batch_sizes)
  calls = warmup.with_answers(calls, module.answer_eagerly)
  card = {
    **model_card.describe(module.contracts, batch_sizes),
    'task': saved.DETECTION,
    'dtype': dtype,
    'checkpoint': request.checkpoint or request.path,
    'settings': task.task_config.as_dict(),
    'metrics': model_card.metrics_of_run(request.path),
    'categories': list(task.categories()),
  }
  return Candidate(
    module=module, warmup=calls, checks=[], card=card, dtype=dtype
  )


def _on_boxes(served: ServedModel) -> dict[str, str]:
  """Keys of the signatures whose requests hold boxes, by function.

  Of those with and without outlines, the one with: it comes last.
  """
  return {
    name.partition('_on_')[0]: name
    for name, contract in served.contracts.items()
    if 'boxes' in contract.inputs and name != signatures.DEFAULT
  }


def _rows(call) -> int:
  return len(next(iter(call.inputs.values())))
